"""An MCP peer over streamable HTTP: one of its tools is called with the prompt and gives the answer."""

import asyncio
import importlib
from datetime import datetime
from typing import Any

import msgspec

from app.agents.executors import McpSettings
from app.delivery.gateway import spoken
from app.delivery.gateway.rounds import settings_of
from app.delivery.types.runs import Ask, Caller, FailureClass, GatewayError, ParsedAnswer, Profile, RawAnswer, SendHeaders

# Half a second and 30 MB that a worker without peers can do without.
_SDK = "app.delivery.gateway.peering"


class Asking(msgspec.Struct, frozen=True):
    """The request: what is called, and with what."""

    tool: str
    arguments: dict[str, str]


class Peers:
    def encode(self, ask: Ask, *, profile: Profile, caller: Caller) -> bytes:
        settings = settings_of(profile, McpSettings)
        prompt = spoken.written(ask, form=settings.input, history=settings.history, caller=caller)
        return msgspec.json.encode(Asking(settings.tool, {settings.argument: prompt}))

    async def send(
        self, request: bytes, *, profile: Profile, token: str | None, headers: SendHeaders, now: datetime
    ) -> RawAnswer:
        settings = settings_of(profile, McpSettings)
        if profile.url is None:
            raise GatewayError(FailureClass.REFUSED, "the profile names no address", may_have_arrived=False)
        peering: Any = await asyncio.to_thread(importlib.import_module, _SDK)
        asking = msgspec.json.decode(request, type=Asking)
        called = peering.Called(url=profile.url, token=token, timeout=profile.timeout_seconds, headers=headers)
        body: bytes = await peering.call(called, asking.tool, asking.arguments, now=now)
        return RawAnswer(200, spoken.kind_of(body, settings.output), body)

    def read(self, raw: RawAnswer) -> ParsedAnswer:
        return spoken.read(raw)

    def offers_tools(self, profile: Profile) -> bool:
        return settings_of(profile, McpSettings).input == "json"
