"""Facts about one task, made by hand and by chance."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from app.agentapi.types import Facts, InHand, Person, Told
from app.kernel.types import ActorKind, Role
from app.policies.types import Evidence
from app.tasks.types import (
    Card,
    Conflict,
    Criterion,
    LeaseKind,
    Linked,
    PersonFacts,
    QuarantineReason,
    ReservationMode,
    Rival,
    Scene,
    Site,
    TaskStatus,
    Verdict,
    WorktreeState,
)
from app.usage.types import Exhausted, Scope, Unit
from tests.policies import crews

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
TASK = UUID(int=700)
OPEN = tuple(one for one in TaskStatus if one not in (TaskStatus.DONE, TaskStatus.ARCHIVED))


def card(**changes: Any) -> Card:
    fields: dict[str, Any] = {
        **dict.fromkeys(Card.__struct_fields__),
        "id": TASK,
        "title": "A task",
        "description": "",
        "status": TaskStatus.INBOX,
        "priority": 3,
        "labels": (),
        "version": 1,
        "is_coordination": False,
        "lease_fence": 3,
        "created_by_kind": ActorKind.PERSON,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Card(**(fields | changes))


truth = st.booleans()
reach = st.sampled_from(("pull", "gateway"))
linked = st.builds(
    lambda number, status, was_done: Linked(
        id=UUID(int=800 + number),
        title="Another",
        status=status,
        is_done=status is TaskStatus.DONE or (status is TaskStatus.ARCHIVED and was_done),
    ),
    st.integers(0, 9),
    st.sampled_from(TaskStatus),
    truth,
)
criteria = st.lists(
    st.one_of(
        st.just((None, None, None)),
        st.tuples(st.sampled_from(Verdict), truth, st.sampled_from((ActorKind.PERSON, ActorKind.AGENT))),
    ),
    max_size=3,
).map(
    lambda found: tuple(
        Criterion(id=UUID(int=900 + place), position=place, text="It works", verdict=verdict, is_met=met, verdict_by_kind=by)
        for place, (verdict, met, by) in enumerate(found, start=1)
    )
)


sites = st.builds(
    Site, id=st.just(UUID(int=990)), name=st.just("lamps"), has_url=truth, worktree=st.sampled_from(WorktreeState), is_live=truth
)


conflicts = st.builds(
    lambda number, seconds, mode: Conflict(
        rival=Rival(
            task_id=UUID(int=850 + number),
            title="Another",
            holder=f"agent-{number}",
            pattern="src/**",
            mode=mode,
            until=NOW + timedelta(seconds=seconds),
        ),
        mine="src/api",
    ),
    st.integers(0, 3),
    st.integers(1, 9),
    st.sampled_from(ReservationMode),
)


@st.composite
def leases(draw, status: TaskStatus, agents: list[UUID]) -> dict[str, Any]:
    """Only what is worked on or reviewed is held, by one of the crew, and perhaps no longer."""
    kind = {TaskStatus.IN_PROGRESS: LeaseKind.WORK, TaskStatus.REVIEW: LeaseKind.REVIEW}.get(status)
    if kind is None or not draw(truth):
        return {}
    until = NOW + timedelta(seconds=draw(st.integers(-5, 5)))
    return {"lease_agent_id": draw(st.sampled_from(agents)), "lease_kind": kind, "lease_until": until}


@st.composite
def facts(draw) -> Facts:
    crew = tuple(msgspec.structs.replace(one, capacity=draw(st.integers(1, 2)), kind=draw(reach)) for one in draw(crews.crews))
    status = draw(st.sampled_from((*OPEN, *OPEN, *TaskStatus)))
    lease = draw(leases(status, [one.id for one in crew]))
    blocked = {"blocked_reason": "a reason"} if status is TaskStatus.BLOCKED else {}
    account = msgspec.structs.replace(draw(crews.accounts), open_pool=draw(truth), evidence=draw(st.sampled_from(Evidence)))
    roles = [Role.OWNER, *draw(st.lists(st.sampled_from(Role), max_size=2))]
    people = [Person(id=UUID(int=50 + n), email=f"p{n}@example.com", name=f"P{n}", role=role) for n, role in enumerate(roles)]
    scene = Scene(
        now=NOW,
        account=account,
        crew=crew,
        people=tuple(
            PersonFacts(id=one.id, email=one.email, handle=f"p{n}", name=one.name, is_assigned=draw(truth))
            for n, one in enumerate(people)
        ),
        dependencies=tuple(draw(st.lists(linked, max_size=2))),
        open_children=tuple(
            one for one in draw(st.lists(linked, max_size=2)) if one.status not in (TaskStatus.DONE, TaskStatus.ARCHIVED)
        ),
        criteria=draw(criteria),
        site=draw(st.none() | sites),
        conflicts=tuple(draw(st.lists(conflicts, max_size=2))) if draw(truth) else (),
    )
    reason = draw(st.sampled_from((None, None, *QuarantineReason)))
    quarantined = {"quarantined_at": NOW, "quarantine_reason": reason} if reason else {}
    return Facts(
        card=card(status=status, **lease, **blocked, **quarantined),
        scene=scene,
        in_hand=_in_hand(draw, crew, lease),
        told=_told(draw, crew),
        people=tuple(one for one in people if one.role is not Role.VIEWER),
        since=NOW,
    )


def _in_hand(draw: Any, crew: Any, lease: dict[str, Any]) -> tuple[InHand, ...]:
    """As the database keeps it: nobody above its capacity, and the lease on this task among the live ones."""
    found = []
    for one in crew:
        mine = lease.get("lease_agent_id") == one.id and lease["lease_until"] > NOW
        if mine:
            found.append(InHand(agent_id=one.id, task_id=TASK, title="A task", until=lease["lease_until"]))
        for number in range(draw(st.integers(0, one.capacity - mine))):
            until = NOW + timedelta(seconds=number + 1)
            found.append(InHand(agent_id=one.id, task_id=UUID(int=1000 * one.id.int + number), title="T", until=until))
    return tuple(found)


FULL = Exhausted(budget_id=UUID(int=600), scope=Scope.AGENT, unit=Unit.USD, resets_at=NOW + timedelta(hours=1))


def _told(draw: Any, crew: Any) -> tuple[Told, ...]:
    states = st.sampled_from(("queued", "queued", "delivered", "dead", "no_response", "skipped", "expired"))
    return tuple(
        Told(
            agent_id=one.id,
            type="assignment",
            state=draw(states),
            reason=None,
            created_at=NOW,
            offered_at=None,
            ended_at=None,
            gateway_offline_since=draw(st.sampled_from((None, NOW))),
            error_class="timeout",
            paused_since=draw(st.sampled_from((None, None, NOW))),
            next_at=draw(st.sampled_from((None, NOW))),
            budget=draw(st.sampled_from((None, FULL, msgspec.structs.replace(FULL, resets_at=None)))),
        )
        for one in crew
        if draw(truth)
    )
