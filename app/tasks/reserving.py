"""Files that tasks reserve: wanted beforehand, had with the lease, and no two tasks on the same ones."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from uuid import UUID

import msgspec

from app.kernel.errors import Held, Invalid
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.tasks import scenes
from app.tasks.queries import reservations as queries
from app.tasks.rules import leases
from app.tasks.rules import reservations as rules
from app.tasks.types import Card, Conflict, Lease, LeaseKind, Reservation, Rival, Scene

CANDIDATES_MOST = 50


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    task_id: UUID
    repository_id: UUID | None
    pattern: str
    mode: str
    ttl_seconds: int | None
    fence: int | None
    until: object


async def secured(tx: Transaction, card: Card, scene: Scene, wanted: Iterable[Reservation] = ()) -> Scene:
    """The scene with these added and with what keeps the task from its files, which no other claim changes from here on."""
    own = bounded(rules.merged(scene.reservations, wanted))
    if not own:
        return scene
    await tx.value(queries.SERIALISE, tx.account_id)
    return await seen(tx, card, scene, own)


async def seen(tx: Transaction, card: Card, scene: Scene, own: Sequence[Reservation]) -> Scene:
    """The scene of a task that wants these files."""
    those = rules.conflicts(own, await _rivals(tx, card)) if own else ()
    return msgspec.structs.replace(scene, reservations=tuple(own), conflicts=those)


async def _rivals(tx: Transaction, card: Card) -> tuple[Rival, ...]:
    text = await tx.value(queries.RIVALS, tx.account_id, card.id, card.repository_id)
    found: tuple[Rival, ...] = scenes.read_json(text, tuple[Rival, ...])
    return found


def bounded(those: Sequence[Reservation]) -> Sequence[Reservation]:
    if len(those) > rules.RESERVATIONS_MOST:
        raise Invalid.field("reserve", f"a task reserves at most {rules.RESERVATIONS_MOST} patterns")
    return those


def require_free(scene: Scene) -> None:
    """Refuse to start a task whose files others have."""
    if scene.conflicts:
        raise refused(scene.conflicts)


def refused(conflicts: Sequence[Conflict]) -> Held:
    first = conflicts[0].rival
    until = f"{first.until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    more = f", and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
    words = f"{first.holder} has reserved {first.pattern} for another task until {until}{more}; take another task, or wait"
    return Held(words, reason="files", conflicts=[rules.shown(one) for one in conflicts])


def given(tx: Transaction, card: Card, scene: Scene, lease: Lease | None) -> Scene:
    """The scene in which the files that the task wants are its own as long as this lease lasts."""
    if lease is None or lease.kind is not LeaseKind.WORK or not scene.reservations:
        return scene
    own = rules.under(lease, scene.reservations, now=scene.now)
    keep(tx, card, own)
    void(tx, card)
    return msgspec.structs.replace(scene, reservations=own)


def keep(tx: Transaction, card: Card, those: Iterable[Reservation]) -> None:
    for one in those:
        row = _Row(
            id=new_id(),
            task_id=card.id,
            repository_id=card.repository_id,
            **msgspec.structs.asdict(one),
        )
        tx.put(queries.KEEP, row)


def void(tx: Transaction, card: Card) -> None:
    """Take the files from holders whose lease is over, whether or not they come back to it at this moment."""
    tx.write(queries.VOID, tx.account_id, card.id)


def payload(scene: Scene) -> dict[str, object]:
    """What the event of a claim says of the files that came with it."""
    return {"reserved": [one.pattern for one in scene.reservations]} if scene.reservations else {}


def named(card: Card, scene: Scene) -> dict[str, object]:
    """What the event of a task's birth says of where it is done, and on which files."""
    said: dict[str, object] = {"repository": card.repository, "reserve": [one.pattern for one in scene.reservations]}
    return {name: value for name, value in said.items() if value}


def working(card: Card, scene: Scene) -> Lease | None:
    """The lease under which somebody works on the task now."""
    if not leases.is_held(card, now=scene.now) or card.lease_kind is not LeaseKind.WORK:
        return None
    if card.lease_agent_id is None or card.lease_until is None:
        return None
    return Lease(agent_id=card.lease_agent_id, kind=card.lease_kind, fence=card.lease_fence, until=card.lease_until)


async def passed_over(tx: Transaction, agent_id: UUID, task_ids: Iterable[UUID]) -> frozenset[UUID]:
    """These, and what else the agent could take whose files others have."""
    passed = frozenset(task_ids)
    rows = await tx.rows(queries.WANTED, tx.account_id, agent_id, list(passed), CANDIDATES_MOST)
    return passed | {row["id"] for row in rows if scenes.files(row)["conflicts"]}
