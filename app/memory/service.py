"""Writing memory: every write is another version, and a version never changes."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import Invalid, Missing, TooLarge, VersionConflict
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.memory import access, queries, rules
from app.memory.access import Spot
from app.memory.reading import view
from app.memory.schemas import MemoryDelete, MemorySnapshotView, MemoryWrite, Snapshot
from app.memory.types import CHECKPOINT, CONTENT_MOST_BYTES, Latest, MemoryState, Scope, Tier

# What was deleted can be read back for this long.
DELETED_LASTS = timedelta(days=30)
# As long as a dead letter is kept, since it may be replayed.
CHECKPOINT_LASTS = timedelta(days=90)
# Each of them is locked while it is purged.
ITEMS_AT_ONCE = 500
NOTHING = msgspec.Raw(b"null")


class _Text(msgspec.Struct, frozen=True, kw_only=True):
    """What a version is, beside where it stands."""

    content: msgspec.Raw
    tier: Tier
    state: MemoryState
    expires_at: datetime | None


async def write(tx: Transaction, principal: Principal, spot: Spot, asked: MemoryWrite) -> MemorySnapshotView:
    """Write the next version; in a scope that outlives a run only on top of the version that the caller expects."""
    _may_be_asked(spot, asked.expected_version)
    content = _bounded(asked.content)
    now = await access.writable(tx, principal, spot)
    latest = await access.latest(tx, spot)
    _expect(spot, latest, now, asked.expected_version)
    before = rules.there(latest, now)
    lasts = asked.expires_in_seconds
    text = _Text(
        content=content,
        tier=asked.tier or (before.tier if before else rules.default_tier(spot.scope)),
        state=MemoryState.ACTIVE,
        expires_at=None if lasts is None else now + timedelta(seconds=lasts),
    )
    return _append(tx, principal, spot, text, latest=latest, now=now)


async def delete(tx: Transaction, principal: Principal, spot: Spot, asked: MemoryDelete) -> MemorySnapshotView:
    """Write the version that says it is deleted; those before it can be read by their numbers for thirty days more."""
    _may_be_asked(spot, asked.expected_version)
    now = await access.writable(tx, principal, spot)
    latest = await access.latest(tx, spot)
    found = rules.there(latest, now)
    if found is None:
        raise Missing.thing("memory", spot)
    _expect(spot, latest, now, asked.expected_version)
    text = _Text(content=NOTHING, tier=found.tier, state=MemoryState.DELETED, expires_at=now + DELETED_LASTS)
    return _append(tx, principal, spot, text, latest=latest, now=now)


async def checkpoint(tx: Transaction, run_id: UUID, name: str, content: Any) -> int:
    """Keep what a handler has come to, for its next attempt; answers the version."""
    spot = Spot(scope=Scope.RUN, key=run_id, name=CHECKPOINT + name)
    if not rules.is_name(spot.name):
        raise ValueError(f"{name} is no name for a checkpoint")
    if tx.pending(queries.INSERT_SNAPSHOTS):
        # The version before this one may still be waiting to be written.
        await tx.flush()
    row = await tx.row(queries.TURN, tx.account_id, spot.scope, spot.key, spot.name)
    latest = await access.latest(tx, spot)
    expires_at = row["now"] + CHECKPOINT_LASTS
    text = _Text(content=_bounded(content), tier=Tier.WORKING, state=MemoryState.ACTIVE, expires_at=expires_at)
    return _append(tx, None, spot, text, latest=latest, now=row["now"]).version


async def purge_expired(tx: Transaction, most: int) -> int:
    """Take at most `most` rows of expired items away, and say of each item once that it expired; 0 when none is left."""
    rows = await tx.rows(queries.EXPIRED, tx.account_id, min(most, ITEMS_AT_ONCE))
    if not rows:
        return 0
    # In a second statement, which sees what was written before the locks were taken.
    gone = await tx.rows(queries.PURGE, tx.account_id, [row["memory_id"] for row in rows], most)
    for row in gone:
        if row["is_last"] and row["state"] == MemoryState.ACTIVE:
            _record(tx, None, "expired", row, version=row["version"] + 1)
    return len(gone)


def _may_be_asked(spot: Spot, expected_version: int | None) -> None:
    if rules.is_reserved(spot.scope, spot.name):
        raise Invalid.field("name", f"names that begin with {CHECKPOINT} are written by the board's own handlers")
    if expected_version is None and rules.needs_expected_version(spot.scope):
        raise Invalid.field("expected_version", f"is needed in the scope {spot.scope}: the version you know, 0 for a new name")


def _bounded(content: Any) -> msgspec.Raw:
    encoded = msgspec.json.encode(content)
    if len(encoded) > CONTENT_MOST_BYTES:
        raise TooLarge(f"the content may have {CONTENT_MOST_BYTES} bytes, not {len(encoded)}", most=CONTENT_MOST_BYTES)
    return msgspec.Raw(encoded)


def _expect(spot: Spot, latest: Latest | None, now: datetime, expected: int | None) -> None:
    version = rules.current_version(latest, now)
    if expected is not None and expected != version:
        raise VersionConflict(f"{spot} has version {version}, not {expected}", expected_version=expected, version=version)


def _append(
    tx: Transaction, author: Principal | None, spot: Spot, text: _Text, *, latest: Latest | None, now: datetime
) -> MemorySnapshotView:
    place = rules.succession(latest, now, new_id=new_id())
    scope, key, name = spot.columns
    row = Snapshot(
        id=new_id(),
        memory_id=place.memory_id,
        scope_type=scope,
        scope_key=key,
        name=name,
        version=place.version,
        author_kind=author.kind if author else ActorKind.SYSTEM,
        author_id=author.id if author else None,
        created_at=place.created_at,
        updated_at=now,
        **msgspec.structs.asdict(text),
    )
    tx.put(queries.INSERT_SNAPSHOTS, row)
    written = msgspec.structs.asdict(row)
    is_deletion = text.state is MemoryState.DELETED
    action = "deleted" if is_deletion else "created" if place.is_new else "updated"
    _record(tx, author, action, written, version=place.version)
    return view(written)


def _record(tx: Transaction, actor: Principal | None, action: str, row: Any, *, version: int) -> None:
    """The log is read by everybody: it says nothing of the content, and of what is a person's not even the name."""
    shown: Iterable[str] = ("scope_type", "scope_key", "name")
    if row["scope_type"] == Scope.USER:
        shown = ("scope_type", "scope_key")
    payload = {field: row[field] for field in shown}
    events.record(
        tx, f"memory:item:{action}", entity=("memory", row["memory_id"]), sequence=version, actor=actor, payload=payload
    )
