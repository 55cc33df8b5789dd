"""Speaking in a task's thread, and reading it."""

from typing import Any
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import Missing
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.kernel.wire import LIMIT_MOST, Page, clamped
from app.messages import queries, rules
from app.messages.schemas import LoadedTask, MessageView
from app.messages.types import MessagePosted
from app.policies import service as policies
from app.policies.capabilities import effective
from app.policies.types import Action, Flag
from app.tasks import graph, handoffs, hints, reading, scenes, worktrees
from app.tasks.assigning import kind_of, subscribe
from app.tasks.changes import depth_of
from app.tasks.schemas.evidence import CriterionView
from app.tasks.schemas.vcs import VcsRefView
from app.tasks.types import Card, Scene


async def post(  # noqa: PLR0913
    tx: Transaction,
    principal: Principal,
    task_id: UUID,
    content: str,
    *,
    answers: UUID | None = None,
    depth: int | None = None,
    is_order: bool = False,
) -> MessageView:
    """Say something in the thread; `answers` is the notification that this replies to, which happens at most once."""
    if answers is not None and (said := await _said_already(tx, principal, task_id, answers)):
        return said
    names = rules.mentions(content)
    card, scene = await scenes.load(tx, principal, task_id, names=names)
    if answers is not None:
        scene = _invited(scene, principal)
    rule = policies.require(Action.TASK_MESSAGE, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    mentioned = _mentioned(principal, scene, names)
    causes = depth_of(scene, principal) if depth is None else depth
    view = _written(tx, principal, card, scene, content=content, names=names, answers=answers, depth=causes)
    followers = [(kind_of(one), one.id) for one in scene.everyone if one.id in mentioned]
    subscribe(tx, card.id, [(principal.kind, principal.id), *followers])
    payload = {"task_id": card.id, "length": len(content), "mentioned": sorted(mentioned), "rule": rule, "answers": answers}
    event_id = events.record(tx, "board:message:created", entity=("message", view.id), actor=principal, payload=payload)
    happened = MessagePosted(
        event_id=event_id,
        card=card,
        scene=scene,
        actor=principal,
        depth=causes,
        message_id=view.id,
        content=content,
        mentioned=mentioned,
        is_order=is_order,
    )
    await tx.tell(happened)
    return view


async def _said_already(tx: Transaction, principal: Principal, task_id: UUID, answers: UUID) -> MessageView | None:
    asked = await tx.row(queries.IS_RECIPIENT, tx.account_id, answers, principal.id)
    # What is about no task may be answered on any.
    if asked is None or asked["task_id"] not in (None, task_id):
        raise Missing.thing("notification", answers)
    row = await tx.row(queries.ANSWER_TO, tx.account_id, answers)
    return view(row) if row else None


def _invited(scene: Scene, principal: Principal) -> Scene:
    """Who was notified may answer, whatever has become of the task since."""
    crew = tuple(msgspec.structs.replace(one, is_subscribed=True) if one.id == principal.id else one for one in scene.crew)
    return msgspec.structs.replace(scene, crew=crew)


def _mentioned(principal: Principal, scene: Scene, names: tuple[str, ...]) -> frozenset[UUID]:
    agents = {one.slug: one.id for one in scene.crew if one.is_active}
    people = {one.handle: one.id for one in scene.people}
    mine = scene.agent(principal.id) if principal.kind is ActorKind.AGENT else None
    if mine is not None and not effective(mine, scene.account).allows(Flag.CAN_MENTION_AGENTS):
        agents = {}
    found = (agents.get(name) or people.get(name) for name in names)
    return frozenset(one for one in found if one is not None and one != principal.id)


def _written(  # noqa: PLR0913
    tx: Transaction,
    principal: Principal,
    card: Card,
    scene: Scene,
    *,
    content: str,
    names: tuple[str, ...],
    answers: UUID | None,
    depth: int,
) -> MessageView:
    said = MessageView(
        id=new_id(),
        task_id=card.id,
        author_kind=principal.kind,
        author_id=principal.id,
        author_name=principal.name,
        content=content,
        mentions=list(names),
        created_at=scene.now,
    )
    author = (said.author_kind, said.author_id, said.author_name)
    tx.write(
        queries.INSERT_MESSAGE,
        tx.account_id,
        said.id,
        said.task_id,
        *author,
        content,
        said.mentions,
        answers,
        depth,
        scene.now,
        expect=1,
    )
    tx.write(queries.TOUCH_TASK, tx.account_id, card.id, scene.now, expect=1)
    return said


async def thread(tx: Transaction, task_id: UUID, *, limit: int | None, before: UUID | None) -> Page:
    """A page of the thread, newest first."""
    await reading.one(tx, task_id)
    size = clamped(limit)
    rows = await tx.rows(queries.NEWEST, tx.account_id, task_id, before, size + 1)
    items = [view(row) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


async def load(tx: Transaction, principal: Principal, task_id: UUID, *, limit: int) -> LoadedTask:
    """A card with all that hangs on it and the newest messages of its thread, oldest first."""
    size = min(limit, LIMIT_MOST)
    row = await tx.row(queries.LOADED, tx.account_id, task_id, principal.id, *scenes.NOBODY_ELSE)
    if row is None:
        raise Missing.thing("task", task_id)
    rows = await tx.rows(queries.NEWEST, tx.account_id, task_id, None, size)
    return LoadedTask(
        task=hints.shown(principal, scenes.card(row), scenes.scene(tx, row)),
        thread=[view(one) for one in reversed(rows)],
        omitted=row["total"] - len(rows),
        session_key=row["session_key"],
        handoffs=handoffs.shown(row["handoffs"]),
        criteria=scenes.read_json(row["verdicts"], list[CriterionView]),
        vcs_refs=scenes.read_json(row["vcs_refs"], list[VcsRefView]),
        worktree=worktrees.read(row["worktree"]),
        graph=await graph.around(tx, task_id),
    )


def view(row: Any) -> MessageView:
    return msgspec.convert(dict(row), MessageView)
