"""Telling those who wait for files that nobody has any more."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.transaction import Subscribers, Transaction
from app.kernel.types import the_board
from app.runtime import service as runtime
from app.runtime.service import Order
from app.tasks import scenes
from app.tasks.queries import graph
from app.tasks.queries import reservations as queries
from app.tasks.rules import hints
from app.tasks.rules import reservations as rules
from app.tasks.types import (
    Card,
    Reservation,
    ReservationMode,
    Scene,
    TaskAssigned,
    TaskMoved,
    TaskReady,
    TaskStatus,
    TaskStopped,
    Tie,
)

FREED = "tasks.tell_of_freed_files"
WAITING_MOST = 200


class Files(msgspec.Struct, frozen=True):
    pattern: str
    mode: ReservationMode


class Freed(msgspec.Struct, frozen=True):
    """What a task had of the files of its repository; without one that is the primary."""

    task_id: UUID
    repository_id: UUID | None
    files: tuple[Files, ...]


def order(tx: Transaction, card: Card, those: Iterable[Reservation]) -> None:
    """Have those told who wait for one of these files, which the task has no more."""
    files = tuple(Files(one.pattern, one.mode) for one in those if one.fence == card.lease_fence)
    if files:
        freed = Freed(card.id, card.repository_id, files)
        key = f"files:{card.id}:{card.version}"
        runtime.enqueue(tx, Order(type=FREED, idempotency_key=key, payload=msgspec.to_builtins(freed)), actor=None)


async def on_end(tx: Transaction, happened: TaskMoved | TaskAssigned | TaskStopped) -> None:
    """Files are free when the work on the task stops."""
    if happened.start is TaskStatus.IN_PROGRESS and happened.card.lease_agent_id is None:
        order(tx, happened.card, happened.scene.reservations)


SUBSCRIPTIONS: Subscribers = {TaskMoved: [on_end], TaskAssigned: [on_end], TaskStopped: [on_end]}


async def tell(tx: Transaction, freed: Freed) -> int:
    """Tell each task that could start now and could not before; answers how many."""
    given = rules.freed(freed.task_id, ((one.pattern, one.mode) for one in freed.files))
    rows = await tx.rows(queries.WAITING, tx.account_id, freed.task_id, freed.repository_id, WAITING_MOST)
    waited = [row["id"] for row in rows if rules.conflicts(scenes.files(row)["reservations"], given)]
    # A fixed order, so that two that free files at once do not wait for each other.
    found = await scenes.several(tx, the_board(tx.account_id), sorted(waited))
    ready = [one for one in found if _can_start(*one)]
    for card, scene in ready:
        await _tell(tx, card, scene, task_id=freed.task_id)
    return len(ready)


def _can_start(card: Card, scene: Scene) -> bool:
    is_open = card.status is TaskStatus.IN_PROGRESS or (card.status is TaskStatus.ASSIGNED and hints.is_startable(scene))
    return is_open and card.lease_agent_id is None and card.quarantined_at is None and not scene.conflicts


async def _tell(tx: Transaction, card: Card, scene: Scene, *, task_id: UUID) -> None:
    board = the_board(tx.account_id)
    tx.put(graph.TOUCH, {"id": card.id, "steps": 1})
    after = msgspec.structs.replace(card, version=card.version + 1, updated_at=scene.now)
    payload: dict[str, str | Sequence[UUID]] = {"because": "files_freed", "tasks": [task_id]}
    event_id = events.record(
        tx, "board:task:ready", entity=("task", card.id), sequence=after.version, actor=board, payload=payload
    )
    await tx.tell(TaskReady(event_id=event_id, card=after, scene=scene, actor=board, depth=0, tie=Tie.FILES))
