"""What a worker does with the ledger: claim, close, and find what a dead worker left."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.db import retried
from app.kernel.ids import new_id
from app.runtime.queries import ledger as queries
from app.runtime.rules.profiles import profile_of, verdict
from app.runtime.types import Claim, CommandState, ErrorClass, GiveUp, RetryAt

LARGEST_BATCH = 200
LONGEST_MESSAGE = 500
LOOK_LOCK = 0x6C6F_7374
EVENTS: Mapping[CommandState, str] = {
    CommandState.SUCCEEDED: "runtime:command:succeeded",
    CommandState.RETRY_SCHEDULED: "runtime:command:retry_scheduled",
    CommandState.FAILED_TERMINAL: "runtime:command:failed",
    CommandState.DEAD_LETTERED: "runtime:command:dead_lettered",
    CommandState.QUEUED: "runtime:command:released",
}


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one attempt; its first four fields are the fence, `lost`, `released` and `waited` are added to the command's."""

    account_id: UUID
    id: UUID
    attempt: int
    worker_id: UUID
    state: CommandState
    outcome: str
    event: str
    event_id: UUID
    delay: float = 0.0
    error_class: ErrorClass | None = None
    error_message: str | None = None
    result: msgspec.Raw | None = None
    lost: int = 0
    released: int = 0
    waited: int = 0
    letter_id: UUID | None = None
    is_of_lane: bool = False

    @property
    def may_make_due(self) -> bool:
        """Whether the end of it may let another command begin."""
        return self.is_of_lane or self.state in {CommandState.FAILED_TERMINAL, CommandState.DEAD_LETTERED}


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    error: ErrorClass
    message: str
    retry_after: float | None = None


def succeeded(claim: Claim, *, worker_id: UUID) -> Closing:
    return _closing(claim, worker_id=worker_id, state=CommandState.SUCCEEDED, outcome="succeeded")


def released(claim: Claim, *, worker_id: UUID) -> Closing:
    """Give the command back untried."""
    return _closing(claim, worker_id=worker_id, state=CommandState.QUEUED, outcome="released", released=1)


def failed(claim: Claim, failure: Failure, *, worker_id: UUID, jitter: float) -> Closing:
    """Close a failed attempt as its profile decides."""
    decision = verdict(
        profile_of(claim.profile),
        error=failure.error,
        budget_used=claim.budget_used,
        lost=claim.lost,
        expired=claim.expired,
        retry_after=failure.retry_after,
        waited=claim.waited,
        jitter=jitter,
    )
    fields: dict[str, Any] = {"error_class": failure.error, "error_message": clean(failure.message)}
    if isinstance(decision, RetryAt):
        fields |= {"delay": decision.delay, "waited": 0 if decision.counts else 1}
        return _closing(claim, worker_id=worker_id, state=CommandState.RETRY_SCHEDULED, outcome="failed", **fields)
    return _closing(claim, worker_id=worker_id, state=decision.state, outcome="failed", letter_id=_letter(decision), **fields)


def clean(message: str) -> str:
    """What PostgreSQL can store of a message."""
    return message[:LONGEST_MESSAGE].encode("utf-8", "replace").decode().replace("\x00", "")


async def claim_commands(pool: Any, worker_id: UUID, *, wanted: Mapping[int, int]) -> list[tuple[Claim, int]]:
    """Claim due commands of each priority class, answered with their class."""
    ids = [new_id() for _ in range(sum(wanted.values()))]
    rows = await retried(lambda: pool.fetch(queries.CLAIM, worker_id, ids, list(wanted), list(wanted.values())))
    return [(_claim(row), row["prio"]) for row in rows]


async def claim_lanes(pool: Any, worker_id: UUID, *, wanted: int) -> list[Claim]:
    """Lease ready lanes and claim the first command of each."""
    ids = [new_id() for _ in range(wanted)]
    rows = await retried(lambda: pool.fetch(queries.CLAIM_LANES, worker_id, ids, wanted))
    return [_claim(row) for row in rows]


async def close(pool: Any, closings: Sequence[Closing]) -> set[tuple[UUID, UUID]]:
    """Save the ends of attempts, at most `LARGEST_BATCH`; what is missing from the answer was fenced out."""
    return await _closed(pool, queries.CLOSE, closings)


async def reap(pool: Any) -> set[tuple[UUID, UUID]]:
    """Free what dead workers held; answers the commands."""
    rows = await pool.fetch(queries.FIND_LOST, LOOK_LOCK)
    if not rows:
        return set()
    return await _closed(pool, queries.CLOSE_LOST, [_lost(row) for row in rows])


async def _closed(pool: Any, sql: str, closings: Sequence[Closing]) -> set[tuple[UUID, UUID]]:
    rows = await retried(lambda: pool.fetch(sql, msgspec.json.encode(closings).decode()))
    return {(row["account_id"], row["id"]) for row in rows}


def _lost(row: Any) -> Closing:
    lost = row["lost"] + 1
    fence = {name: row[name] for name in ("account_id", "id", "attempt", "worker_id")}
    about: dict[str, Any] = {"outcome": "lost", "event_id": new_id(), "error_class": ErrorClass.WORKER_LOST}
    if row["is_restart"] and not row["expired"]:
        # The database went away, so the loss says nothing about worker or command.
        about |= {"error_message": "the database restarted", "released": 1}
        return Closing(**fence, **about, state=CommandState.RETRY_SCHEDULED, event="runtime:command:lease_expired")
    decision = verdict(
        profile_of(row["profile"]),
        error=ErrorClass.WORKER_LOST,
        budget_used=row["attempt"] - row["spent"] - lost - row["released"] - row["waited"],
        lost=lost,
        expired=row["expired"],
        retry_after=None,
        waited=row["waited"],
        jitter=0,
    )
    about |= {"error_message": f"its worker died; that was death {lost}", "lost": 1}
    if isinstance(decision, RetryAt):
        return Closing(
            **fence, **about, state=CommandState.RETRY_SCHEDULED, event="runtime:command:lease_expired", delay=decision.delay
        )
    return Closing(**fence, **about, state=decision.state, event=EVENTS[decision.state], letter_id=_letter(decision))


def _letter(decision: GiveUp) -> UUID | None:
    return new_id() if decision.state is CommandState.DEAD_LETTERED else None


def _closing(claim: Claim, *, worker_id: UUID, state: CommandState, outcome: str, **fields: Any) -> Closing:
    return Closing(
        account_id=claim.account_id,
        id=claim.id,
        attempt=claim.attempt,
        worker_id=worker_id,
        state=state,
        outcome=outcome,
        event=EVENTS[state],
        event_id=new_id(),
        is_of_lane=claim.lane_id is not None,
        **fields,
    )


def _claim(row: Any) -> Claim:
    return Claim(
        account_id=UUID(int=row["account_id"].int),
        id=row["id"],
        type=row["type"],
        profile=row["profile"],
        attempt=row["attempt"],
        lost=row["lost"],
        released=row["released"],
        waited=row["waited"],
        spent=row["spent"],
        payload=row["payload"].encode(),
        lane_id=row["lane_id"],
        lane_seq=row["lane_seq"],
        lane_epoch=row["lane_epoch"],
        request_id=row["request_id"],
        correlation_id=row["correlation_id"],
        cause_id=row["cause_id"],
        depth=row["depth"],
        expired=row["expired"],
    )
