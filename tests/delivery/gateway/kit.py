"""What every adapter must do, played against a real outside: a server or a program that answers as it is told."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from app.agents.types import Adapter
from app.delivery.gateway.contract import Gateway
from app.delivery.types.runs import (
    Ask,
    Caller,
    Exchange,
    FailureClass,
    ParsedAnswer,
    Profile,
    RawAnswer,
    SendHeaders,
    Tool,
    ToolCall,
    ToolResult,
)
from tests.delivery.worlds import NOW

SESSION = "session-which-is-secret"
TOKEN = "t0ken-which-is-secret"
CALLER = Caller(agent_slug="tester", gateway_id="tester", session_key=SESSION)
HEADERS = SendHeaders(agent_slug="tester", gateway_id="tester", session_key=SESSION, idempotency_key="delivery-1")
TOOL = Tool(name="task_status", description="Move it.", parameters={"type": "object"})
ASK = Ask(instructions="Be brief.", input="Hello \u00e9", tools=(TOOL,))
CALL = ToolCall("call_1", "task_status", '{"status":"review"}')
FAILURES = (
    FailureClass.RATE_LIMITED,
    FailureClass.QUOTA,
    FailureClass.AUTH,
    FailureClass.UNAVAILABLE,
    FailureClass.REFUSED,
)
LIMITS = (FailureClass.RATE_LIMITED, FailureClass.QUOTA)
RETRY_AFTER = 7


@dataclass(frozen=True)
class Says:
    """A whole answer; `calls` are the tools that it wants called."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True)
class Fails:
    failure: FailureClass


@dataclass(frozen=True)
class Hangs:
    """It begins and never answers."""


@dataclass(frozen=True)
class TooLarge:
    pass


@dataclass(frozen=True)
class Malformed:
    pass


@dataclass(frozen=True)
class Cut:
    """It breaks off in the middle of the answer."""


Play = Says | Fails | Hangs | TooLarge | Malformed | Cut


class World(ABC):
    """One adapter with its outside, which does `play` next and keeps what it was asked."""

    adapter: ClassVar[Adapter]
    settings: ClassVar[Mapping[str, Any]] = {}
    # What this outside has no way to do.
    cannot: ClassVar[tuple[type, ...]] = ()

    def __init__(self) -> None:
        self.play: Play = Says("")
        self.asked: list[str] = []

    @abstractmethod
    def gateway(self) -> Gateway: ...

    @abstractmethod
    async def begun(self) -> None:
        """Wait until the outside works on what it was asked."""

    @abstractmethod
    async def ended(self) -> None:
        """Wait until nothing of what was asked is left outside."""

    def profile(self, *, within: float = 20.0) -> Profile:
        return Profile(name="kit", adapter=self.adapter, url=self.url, settings=dict(self.settings), timeout_seconds=within)

    @property
    def url(self) -> str | None:
        return None

    async def send(self, play: Play, *, ask: Ask = ASK, within: float = 20.0) -> RawAnswer:
        self.play = play
        profile, gateway = self.profile(within=within), self.gateway()
        request = gateway.encode(ask, profile=profile, caller=CALLER)
        assert request == gateway.encode(ask, profile=profile, caller=CALLER)
        return await gateway.send(request, profile=profile, token=TOKEN, headers=HEADERS, now=NOW)

    async def answer(self, play: Play, *, ask: Ask = ASK, within: float = 20.0) -> ParsedAnswer:
        return self.gateway().read(await self.send(play, ask=ask, within=within))


def after(said: ParsedAnswer) -> Ask:
    """What is asked once the call was made."""
    (call,) = said.tool_calls
    result = ToolResult(call_id=call.call_id, name=call.name, output="It is in review now.")
    return Ask(
        instructions=ASK.instructions,
        input=ASK.input,
        tools=ASK.tools,
        exchanges=(Exchange(text=said.text, calls=(call,), results=(result,)),),
    )


async def patiently(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 other processes set no event
            await asyncio.sleep(0.01)
