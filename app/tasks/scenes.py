"""Loading what a decision about a task rests on."""

import functools
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.errors import Invalid, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.policies import legacy
from app.policies.types import AgentFacts
from app.tasks import queries
from app.tasks.rules import reservations
from app.tasks.schemas import AssigneeView, TaskView
from app.tasks.schemas.reservations import ReservationView
from app.tasks.types import (
    Candidate,
    Card,
    Criterion,
    Guard,
    Linked,
    PersonFacts,
    Reservation,
    Rival,
    Scene,
    Site,
    Wake,
)

CARD_FIELDS = tuple(Card.__struct_fields__)


_GRAPH: dict[str, Any] = {
    "dependencies": tuple[Linked, ...],
    "open_children": tuple[Linked, ...],
    "criteria": tuple[Criterion, ...],
    "held": tuple[UUID, ...],
    "waiters": tuple[UUID, ...],
    "duplicates": tuple[Candidate, ...],
}
_PARTLY = False
# The last parameters of a statement that reads a scene, for who speaks of nobody beside those on the task.
NOBODY_ELSE: tuple[list[str], bool] = ([], _PARTLY)
# What a card shows of itself; a fence is for its holder alone.
_HIDDEN = frozenset({"is_coordination", "lease_fence", "repository_id"})
SHOWN_FIELDS = tuple(field for field in CARD_FIELDS if field not in _HIDDEN)


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def read_json(text: str | None, kind: Any) -> Any:
    return None if text is None else _decoder(kind).decode(text)


async def load(
    tx: Transaction, principal: Principal, task_id: UUID, *, names: Sequence[str] = (), whole_crew: bool = False
) -> tuple[Card, Scene]:
    """Lock a task and read what hangs on it; `names` adds agents and people that are spoken of."""
    row = await tx.fresh_row(queries.SCENE, tx.account_id, task_id, principal.id, list(names), whole_crew)
    if row is None:
        raise Missing.thing("task", task_id)
    return card(row), scene(tx, row)


async def several(tx: Transaction, principal: Principal, task_ids: Sequence[UUID]) -> list[tuple[Card, Scene]]:
    """Lock tasks in this order and read what hangs on each; what is not there is left out."""
    if not task_ids:
        return []
    rows = await tx.fresh_rows(queries.SCENES, tx.account_id, list(task_ids), principal.id, [], _PARTLY)
    return [(card(row), scene(tx, row)) for row in rows]


async def look(
    tx: Transaction, principal: Principal, task_id: UUID, *, names: Sequence[str] = (), whole_crew: bool = False
) -> tuple[Card, Scene]:
    """Read a task and what hangs on it without its lock, for answers that change nothing."""
    row = await tx.row(queries.SCENE_READ, tx.account_id, task_id, principal.id, list(names), whole_crew)
    if row is None:
        raise Missing.thing("task", task_id)
    return card(row), scene(tx, row)


async def looks(tx: Transaction, principal: Principal, task_ids: Sequence[UUID]) -> list[tuple[Card, Scene]]:
    """Read tasks in this order, and what hangs on each, without their locks; what is not there is left out."""
    if not task_ids:
        return []
    rows = await tx.rows(queries.SCENES_READ, tx.account_id, list(task_ids), principal.id, [], _PARTLY)
    return [(card(row), scene(tx, row)) for row in rows]


async def claimable(
    tx: Transaction, principal: Principal, task_id: UUID | None, *, passed: Collection[UUID] = ()
) -> tuple[Card, Scene] | None:
    """Lock the named task, or the best one but for those passed over that the caller may start; None when there is none."""
    row = await tx.fresh_row(queries.CLAIM_SCENE, tx.account_id, task_id, principal.id, *NOBODY_ELSE, list(passed))
    if row is None and task_id is not None:
        raise Missing.thing("task", task_id)
    return None if row is None else (card(row), scene(tx, row))


async def in_hand(tx: Transaction, principal: Principal, task_id: UUID) -> tuple[Card, Scene] | None:
    """Read a task that the caller holds, as a claim would show it."""
    row = await tx.row(queries.HELD_SCENE, tx.account_id, task_id, principal.id, *NOBODY_ELSE)
    return None if row is None else (card(row), scene(tx, row))


