"""What is said of a task's files and its repository: when it is made, when it is changed, and by its holder during the work."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from app.events import service as events
from app.kernel.errors import Held, Invalid, LeaseRequired
from app.kernel.ids import NEWEST_ID
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import freeing, hints, holding, reserving, scenes
from app.tasks.queries import reservations as queries
from app.tasks.rules import reservations as rules
from app.tasks.schemas import TaskEdit, TaskView
from app.tasks.schemas.reservations import HeldFilesView, Wish, wanted
from app.tasks.schemas.reserving import AgentReserve
from app.tasks.types import Card, Lease, Reservation, Scene

FILES = frozenset({"repository", "reserve"})


async def placed(tx: Transaction, card: Card, name: str | None) -> Card:
    """The card of a task for the repository of this name; None is the primary, whichever that is."""
    if name == card.repository:
        return card
    found = await tx.row(queries.PLACE, tx.account_id, card.id, name)
    if name is not None and found["id"] is None:
        raise Invalid.field("repository", "there is no repository of that name")
    if found["is_elsewhere"]:
        raise Held("the task has a worktree in its repository; that goes first", reason="worktree", repository=card.repository)
    return msgspec.structs.replace(card, repository_id=None if name is None else found["id"], repository=name)


async def at_birth(tx: Transaction, card: Card, scene: Scene, wishes: list[Wish], *, lease: Lease | None) -> Scene:
    """Keep what a new task wants; one that is begun at once has it at once."""
    if not wishes:
        return scene
    if lease is not None:
        held = await reserving.secured(tx, card, scene, wanted(wishes))
        reserving.require_free(held)
        return reserving.given(tx, card, held, lease)
    own = wanted(wishes)
    reserving.keep(tx, card, own)
    return await reserving.seen(tx, card, scene, own)


async def edited(
    tx: Transaction, principal: Principal, card: Card, scene: Scene, change: TaskEdit
) -> tuple[Card, Scene, dict[str, Any]]:
    """Where and on which files the task is worked on from now on, and what the event says of it; absent fields stay."""
    if change.repository is UNSET and change.reserve is UNSET:
        return card, scene, {}
    # Who hands work out says where it is done.
    policies.require(Action.TASK_ASSIGN, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    after = card if change.repository is UNSET else await placed(tx, card, change.repository)
    said: dict[str, Any] = {}
    if after.repository_id != card.repository_id:
        said["repository"] = {"from": card.repository, "to": after.repository}
        _refuse_in_force(card, scene)
    own = scene.reservations if change.reserve is UNSET else wanted(change.reserve)
    before = {one.pattern: _asked(one) for one in scene.reservations}
    new = [one for one in own if before.get(one.pattern) != _asked(one)]
    gone = [pattern for pattern in before if pattern not in {one.pattern for one in own}]
    if new or gone:
        said["reserve"] = {"added": [one.pattern for one in new], "removed": gone}
    if not said:
        return card, scene, {}
    return after, await _changed(tx, after, scene, new=new, gone=gone), said


def _asked(one: Reservation) -> Reservation:
    return msgspec.structs.replace(one, fence=None, until=None)


def _refuse_in_force(card: Card, scene: Scene) -> None:
    lease = reserving.working(card, scene)
    if lease is not None and any(one.fence == lease.fence for one in scene.reservations):
        raise Held("its holder has files reserved in the repository", reason="files", repository=card.repository)


async def _changed(tx: Transaction, card: Card, scene: Scene, *, new: Sequence[Reservation], gone: Sequence[str]) -> Scene:
    """Add these reservations, for the holder where somebody works on the task, and take those away."""
    left = [one for one in scene.reservations if one.pattern not in gone]
    own = reserving.bounded(rules.merged(left, new))
    lease = reserving.working(card, scene)
    if new and lease is not None:
        reserving.require_free(await reserving.secured(tx, card, msgspec.structs.replace(scene, reservations=()), new))
        new = rules.under(lease, new, now=scene.now)
        own = rules.merged(left, new)
        reserving.void(tx, card)
    reserving.keep(tx, card, new)
    if gone:
        tx.write(queries.DROP, tx.account_id, card.id, list(gone), expect=len(gone))
    if lease is not None:
        freeing.order(tx, card, [one for one in scene.reservations if one.pattern in gone])
        return msgspec.structs.replace(scene, reservations=tuple(own))
    return await reserving.seen(tx, card, scene, own)


async def reserve(tx: Transaction, principal: Principal, asked: AgentReserve) -> TaskView:
    """Let the holder add files, renew their time, and give them back."""
    card, scene = await scenes.load(tx, principal, asked.task_id)
    rule = policies.require(Action.TASK_RESERVE, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    holding.hold(principal, card, scene, rule=rule, fence=asked.fence)
    lease = reserving.working(card, scene)
    if lease is None or lease.agent_id != principal.id:
        raise LeaseRequired("only who works on the task reserves files for it: claim it first")
    after, now = await more(tx, principal, card, scene, reserve=asked.reserve, release=asked.release, rule=rule)
    return hints.shown(principal, after, now)


async def more(  # noqa: PLR0913
    tx: Transaction,
    principal: Principal,
    card: Card,
    scene: Scene,
    *,
    reserve: list[Wish],
    release: Sequence[str] = (),
    rule: str,
) -> tuple[Card, Scene]:
    """The card and the scene once the holder has these files and has given those back."""
    known = {one.pattern: one for one in scene.reservations}
    gone = list(dict.fromkeys(release))
    if strange := [one for one in gone if one not in known]:
        raise Invalid.field("release", f"the task has reserved no {', '.join(strange)}")
    new = [one for one in wanted(reserve) if _is_news(one, known.get(one.pattern), fence=card.lease_fence)]
    if not new and not gone:
        return card, scene
    now = await _changed(tx, card, scene, new=new, gone=gone)
    said = {"reserved": [one.pattern for one in new], "reservation_released": gone}
    version = card.version
    for kind, patterns in said.items():
        if patterns:
            version += 1
            payload = {"patterns": patterns, "rule": rule}
            events.record(tx, f"board:task:{kind}", entity=("task", card.id), sequence=version, actor=principal, payload=payload)
    tx.write(queries.TOUCH, tx.account_id, card.id, version - card.version, expect=1)
    return msgspec.structs.replace(card, version=version, updated_at=scene.now), now


def _is_news(one: Reservation, known: Reservation | None, *, fence: int) -> bool:
    """What has a time of its own is renewed by asking again."""
    return known is None or one.ttl_seconds is not None or _asked(known) != one or known.fence != fence


async def page(tx: Transaction, *, repository: str | None, limit: int | None, before: UUID | None) -> Page:
    """A page of the files that holders have now, newest first."""
    size = clamped(limit)
    rows = await tx.rows(queries.HELD, tx.account_id, before or NEWEST_ID, repository, size + 1)
    names = HeldFilesView.__struct_fields__
    items = [msgspec.convert({name: row[name] for name in names}, HeldFilesView) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)
