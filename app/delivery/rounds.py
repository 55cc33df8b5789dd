"""The rounds of a run: each is one call outside, its answer, and the results of the tools that this called."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.agents.types import Adapter
from app.delivery.types.runs import Ask, Exchange, ParsedAnswer, RawAnswer, ToolCall, ToolResult

CALLS_MOST = 64
# Enough to see what goes on in a long outage.
FAILED_OVER_SHOWN = 16


class FailedOver(msgspec.Struct, frozen=True, kw_only=True):
    """A profile that was tried before, and why another one was then; `sends` were made in this round by that time."""

    profile: str
    reason: str
    number: int
    sends: int


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a call: the status that HTTP would give, and the text that the model reads."""

    status: int
    output: str

    def result(self, call: ToolCall) -> ToolResult:
        return ToolResult(call_id=call.call_id, name=call.name, output=self.output, is_error=self.status >= 400)  # noqa: PLR2004


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One call outside as it is kept; `results` are those that its calls gave so far."""

    ask: int
    number: int
    profile: str
    adapter: Adapter
    request: bytes
    sends: int
    failed_over: tuple[FailedOver, ...] = ()
    answer: RawAnswer | None = None
    results: tuple[Done, ...] = ()

    @property
    def tries(self) -> int:
        """How often the profile of now was asked."""
        return self.sends - (self.failed_over[-1].sends if self.failed_over else 0)


def restored(rows: Iterable[Any], *, ask: int) -> list[Round]:
    """The rounds of one asking from its rows."""
    return [
        Round(
            ask=ask,
            number=row["round"],
            profile=row["profile"],
            adapter=Adapter(row["adapter"]),
            request=row["request"] or b"",
            sends=row["sends"],
            failed_over=msgspec.json.decode(row["failed_over"], type=tuple[FailedOver, ...]),
            answer=None if row["answer"] is None else RawAnswer(row["answer_status"], row["answer_type"], row["answer"]),
            results=msgspec.json.decode(row["results"], type=tuple[Done, ...]),
        )
        for row in rows
    ]


def heeded(parsed: ParsedAnswer) -> tuple[ToolCall, ...]:
    """The calls that are answered: of far too many the last one stands for the rest, and none of these is made."""
    return parsed.tool_calls[: CALLS_MOST + 1]


def exchange(parsed: ParsedAnswer, results: Sequence[Done]) -> Exchange:
    calls = heeded(parsed)
    return Exchange(
        text=parsed.text, calls=calls, results=tuple(done.result(call) for call, done in zip(calls, results, strict=True))
    )


def asked(prompt: bytes, exchanges: Iterable[Exchange]) -> Ask:
    """What is asked in the round after these."""
    return msgspec.structs.replace(msgspec.json.decode(prompt, type=Ask), exchanges=tuple(exchanges))


def moved_on(one: Round, *, to: str, adapter: Adapter, request: bytes, reason: str) -> Round:
    """The round as another profile is asked."""
    number = one.failed_over[-1].number + 1 if one.failed_over else 1
    tried = (*one.failed_over, FailedOver(profile=one.profile, reason=reason, number=number, sends=one.sends))[
        -FAILED_OVER_SHOWN:
    ]
    return msgspec.structs.replace(one, profile=to, adapter=adapter, request=request, sends=one.sends + 1, failed_over=tried)


def key(notification_id: UUID, one: Round, *, spent: int) -> str:
    """The idempotency key of its sends: the same as long as the same bytes go out, and until a replay wants another answer."""
    replayed = f":r{spent}" if spent else ""
    anew = f":{one.ask}" if one.ask else ""
    later = f":t{one.number}" if one.number else ""
    elsewhere = f":f{one.failed_over[-1].number}" if one.failed_over else ""
    return f"{notification_id}{replayed}{anew}{later}{elsewhere}"


def key_of_call(notification_id: UUID, one: Round, index: int) -> str:
    """Under which a tool call happens once."""
    return f"delivery:{notification_id}:{one.ask}:{one.number}:{index}"