async def stage(
    tx: Transaction, principal: Principal, *, names: Sequence[str] = (), title: str | None = None, closeness: float = 1.0
) -> Scene:
    """What a decision about a task rests on before the task exists; `title` is looked for among those of open tasks."""
    row = await tx.row(queries.STAGE, tx.account_id, None, principal.id, list(names), title, closeness)
    return scene(tx, row)


def card(row: Any) -> Card:
    return msgspec.convert({field: row[field] for field in CARD_FIELDS}, Card)


def scene(tx: Transaction, row: Any) -> Scene:
    """A row of `SCENE`, or one of `STAGE`, which has no task to hang anything on."""
    graph = {name: read_json(row[name], kind) for name, kind in _GRAPH.items() if name in row}
    return Scene(
        now=row["now"],
        account=legacy.in_force(tx, row["settings"]),
        crew=read_json(row["crew"], tuple[AgentFacts, ...]),
        people=read_json(row["people"], tuple[PersonFacts, ...]),
        wake=read_json(row["wake"], Wake),
        handoff=row.get("handoff"),
        guard=_guard(row),
        site=read_json(row.get("site"), Site),
        **files(row),
        **graph,
    )


def files(row: Any) -> dict[str, Any]:
    """What the task of this row wants of the files, and what keeps it from them."""
    own: tuple[Reservation, ...] = read_json(row.get("reservations"), tuple[Reservation, ...]) or ()
    rivals: tuple[Rival, ...] = read_json(row.get("rivals"), tuple[Rival, ...]) or ()
    return {"reservations": own, "conflicts": reservations.conflicts(own, rivals)}


def _guard(row: Any) -> Guard:
    found: Guard = read_json(row.get("guard"), Guard) or Guard()
    found.is_quarantined = row.get("quarantined_at") is not None
    return found


def named(found: Scene, *, slugs: Sequence[str], emails: Sequence[str]) -> tuple[list[AgentFacts], list[PersonFacts]]:
    """The agents and people of these names; an unknown one is the caller's mistake."""
    agents = {agent.slug: agent for agent in found.crew if agent.is_active}
    people = {person.email: person for person in found.people}
    unknown = [slug for slug in slugs if slug not in agents]
    if unknown:
        raise Invalid.field("assignee_slugs", f"no active agent is called {', '.join(unknown)}")
    strangers = [email for email in emails if email not in people]
    if strangers:
        raise Invalid.field("assignee_emails", f"no member has the address {', '.join(strangers)}")
    return [agents[slug] for slug in dict.fromkeys(slugs)], [people[email] for email in dict.fromkeys(emails)]


def slug(text: str) -> str:
    return text.strip().removeprefix("@").lower()


def view(row: Any) -> TaskView:
    fields = {field: row[field] for field in SHOWN_FIELDS}
    view: TaskView = msgspec.convert(fields | {"assignees": read_json(row["assignees"], list[AssigneeView])}, TaskView)
    view.reservations = reserved(card(row), read_json(row["reservations"], tuple[Reservation, ...]), now=row["now"])
    return view


def reserved(shown: Card, those: Sequence[Reservation], *, now: datetime) -> list[ReservationView]:
    """The files that a task wants, as they stand under its lease."""
    return [_reserved(shown, one, now=now) for one in those]


def _reserved(shown: Card, one: Reservation, *, now: datetime) -> ReservationView:
    holds = reservations.in_force(one, fence=shown.lease_fence, lease_until=shown.lease_until, now=now)
    until = reservations.ends(one, lease_until=shown.lease_until) if holds else None
    return ReservationView(pattern=one.pattern, mode=one.mode, ttl_seconds=one.ttl_seconds, in_force=holds, until=until)


def listed(row: Any) -> dict[str, Any]:
    """The fields of a TaskView as they are encoded, without building one for each row of a page."""
    fields = dict(row.items())
    for field in _HIDDEN:
        del fields[field]
    fields["assignees"] = msgspec.Raw(fields["assignees"].encode())
    return fields


def view_of(shown: Card, agents: Sequence[AgentFacts], people: Sequence[PersonFacts]) -> TaskView:
    from_agents = [AssigneeView(kind=ActorKind.AGENT, id=agent.id, name=agent.name, slug=agent.slug) for agent in agents]
    from_people = [AssigneeView(kind=ActorKind.PERSON, id=one.id, name=one.name, email=one.email) for one in people]
    fields = {field: getattr(shown, field) for field in SHOWN_FIELDS}
    return TaskView(**fields | {"labels": list(shown.labels)}, assignees=[*from_agents, *from_people])
