"""«What moves this task next?»: there is always an answer, and it is true of the facts."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings

from app.agentapi.rules import why
from app.agentapi.rules.words import listed
from app.agentapi.types import Facts, Obstacle, Person, Told, WaitsFor, Who
from app.kernel.types import ActorKind, Role
from app.policies.capabilities import effective
from app.policies.rules import decide
from app.policies.types import AccountPolicy, Action, AgentActor, AgentFacts, Allowed, Evidence, PersonActor, TaskFacts
from app.tasks.rules import evidence, leases
from app.tasks.rules import move as table
from app.tasks.types import Claim, LeaseKind, Move, Scene, TaskStatus, WorktreeState
from tests.agentapi.facts import FULL, NOW, TASK, card, facts

CLOSED = {TaskStatus.DONE, TaskStatus.ARCHIVED}


def is_held(about: Facts) -> bool:
    return about.card.lease_until is not None and about.card.lease_until > NOW


def allows(about: Facts, who: Who, action: Action, goal: str | None = None) -> bool:
    """What the one function of the policies says."""
    task = TaskFacts(status=about.card.status, crew=about.scene.crew)
    account = about.scene.account
    if who.kind is ActorKind.PERSON:
        person = next(one for one in about.people if one.id == who.id)
        return isinstance(decide(action, actor=PersonActor(person.id, person.role), account=account, task=task), Allowed)
    agent = agent_of(about, who)
    actor = AgentActor(agent, effective(agent, account))
    return isinstance(decide(action, actor=actor, account=account, task=task, goal=goal), Allowed)


def agent_of(about: Facts, who: Who) -> AgentFacts:
    return next(one for one in about.scene.crew if one.id == who.id)


def in_hand(about: Facts, agent: AgentFacts) -> set:
    return {one.task_id for one in about.in_hand if one.agent_id == agent.id}


def claims(about: Facts, who: Who) -> bool:
    if who.kind is ActorKind.PERSON:
        return allows(about, who, Action.TASK_MOVE) and any(one.id == who.id for one in about.scene.assigned_people)
    agent = agent_of(about, who)
    outcome = leases.claim(about.card, now=NOW, caller=agent.id, held=in_hand(about, agent), capacity=agent.capacity)
    if not allows(about, who, Action.TASK_CLAIM) or not isinstance(outcome, Claim):
        return False
    return (not outcome.starts or is_ready(about)) and (outcome.kind is LeaseKind.REVIEW or not about.scene.conflicts)


def is_ready(about: Facts) -> bool:
    return all(one.is_done for one in about.scene.dependencies)


def holds_it(about: Facts, who: Who) -> bool:
    return is_held(about) and about.card.lease_agent_id == who.id


def assigns(about: Facts, who: Who) -> bool:
    return allows(about, who, Action.TASK_ASSIGN)


def unblocks(about: Facts, who: Who) -> bool:
    if not about.scene.assignees:
        return assigns(about, who)
    return allows(about, who, Action.TASK_MOVE, "in_progress") and (who.kind is ActorKind.PERSON or is_ready(about))


def proves(about: Facts, who: Who) -> bool:
    return allows(about, who, Action.TASK_EVIDENCE if about.scene.criteria else Action.TASK_UPDATE)


def reopens(about: Facts, who: Who) -> bool:
    return allows(about, who, Action.TASK_REOPEN if about.card.status is TaskStatus.DONE else Action.TASK_RESTORE)


def cures(about: Facts, who: Who) -> bool:
    return allows(about, who, Action.TASK_UPDATE) or allows(about, who, Action.TASK_RESTORE)


CAN: dict[WaitsFor, Callable[[Facts, Who], bool]] = {
    WaitsFor.QUARANTINED: lambda about, who: allows(about, who, Action.TASK_LIFT),
    WaitsFor.BUDGET_EXHAUSTED: lambda about, who: allows(about, who, Action.ACCOUNT_MANAGE),
    WaitsFor.GATEWAY_OFFLINE: lambda about, who: allows(about, who, Action.AGENTS_MANAGE),
    WaitsFor.DELIVERY_PAUSED: lambda about, who: allows(about, who, Action.RUNTIME_MANAGE),
    WaitsFor.DELIVERY_GIVEN_UP: lambda about, who: allows(about, who, Action.TASK_MESSAGE),
    WaitsFor.DELIVERY_DELAYED: lambda about, who: allows(about, who, Action.RUNTIME_MANAGE),
    WaitsFor.HELD: holds_it,
    WaitsFor.LEASE_RAN_OUT: lambda _, who: who.kind is ActorKind.SYSTEM,
    WaitsFor.DEPENDENCY_OPEN: lambda _about, _who: False,
    WaitsFor.DEPENDENCY_ARCHIVED: cures,
    WaitsFor.FILES_RESERVED: lambda _about, _who: False,
    WaitsFor.OPEN_CHILDREN: lambda _about, _who: False,
    WaitsFor.ASSIGNEE_TO_START: claims,
    WaitsFor.ASSIGNEE_AT_CAPACITY: lambda about, who: allows(about, who, Action.TASK_CLAIM),
    WaitsFor.ASSIGNEE_CANNOT: assigns,
    WaitsFor.REWORK_TO_CLAIM: claims,
    WaitsFor.PERSON_AT_WORK: claims,
    WaitsFor.UNOWNED: lambda about, who: assigns(about, who) or claims(about, who),
    WaitsFor.ORCHESTRATOR_TO_ASSIGN: assigns,
    WaitsFor.BLOCKED: unblocks,
    WaitsFor.REVIEW_HELD: holds_it,
    WaitsFor.EVIDENCE_MISSING: proves,
    WaitsFor.REVIEWER_TO_CLOSE: lambda about, who: allows(about, who, Action.TASK_CLOSE, "done"),
    WaitsFor.WORKTREE_FAILED: lambda about, who: allows(about, who, Action.TASK_COMMIT),
    WaitsFor.CLOSED: reopens,
}


def assigned_agents(about: Facts) -> list[Who]:
    return [Who(kind=ActorKind.AGENT, id=one.id, name=one.name) for one in about.scene.assigned_agents]


def slug_of(each: Any) -> str:
    slug: str = each if isinstance(each, str) else each["slug"]
    return slug


def unreached(about: Facts, kind: WaitsFor) -> set[str]:
    """Whom this keeps from hearing that it is their turn."""
    slugs = {one.id: one.slug for one in about.scene.crew if one.kind == "gateway"}
    waiting = [one for one in about.told if one.state == "queued"]
    those = {
        WaitsFor.BUDGET_EXHAUSTED: [one for one in waiting if one.budget is not None],
        WaitsFor.DELIVERY_PAUSED: [one for one in waiting if one.paused_since is not None],
        WaitsFor.GATEWAY_OFFLINE: [one for one in waiting if one.gateway_offline_since is not None],
        WaitsFor.DELIVERY_GIVEN_UP: [one for one in about.told if one.state in ("dead", "expired", "no_response")],
        WaitsFor.DELIVERY_DELAYED: [one for one in waiting if one.next_at is not None],
    }[kind]
    return {slugs[one.agent_id] for one in those if one.agent_id in slugs}


UNREACHED: dict[WaitsFor, dict[str, Any]] = {
    WaitsFor.DELIVERY_PAUSED: {"state": "queued", "paused_since": NOW, "budget": FULL},
    WaitsFor.BUDGET_EXHAUSTED: {"state": "queued", "budget": FULL, "next_at": NOW, "gateway_offline_since": NOW},
    WaitsFor.GATEWAY_OFFLINE: {"state": "queued", "gateway_offline_since": NOW, "next_at": NOW},
    WaitsFor.DELIVERY_DELAYED: {"state": "queued", "next_at": NOW},
    WaitsFor.DELIVERY_GIVEN_UP: {"state": "dead", "gateway_offline_since": NOW},
}


def untold(kind: str, *told: Told) -> list[WaitsFor]:
    """What a task waits for that two agents of this kind have, of whom these were told so."""
    crew = tuple(
        AgentFacts(id=UUID(int=n), slug=f"a{n}", name=f"A{n}", role="r", is_assigned=True, kind=kind) for n in range(1, 3)
    )
    person = Person(id=UUID(int=9), email="p@example.com", name="P", role=Role.OWNER)
    scene = Scene(now=NOW, account=AccountPolicy(), crew=crew, people=())
    found = why(Facts(card=card(status=TaskStatus.ASSIGNED), scene=scene, told=told, people=(person,)))
    return [found.first.waits_for, *(one.waits_for for one in found.also)]


@pytest.mark.parametrize("cause", UNREACHED)
def test_a_turn_that_nobody_hears_of_stands_behind_what_keeps_them_from_it(cause):
    about = {"type": "assignment", "reason": None, "created_at": NOW, "offered_at": None, "ended_at": None} | UNREACHED[cause]
    first, second = (Told(agent_id=UUID(int=n), **about) for n in range(1, 3))
    assert untold("gateway", first, second) == [cause, WaitsFor.ASSIGNEE_TO_START]
    assert untold("gateway", first) == [WaitsFor.ASSIGNEE_TO_START, cause]
    assert untold("pull", first, second) == [WaitsFor.ASSIGNEE_TO_START]


def is_true(about: Facts, one: Obstacle) -> bool:  # noqa: C901, PLR0911, PLR0912 a truth table
    """Whether the obstacle is there, by the facts alone."""
    scene, status = about.scene, about.card.status
    open_ones = [each for each in scene.dependencies if not each.is_done]
    match one.waits_for:
        case WaitsFor.QUARANTINED:
            return about.card.quarantined_at is not None and status not in CLOSED
        case (
            WaitsFor.DELIVERY_PAUSED
            | WaitsFor.BUDGET_EXHAUSTED
            | WaitsFor.GATEWAY_OFFLINE
            | WaitsFor.DELIVERY_GIVEN_UP
            | WaitsFor.DELIVERY_DELAYED
        ):
            return {slug_of(each) for each in one.details["agents"]} <= unreached(about, one.waits_for)
        case WaitsFor.HELD:
            return is_held(about) and status is TaskStatus.IN_PROGRESS and one.until == about.card.lease_until
        case WaitsFor.REVIEW_HELD:
            return is_held(about) and status is TaskStatus.REVIEW and one.until == about.card.lease_until
        case WaitsFor.LEASE_RAN_OUT:
            return about.card.lease_agent_id is not None and not is_held(about)
        case WaitsFor.DEPENDENCY_OPEN:
            return any(each.status is not TaskStatus.ARCHIVED for each in open_ones)
        case WaitsFor.DEPENDENCY_ARCHIVED:
            return any(each.status is TaskStatus.ARCHIVED for each in open_ones)
        case WaitsFor.FILES_RESERVED:
            meets = {each.rival.task_id for each in scene.conflicts}
            return {each["task_id"] for each in one.details["conflicts"]} == meets and one.until is not None and one.until > NOW
        case WaitsFor.OPEN_CHILDREN:
            return bool(scene.open_children)
        case WaitsFor.ASSIGNEE_TO_START:
            return status is TaskStatus.ASSIGNED and is_ready(about)
        case WaitsFor.REWORK_TO_CLAIM | WaitsFor.PERSON_AT_WORK:
            return status is TaskStatus.IN_PROGRESS and not is_held(about)
        case WaitsFor.ASSIGNEE_AT_CAPACITY:
            return all(len(in_hand(about, agent_of(about, who))) == agent_of(about, who).capacity for who in one.who)
        case WaitsFor.ASSIGNEE_CANNOT:
            named = {each["slug"] for each in one.details["assignees"] if "slug" in each}
            forbidden = {agent_of(about, who).slug for who in assigned_agents(about) if not allows(about, who, Action.TASK_CLAIM)}
            return named == forbidden
        case WaitsFor.UNOWNED:
            return not scene.assignees or status is TaskStatus.INBOX
        case WaitsFor.ORCHESTRATOR_TO_ASSIGN:
            return status is TaskStatus.INBOX and [who.id for who in one.who] == [scene.account.orchestrator_agent_id]
        case WaitsFor.BLOCKED:
            return status is TaskStatus.BLOCKED and one.details["blocked_reason"] == about.card.blocked_reason
        case WaitsFor.EVIDENCE_MISSING:
            return evidence.shortfall(scene.criteria, level=scene.account.evidence) is not None
        case WaitsFor.REVIEWER_TO_CLOSE:
            return status is TaskStatus.REVIEW
        case WaitsFor.WORKTREE_FAILED:
            assert scene.site is not None
            return status is TaskStatus.IN_PROGRESS and scene.site.is_live and scene.site.worktree is WorktreeState.FAILED
        case WaitsFor.CLOSED:
            return status in CLOSED


@settings(max_examples=100)
@given(facts())
def test_there_is_always_an_answer_and_open_tasks_are_never_called_closed(about):
    found = why(about)
    for one in (found.first, *found.also):
        assert (one.waits_for is WaitsFor.CLOSED) == (about.card.status in CLOSED)
        assert one.words.endswith(".")
        assert one.words == one.words.strip()
    kinds = [one.waits_for for one in (found.first, *found.also)]
    assert len(set(kinds)) == len(kinds) or set(kinds) == {WaitsFor.UNOWNED}


@settings(max_examples=100)
@given(facts())
def test_what_the_answer_says_is_true(about):
    found = why(about)
    for one in (found.first, *found.also):
        assert is_true(about, one), one


@settings(max_examples=100)
@given(facts())
def test_whoever_is_named_can_do_it_by_the_policies(about):
    found = why(about)
    for one in (found.first, *found.also):
        assert [who for who in one.who if not CAN[one.waits_for](about, who)] == [], one


TIME_OR_TASKS = {WaitsFor.DEPENDENCY_OPEN, WaitsFor.OPEN_CHILDREN, WaitsFor.FILES_RESERVED}


@settings(max_examples=100)
@given(facts())
def test_somebody_is_named_unless_only_time_or_another_task_helps(about):
    found = why(about)
    for one in (found.first, *found.also):
        if one.waits_for in TIME_OR_TASKS:
            assert one.step is not None
            assert one.step.verb == "task-why"
        elif one.waits_for in (WaitsFor.HELD, WaitsFor.REVIEW_HELD):
            assert one.until is not None
        else:
            assert one.who


@settings(max_examples=100)
@given(facts())
def test_nobody_who_could_start_or_close_it_is_forgotten(about):
    found = why(about)
    named = {who.id for one in (found.first, *found.also) for who in one.who}
    crew = [Who(kind=ActorKind.AGENT, id=one.id, name=one.name) for one in about.scene.crew if one.is_active]
    if about.card.status in (TaskStatus.ASSIGNED, TaskStatus.IN_PROGRESS, TaskStatus.INBOX):
        assert {who.id for who in crew if claims(about, who)} <= named
    if about.card.status is TaskStatus.REVIEW and not is_held(about):
        assert {who.id for who in crew if allows(about, who, Action.TASK_CLOSE, "done")} <= named


@settings(max_examples=150)
@given(facts())
def test_what_stands_in_front_is_what_has_to_fall_first(about):
    order = [one.waits_for for one in (why(about).first, *why(about).also)]
    is_quarantined = about.card.quarantined_at is not None and about.card.status not in CLOSED
    assert (order[0] is WaitsFor.QUARANTINED) == is_quarantined
    first = order[is_quarantined]
    waiting = not is_ready(about)
    if about.card.status in (TaskStatus.INBOX, TaskStatus.ASSIGNED) and waiting:
        assert first in (WaitsFor.DEPENDENCY_OPEN, WaitsFor.DEPENDENCY_ARCHIVED)
    if first is WaitsFor.REVIEWER_TO_CLOSE:
        assert not about.scene.open_children
        assert about.scene.account.evidence is Evidence.OFF or about.scene.criteria
        moved = table(start=about.card.status, goal=TaskStatus.DONE, assignees=1, blocked_reason=None)
        assert isinstance(moved, Move)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], "nobody"),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d"], "a, b and 2 others"),
    ],
)
def test_names_make_a_sentence(names, sentence):
    assert listed(names) == sentence


def test_the_fence_is_never_told():
    held = card(
        status=TaskStatus.IN_PROGRESS,
        lease_agent_id=TASK,
        lease_kind=LeaseKind.WORK,
        lease_until=NOW.replace(year=2031),
        lease_fence=918273645,
    )

    @given(facts())
    @settings(max_examples=20)
    def told(about: Any) -> None:
        found = why(msgspec.structs.replace(about, card=held))
        assert b"918273645" not in msgspec.json.encode(found)

    told()
