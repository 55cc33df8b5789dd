"""Answers by the profile's own script, without a network: for tests, demonstrations and dry runs."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.agents.executors import ScriptedSettings, ScriptedStep
from app.delivery.gateway import spoken
from app.delivery.gateway.rounds import settings_of
from app.delivery.types.runs import Ask, Caller, FailureClass, GatewayError, ParsedAnswer, Profile, RawAnswer, SendHeaders

NOTHING = ScriptedStep(text="NO_REPLY")
TASK_ID = "$task_id"


class _Line(msgspec.Struct, frozen=True):
    """The request: the answer that is to come, and how."""

    answer: msgspec.Raw
    delay_seconds: float = 0.0
    fails: FailureClass | None = None
    retry_after: float | None = None


class Scripted:
    def encode(self, ask: Ask, *, profile: Profile, caller: Caller) -> bytes:
        steps = settings_of(profile, ScriptedSettings).steps
        step = next((one for one in steps if _fits(one, ask, caller)), NOTHING)
        calls = [
            {"id": f"call_{len(ask.exchanges)}_{index}", "name": call.name, "arguments": _filled(call.arguments, ask.task_id)}
            for index, call in enumerate(step.calls)
        ]
        usage = {"input_tokens": step.input_tokens, "output_tokens": step.output_tokens}
        answer = {"text": step.text, "tool_calls": calls, "usage": usage, "cost_usd": step.cost_usd}
        fails = FailureClass(step.fails) if step.fails else None
        return msgspec.json.encode(_Line(msgspec.Raw(msgspec.json.encode(answer)), step.delay_seconds, fails, step.retry_after))

    async def send(
        self, request: bytes, *, profile: Profile, token: str | None, headers: SendHeaders, now: datetime
    ) -> RawAnswer:
        line = msgspec.json.decode(request, type=_Line)
        try:
            async with asyncio.timeout(profile.timeout_seconds):
                await asyncio.sleep(line.delay_seconds)
        except TimeoutError:
            raise GatewayError(FailureClass.TIMEOUT, "the script takes longer than the profile allows") from None
        if line.fails is not None:
            raise GatewayError(line.fails, "the script says so", retry_after=line.retry_after)
        return RawAnswer(200, spoken.JSON, bytes(line.answer))

    def read(self, raw: RawAnswer) -> ParsedAnswer:
        return spoken.read(raw)

    def offers_tools(self, profile: Profile) -> bool:
        return True


def _fits(step: ScriptedStep, ask: Ask, caller: Caller) -> bool:
    wanted = ((step.on, ask.about), (step.round, len(ask.exchanges)), (step.agent, caller.agent_slug))
    return all(value is None or value == found for value, found in wanted)


def _filled(value: Any, task_id: UUID | None) -> Any:
    """The arguments with the id of the task in its place."""
    if value == TASK_ID:
        return task_id
    if isinstance(value, dict):
        return {name: _filled(item, task_id) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, task_id) for item in value]
    return value
