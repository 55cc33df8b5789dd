"""Tying a task to what it became in version control."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import Invalid, RequirementFailed
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import holding, reading, scenes
from app.tasks.changes import expect
from app.tasks.queries import vcs as queries
from app.tasks.rules import vcs as rules
from app.tasks.schemas.vcs import LinkView, NewVcsRef, VcsRef, VcsRefPage, VcsRefView
from app.tasks.types import Card

REFS_MOST = 100


async def link(
    tx: Transaction, principal: Principal, task_id: UUID, asked: VcsRef, *, version: int | None = None, fence: int | None = None
) -> LinkView:
    """Add a reference; one that the task has already is answered as it is."""
    ref = _named(asked)
    card, scene = await scenes.load(tx, principal, task_id)
    rule = policies.require(Action.TASK_LINK, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    expect(card, version=version)
    holding.hold(principal, card, scene, rule=rule, fence=fence)
    known = await tx.rows(queries.REFS, tx.account_id, card.id, REFS_MOST)
    for row in known:
        if row["ref"] == ref:
            return LinkView(**msgspec.structs.asdict(_view(row)), is_new=False, task_version=card.version)
    if len(known) >= REFS_MOST:
        raise RequirementFailed(f"a task has at most {REFS_MOST} references", requirement="size")
    view = _new(principal, card, asked, now=scene.now)
    _write(tx, principal, view, ref=ref, rule=rule)
    return view


async def link_by_person(tx: Transaction, principal: Principal, task_id: UUID, asked: NewVcsRef) -> LinkView:
    return await link(tx, principal, task_id, asked, version=asked.expected_version)


def _named(asked: VcsRef) -> str:
    ref = rules.reference(provider=asked.provider, repository=asked.repository, number=asked.number, url=asked.url)
    if isinstance(ref, rules.Unusable):
        raise Invalid.field(ref.field, ref.message)
    return ref


def _new(principal: Principal, card: Card, asked: VcsRef, *, now: datetime) -> LinkView:
    return LinkView(
        id=new_id(),
        task_id=card.id,
        provider=asked.provider,
        repository=asked.repository,
        number=asked.number,
        url=asked.url,
        added_by_kind=principal.kind,
        added_by_id=principal.id,
        created_at=now,
        is_new=True,
        task_version=card.version + 1,
    )


def _write(tx: Transaction, principal: Principal, view: LinkView, *, ref: str, rule: str) -> None:
    place = {name: getattr(view, name) for name in ("provider", "repository", "number", "url")}
    who = (view.added_by_kind, view.added_by_id)
    tx.write(queries.LINK, tx.account_id, view.task_id, view.id, ref, *place.values(), *who, view.created_at, expect=1)
    payload = {"id": view.id, "rule": rule, **place}
    events.record(
        tx, "board:task:linked", entity=("task", view.task_id), sequence=view.task_version, actor=principal, payload=payload
    )


async def refs(tx: Transaction, task_id: UUID) -> VcsRefPage:
    """All references of a task, oldest first; there are never more than one page holds."""
    await reading.one(tx, task_id)
    rows = await tx.rows(queries.REFS, tx.account_id, task_id, REFS_MOST)
    return VcsRefPage(items=[_view(row) for row in rows], next_cursor=None, limit=REFS_MOST)


def _view(row: Any) -> VcsRefView:
    return msgspec.convert({name: row[name] for name in VcsRefView.__struct_fields__}, VcsRefView)
