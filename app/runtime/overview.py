"""What the runtime knows and does as a whole: its types, its queues, its workers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from app.kernel.transaction import Transaction
from app.runtime.queries import reading as queries
from app.runtime.rules.lifecycle import MOVES
from app.runtime.rules.profiles import PROFILES
from app.runtime.schemas.overview import (
    ProfileSummary,
    QueueLoad,
    QueuesView,
    StateView,
    TaxonomyView,
    TypeLoad,
    TypeView,
    WorkersView,
    WorkerView,
)
from app.runtime.taxonomy import REGISTRY, CommandType, Taxonomy
from app.runtime.types import ErrorClass, PauseKind, Profile, Queue

COUNTED_MOST = 50_000
WORKERS_MOST = 1_000
KINDS = ("due", "waiting", "running", "held")


async def queues(tx: Transaction) -> QueuesView:
    """What each queue and type of the account holds; counting stops at a bound, and the answer says so."""
    rows = await tx.rows(queries.LOADS, tx.account_id, COUNTED_MOST)
    paused = {(row["kind"], row["name"]) for row in await tx.rows(queries.PAUSES, tx.account_id)}
    limits = {queue: tx.controls.limit(tx.account_id, f"queue.{queue}.most") for queue in Queue}
    of: dict[str, dict[str, dict[str, Any]]] = {queue: defaultdict(dict) for queue in Queue}
    for row in rows:
        of.setdefault(row["queue"], defaultdict(dict))[row["type"]][row["kind"]] = row
    return QueuesView(
        queues=[_queue(queue, of[queue], limit=limits[queue], paused=paused) for queue in Queue],
        is_paused=(PauseKind.ALL, "") in paused,
        is_complete=all(row["of_state"] < COUNTED_MOST for row in rows),
    )


def _queue(queue: Queue, types: Mapping[str, Mapping[str, Any]], *, limit: int, paused: set[tuple[str, str]]) -> QueueLoad:
    loads = [
        TypeLoad(command_type=name, is_paused=(PauseKind.TYPE, name) in paused, **_load([kinds]))
        for name, kinds in sorted(types.items())
    ]
    whole = _load(types.values())
    return QueueLoad(queue=queue, limit=limit, types=loads, is_paused=(PauseKind.QUEUE, queue) in paused, **whole)


def _load(kinds: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found = list(kinds)
    load: dict[str, Any] = {kind: sum(one[kind]["many"] for one in found if kind in one) for kind in KINDS}
    return load | {"oldest_due_seconds": max((one["due"]["oldest"] for one in found if "due" in one), default=None)}


async def workers(tx: Transaction) -> WorkersView:
    """The living workers, which serve all accounts; how much they do for others is not said."""
    rows = await tx.rows(queries.WORKERS, tx.account_id, WORKERS_MOST)
    return WorkersView(items=[msgspec.convert(dict(row), WorkerView) for row in rows])


def taxonomy(registry: Taxonomy = REGISTRY) -> TaxonomyView:
    """The closed lists: command types, profiles as shipped, queues, error classes, states and moves."""
    return TaxonomyView(
        command_types=[_type(kind) for kind in registry.all()],
        profiles=[_profile(profile) for _, profile in sorted(PROFILES.items())],
        queues=list(Queue),
        error_classes=list(ErrorClass),
        states=[StateView(state=state, moves=sorted(moves)) for state, moves in MOVES.items()],
    )


def _type(kind: CommandType) -> TypeView:
    return TypeView(
        command_type=kind.name,
        summary=kind.summary,
        payload=msgspec.json.schema(kind.payload),
        policy_profile=kind.profile,
        queue=kind.queue,
        idempotency=kind.idempotency,
        owner=kind.owner,
        started_by=list(kind.started_by),
        is_submittable=kind.is_submittable,
    )


def _profile(profile: Profile) -> ProfileSummary:
    known = {name: getattr(profile, name) for name in ProfileSummary.__struct_fields__}
    return ProfileSummary(**known | {name: sorted(known[name]) for name in ("retry_on", "waits_on")})
