"""Updates of one thread for one agent that nobody has taken yet wait as one: the newest, with the weight of the heaviest."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind
from app.notifications import queries, rules
from app.notifications.types import Notice, NotificationType, Weight
from app.tasks.types import Happening


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """An update that waits, locked until the end of this transaction."""

    id: UUID
    weight: Weight


Waiting = Mapping[UUID, Earlier]


async def waiting(tx: Transaction, happened: Happening, told: rules.Told) -> Waiting:
    """The update that waits for each agent that is about to get one more, if there is one and it has room.

    Such rows are only inserted under the task's lock, so the scene is right about who has none.
    """
    expected = [
        agent.id
        for agent in happened.scene.crew
        if agent.pending_update and told.get((ActorKind.AGENT, agent.id)) is NotificationType.THREAD_UPDATE
    ]
    if not expected:
        return {}
    rows = await tx.rows(queries.PENDING, tx.account_id, happened.card.id, expected)
    full = [row["id"] for row in rows if not row["has_room"]]
    if full:
        # Before the one that is inserted, since an agent has one open update of a thread.
        tx.write(queries.CLOSE, tx.account_id, full, expect=len(full))
        await tx.flush()
    return {row["recipient_id"]: _earlier(row) for row in rows if row["has_room"]}


def merge(tx: Transaction, earlier: Earlier, notice: Notice) -> None:
    """Let the update that waits point to the newest message."""
    newest: dict[str, Any] = {
        "id": earlier.id,
        "message_id": notice.message_id,
        "event_id": notice.event_id,
        "title": notice.title,
        "body": notice.body,
    }
    later = Weight(**{field: getattr(notice, field) for field in Weight.__struct_fields__})
    tx.put(queries.MERGE, newest | msgspec.structs.asdict(rules.merged(earlier.weight, later)))


def _earlier(row: Any) -> Earlier:
    fields = {field: row[field] for field in Weight.__struct_fields__}
    return Earlier(id=row["id"], weight=msgspec.convert(fields, Weight))
