"""What workers do with the ledger: claim, close, find what a dead worker left, and keep lanes and limits right."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.db import retried
from app.kernel.ids import new_id
from app.runtime import closings
from app.runtime.closings import Closing, Lost
from app.runtime.queries import close as ends
from app.runtime.queries import ledger as queries
from app.runtime.queries import limits
from app.runtime.rules.profiles import profile_of
from app.runtime.types import Claim, CommandState, Profile

LARGEST_BATCH = 200
LOOK_LOCK = 0x6C6F_7374
LANES_LOCK = 0x6C61_6E65
NOBODY = UUID(int=0)
Profiles = Callable[[UUID, str], Profile]
Key = tuple[UUID, UUID]


class Haul(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim brought: `found` counts by class what it moved, which may be more than the claims.

    `last` is the account of each class where the next claim in turn goes on, `accounts` how many had something.
    """

    claims: list[tuple[Claim, int]]
    found: Counter[int]
    last: dict[int, UUID] = msgspec.field(default_factory=dict)
    accounts: dict[int, int] = msgspec.field(default_factory=dict)


class LaneHaul(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of lanes, how many lanes were moved, leased or not, and the account where the next claim in turn goes on."""

    claims: list[Claim]
    moved: int
    last: UUID | None
    accounts: int


def built_in(_account_id: UUID, name: str) -> Profile:
    """The profile called `name` as the runtime ships it, whatever the account."""
    return profile_of(name)


async def claim_some(pool: Any, worker_id: UUID, *, wanted: Mapping[int, int]) -> Haul:
    """Claim the due commands of each priority class that are due longest."""
    rows = await retried(lambda: pool.fetch(queries.CLAIM, worker_id, _ids(wanted), list(wanted), list(wanted.values())))
    return _haul(rows)


async def claim_in_turn(pool: Any, worker_id: UUID, *, wanted: Mapping[int, int], after: Mapping[int, UUID]) -> Haul:
    """Claim due commands of each priority class from accounts in turn, beginning after `after`."""
    begin = [after.get(prio, NOBODY) for prio in wanted]
    arguments = (worker_id, _ids(wanted), list(wanted), list(wanted.values()), begin)
    rows = await retried(lambda: pool.fetch(queries.CLAIM_IN_TURN, *arguments))
    found = _haul([row for row in rows if row["id"] is not None])
    last = {row["of_prio"]: _plain(row["last_account"]) for row in rows}
    return msgspec.structs.replace(found, last=last, accounts={row["of_prio"]: row["accounts"] for row in rows})


async def claim_commands(pool: Any, worker_id: UUID, *, wanted: Mapping[int, int]) -> list[tuple[Claim, int]]:
    """Claim due commands of each priority class, answered with their class; what is paused is passed over."""
    while True:
        haul = await claim_some(pool, worker_id, wanted=wanted)
        if haul.claims or not haul.found:
            return haul.claims


async def lease_lanes(pool: Any, worker_id: UUID, *, wanted: int, after: UUID | None = None) -> LaneHaul:
    """Look at ready lanes, lease those that may run, and claim their first commands; with `after` from accounts in turn."""
    arguments: tuple[object, ...] = (worker_id, [new_id() for _ in range(wanted)], wanted)
    sql = queries.CLAIM_LANES
    if after is not None:
        sql, arguments = queries.CLAIM_LANES_IN_TURN, (*arguments, after)
    rows = await retried(lambda: pool.fetch(sql, *arguments))
    last = rows[0]["last_account"]
    claims = [_claim(row) for row in rows if row["id"] is not None]
    found = None if last is None else _plain(last)
    return LaneHaul(claims=claims, moved=rows[0]["moved"], last=found, accounts=rows[0]["accounts"] or 0)


async def claim_lanes(pool: Any, worker_id: UUID, *, wanted: int) -> list[Claim]:
    """Lease ready lanes and claim the first command of each; lanes that wait for something are passed over."""
    while True:
        haul = await lease_lanes(pool, worker_id, wanted=wanted)
        if haul.claims or haul.moved < wanted:
            return haul.claims


async def close(pool: Any, batch: Sequence[Closing]) -> set[Key]:
    """Save the ends of attempts, at most `LARGEST_BATCH`; what is missing from the answer was fenced out."""
    return set(await saved(pool, batch))


async def saved(pool: Any, batch: Sequence[Closing]) -> dict[Key, CommandState]:
    """The same, answering the state of each command, which somebody may have asked to cancel."""
    done = [closing for closing in batch if closing.is_plain]
    if not done:
        return await _closed(pool, ends.CLOSE, batch)
    states = await _closed_done(pool, done)
    rest = [closing for closing in batch if not closing.is_plain]
    return states | await _closed(pool, ends.CLOSE, rest) if rest else states


async def reap(pool: Any, profiles: Profiles = built_in) -> set[Key]:
    """Free what dead workers held; answers the commands."""
    rows = await pool.fetch(ends.FIND_LOST, LOOK_LOCK)
    if not rows:
        return set()
    found = [Lost(**row) for row in rows]
    batch = [closings.lost(one, profile=profiles(one.account_id, one.profile)) for one in found]
    return set(await _closed(pool, ends.CLOSE_LOST, batch))


async def wake_lanes(pool: Any) -> bool:
    """Let lanes go on whose limit has room or whose pause is over; answers whether there were any."""
    return bool(await retried(lambda: pool.fetch(limits.WAKE_LANES, LANES_LOCK)))


async def refresh_limits(pool: Any) -> None:
    """Let limits follow the settings of their accounts."""
    await retried(lambda: pool.execute(limits.REFRESH_LIMITS))


async def repair_limits(pool: Any) -> int:
    """Set each limit to what really runs under it; answers how many were wrong."""
    async with pool.acquire() as connection, connection.transaction():
        doubtful = await connection.fetch(limits.LOCK_DOUBTFUL)
        if not doubtful:
            return 0
        accounts, keys = [row["account_id"] for row in doubtful], [row["key"] for row in doubtful]
        return len(await connection.fetch(limits.RECOUNT, accounts, keys))


async def _closed(pool: Any, sql: str, batch: Sequence[Closing]) -> dict[Key, CommandState]:
    rows = await retried(lambda: pool.fetch(sql, msgspec.json.encode(batch).decode()))
    return {(row["account_id"], row["id"]): CommandState(row["state"]) for row in rows}


async def _closed_done(pool: Any, batch: Sequence[Closing]) -> dict[Key, CommandState]:
    columns = zip(*((one.account_id, one.id, one.attempt, one.event_id, one.retention_days) for one in batch), strict=True)
    rows = await retried(lambda columns=tuple(columns): pool.fetch(ends.CLOSE_DONE, *columns, batch[0].worker_id))
    return {(row["account_id"], row["id"]): CommandState.SUCCEEDED for row in rows}


def _ids(wanted: Mapping[int, int]) -> list[UUID]:
    return [new_id() for _ in range(sum(wanted.values()))]


def _plain(account_id: Any) -> UUID:
    return _account(account_id.int)


@lru_cache(maxsize=10_000)
def _account(number: int) -> UUID:
    # The driver's own kind of UUID opens no transaction.
    return UUID(int=number)


def _haul(rows: Sequence[Any]) -> Haul:
    claims = [(_claim(row), row["prio"]) for row in rows if row["held_by"] is None]
    return Haul(claims=claims, found=Counter(row["prio"] for row in rows))


def _claim(row: Any) -> Claim:
    return Claim(
        account_id=_plain(row["account_id"]),
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
        late=row["late"],
        elapsed=row["elapsed"],
    )
