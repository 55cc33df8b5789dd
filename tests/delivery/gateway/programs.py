"""The outsides of the contract kit that are no HTTP service: a program, and the board's own script."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from app.agents.types import Adapter
from app.delivery.gateway.contract import Gateway
from app.delivery.gateway.posting import ANSWER_LIMIT
from app.delivery.gateway.process import Processes
from app.delivery.gateway.scripted import Scripted
from app.delivery.types.runs import FailureClass, Profile
from app.kernel.outside import Commands
from tests.delivery.gateway.kit import LIMITS, RETRY_AFTER, Cut, Fails, Hangs, Malformed, Says, TooLarge, World, patiently

USAGE = (7, 3)
WORDS = {
    FailureClass.RATE_LIMITED: f"rate limit exceeded, retry after {RETRY_AFTER} s",
    FailureClass.QUOTA: f"usage limit reached, try again in {RETRY_AFTER}s",
    FailureClass.AUTH: "invalid API key",
    FailureClass.UNAVAILABLE: "connection refused",
    FailureClass.REFUSED: "the model nobody-1 was not found",
}


def answered(said: Says) -> dict[str, Any]:
    """In the dialect of programs, peers and scripts."""
    calls = [{"id": call.call_id, "name": call.name, "arguments": json.loads(call.arguments)} for call in said.calls]
    usage = {"input_tokens": USAGE[0], "output_tokens": USAGE[1]}
    return {"text": said.text, "tool_calls": calls, "usage": usage, "cost_usd": 0.25, "model": "m-1"}


class ProcessWorld(World):
    """A shell script, written anew for each play; `mark` is a number of seconds that nobody else sleeps."""

    adapter = Adapter.PROCESS
    settings: ClassVar[Mapping[str, Any]] = {"command": "crew", "input": "json"}
    _marks = count(os.getpid() * 1_000)

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._script = directory / "play.sh"
        self._given = directory / "given"
        self.mark = f"9{next(self._marks)}.75"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["ProcessWorld"]:
        yield self

    def gateway(self) -> Gateway:
        return Processes(Commands(f"crew=/bin/sh {self._script}"))

    async def send(self, play: Any, **options: Any) -> Any:
        self._script.write_text(f"cat > {self._given}\n" + self._lines(play))
        try:
            return await super().send(play, **options)
        finally:
            if self._given.exists():
                self.asked.append(self._given.read_text())

    async def begun(self) -> None:
        await patiently(lambda: len(self.left()) >= 3)

    async def ended(self) -> None:
        assert not self.left()

    def left(self) -> list[str]:
        listed = subprocess.run(["ps", "-ww", "-eo", "stat=,args="], capture_output=True, text=True, check=True).stdout
        return [line for line in listed.splitlines() if f"sleep {self.mark}" in line and "guardian" not in line]

    def _lines(self, play: Any) -> str:
        match play:
            case Says() as said:
                return f"cat <<'END'\n{json.dumps(answered(said))}\nEND\n"
            case Fails(failure):
                return f"echo half an answer; echo '{WORDS[failure]}' >&2; exit 1\n"
            case Hangs():
                # One ignores that it is to end, one has left the group, and one is a child of the first.
                return f"setsid sleep {self.mark} & (trap '' TERM; sleep {self.mark}) & sleep {self.mark}\n"
            case TooLarge():
                return f"head -c {ANSWER_LIMIT + 1} /dev/zero | tr '\\0' x\n"
            case Malformed():
                return "printf '%s' '{\"text\": \"half'\n"
            case Cut():
                return "echo half an answer; kill -9 $$\n"
        raise AssertionError(play)


class ScriptedWorld(World):
    adapter = Adapter.SCRIPTED
    # It is the board's own, so it is whole or it is not there.
    cannot = (TooLarge, Malformed, Cut)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["ScriptedWorld"]:
        yield self

    def gateway(self) -> Gateway:
        return Scripted()

    def profile(self, *, within: float = 20.0) -> Profile:
        profile = super().profile(within=within)
        profile.settings["steps"] = [self._step()]
        return profile

    async def begun(self) -> None:
        await asyncio.sleep(0.05)

    async def ended(self) -> None:
        await asyncio.sleep(0)

    def _step(self) -> dict[str, Any]:
        match self.play:
            case Says(text, calls):
                called = [{"name": call.name, "arguments": json.loads(call.arguments)} for call in calls]
                return {"text": text, "calls": called, "input_tokens": USAGE[0], "output_tokens": USAGE[1]}
            case Fails(failure):
                return {"fails": failure.value, "retry_after": RETRY_AFTER if failure in LIMITS else None}
            case Hangs():
                return {"text": "late", "delay_seconds": 60}
        raise AssertionError(self.play)
