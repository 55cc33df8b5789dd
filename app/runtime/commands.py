"""The runtime's own durable work: a probe, which shows from end to end that commands run."""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from app.runtime.handlers import Attempt, Failed
from app.runtime.taxonomy import command
from app.runtime.types import ErrorClass, Idempotency, Queue

PROBE = "runtime.probe"


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It takes `seconds`, and its first `fail_attempts` attempts then fail with `error`."""

    note: Annotated[str, Meta(max_length=500)] | None = None
    seconds: Annotated[float, Meta(ge=0, le=300)] = 0
    fail_attempts: Annotated[int, Meta(ge=0, le=1000)] = 0
    error: ErrorClass = ErrorClass.TRANSIENT
    retry_after: Annotated[float, Meta(ge=0, le=86_400)] | None = None


@command(
    PROBE,
    payload=Probe,
    owner="runtime",
    idempotency=Idempotency.CALLER,
    queue=Queue.INBOUND,
    is_submittable=True,
)
async def probe(attempt: Attempt) -> None:
    """Take time, fail as often as asked, and say who did it: what operators drill with."""
    claim = attempt.claim
    asked = msgspec.json.decode(claim.payload, type=Probe)
    await asyncio.sleep(asked.seconds)
    if claim.attempt <= asked.fail_attempts:
        raise Failed(asked.error, f"attempt {claim.attempt} was to fail", retry_after=asked.retry_after)
    async with attempt.transaction() as tx:
        attempt.finish(tx, {"note": asked.note, "attempt": claim.attempt, "worker_id": attempt.worker_id})
