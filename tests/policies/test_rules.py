from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import Role
from app.policies.capabilities import effective
from app.policies.rules import CAPABILITIES, PERSONS, decide
from app.policies.types import (
    AccountPolicy,
    Action,
    Allowed,
    Denied,
    Flag,
    Flags,
    PersonActor,
    Reason,
    SystemActor,
    TaskFacts,
)
from tests.policies.crews import ORCHESTRATOR, accounts, acting, agent, agents, crews, reviewer, verdict

LED = AccountPolicy(orchestrator_agent_id=ORCHESTRATOR)
UNLED = AccountPolicy()
ME = UUID(int=9)
STATUSES = ("inbox", "assigned", "in_progress", "review", "done", "blocked", "archived")
GOALS = (None, *STATUSES, "nonsense")


def ask(action, facts, *, account=LED, status="in_progress", goal=None, assignees=(), others=()):
    crew = (facts, *others) if facts.id == ORCHESTRATOR else (facts, agent(1), *others)
    task = None if action is Action.TASK_CREATE else TaskFacts(status=status, crew=crew)
    return decide(action, actor=acting(facts, account), account=account, task=task, goal=goal, assignees=assignees)


def test_leading_is_a_matter_of_id_and_never_of_words():
    impostor = msgspec.structs.replace(agent(9, role="Squad Lead"), slug="squad-lead", name="Orchestrator")
    assert not effective(impostor, LED).is_orchestrator
    assert verdict(ask(Action.TASK_ASSIGN, impostor)) is Reason.ORCHESTRATOR_REQUIRED
    renamed = msgspec.structs.replace(agent(1), slug="zed", name="Zed")
    assert verdict(ask(Action.TASK_ASSIGN, renamed)) == "orchestrator"


@given(agents(9), st.text(max_size=30), accounts, st.sampled_from(Action), st.sampled_from(GOALS), st.sampled_from(STATUSES))
def test_names_and_role_words_decide_nothing_once_reviewing_is_settled(facts, words, account, action, goal, status):
    settled = msgspec.structs.replace(facts, flags=msgspec.structs.replace(facts.flags, is_reviewer=False))
    renamed = msgspec.structs.replace(settled, slug=words, name=words, role=words)
    first, second = (ask(action, who, account=account, goal=goal, status=status) for who in (settled, renamed))
    assert first == second


def test_every_action_is_settled_for_people_agents_and_the_board():
    assert set(PERSONS) == set(Action)
    for action in Action:
        for actor in (PersonActor(ME, Role.OWNER), acting(agent(), LED), SystemActor()):
            assert isinstance(decide(action, actor=actor, account=LED), Allowed | Denied)


# What runs behind the board is for its operators, also to read; an approval is for those who may give it.
READS = {a for a in Action if a.endswith(".read")} - {Action.RUNTIME_READ, Action.APPROVALS_READ}
READS |= {Action.POLICIES_EXPLAIN, Action.TASK_SURVEY}
MANAGES = {a for a in Action if a.endswith(".manage")} | {Action.RUNTIME_READ}
APPROVALS = {Action.APPROVALS_READ, Action.APPROVALS_DECIDE}


@pytest.mark.parametrize("action", Action)
def test_viewers_read_members_work_admins_manage(action):
    first = Role.VIEWER if action in READS else Role.ADMIN if action in MANAGES else Role.MEMBER
    order = [Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER]
    allowed = [role for role in order if isinstance(decide(action, actor=PersonActor(ME, role), account=LED), Allowed)]
    assert allowed == order[order.index(first) :]
    denials = [decide(action, actor=PersonActor(ME, role), account=LED) for role in order if role not in allowed]
    assert all(verdict(denial) is Reason.ROLE_DENIED for denial in denials)


@pytest.mark.parametrize("action", sorted({*MANAGES, *APPROVALS, Action.ACCOUNT_READ, Action.TASK_REOPEN, Action.TASK_RESTORE}))
def test_some_things_are_for_people_even_before_the_orchestrator(action):
    everything = Flags(**{flag.value: True for flag in Flag})
    assert verdict(ask(action, agent(1, flags=everything, is_assigned=True))) is Reason.PERSONS_ONLY


@pytest.mark.parametrize("action", sorted(READS - {Action.ACCOUNT_READ, Action.TASK_SURVEY}))
def test_any_agent_reads(action):
    nothing = Flags(**{flag.value: False for flag in Flag})
    assert verdict(ask(action, agent(flags=nothing))) == "agent"


@pytest.mark.parametrize("action", Action)
def test_a_retired_agent_does_nothing(action):
    retired = agent(1, flags=Flags(**{flag.value: True for flag in Flag}), is_active=False, is_assigned=True)
    assert verdict(ask(action, retired, goal="review")) is Reason.AGENT_RETIRED
    stale = agent(9)
    task = TaskFacts(status="review", crew=(msgspec.structs.replace(stale, is_active=False),))
    assert verdict(decide(action, actor=acting(stale, LED), account=LED, task=task)) is Reason.AGENT_RETIRED


@pytest.mark.parametrize(("action", "flag"), CAPABILITIES.items())
def test_a_flag_that_is_off_is_named_in_the_denial(action, flag):
    leader = agent(1, flags=Flags(**{flag.value: False}), is_assigned=True)
    decision = ask(action, leader, goal="review")
    assert isinstance(decision, Denied)
    assert (decision.reason, decision.flag) == (Reason.CAPABILITY_DENIED, flag)


MAKER = Flags(can_create_tasks=True)


@pytest.mark.parametrize(
    ("facts", "account", "assignees", "expected"),
    [
        (agent(), LED, (), Reason.CAPABILITY_DENIED),
        (agent(1), LED, (), Reason.CAPABILITY_DENIED),
        (agent(flags=MAKER), LED, (), "agent.create"),
        (agent(flags=MAKER), LED, (ME,), "agent.create"),
        (agent(flags=MAKER), LED, (ME, UUID(int=7)), Reason.ORCHESTRATOR_REQUIRED),
        (agent(flags=MAKER), UNLED, (UUID(int=7),), Reason.ORCHESTRATOR_UNSET),
        (agent(1, flags=MAKER), LED, (UUID(int=7),), "orchestrator"),
    ],
)
def test_who_makes_tasks_and_for_whom(facts, account, assignees, expected):
    assert verdict(ask(Action.TASK_CREATE, facts, account=account, assignees=assignees)) == expected


@pytest.mark.parametrize("action", [Action.TASK_ASSIGN, Action.TASK_ARCHIVE])
def test_only_the_orchestrator_assigns_and_archives(action):
    assert verdict(ask(action, agent(1))) == "orchestrator"
    assert verdict(ask(action, agent(is_assigned=True))) is Reason.ORCHESTRATOR_REQUIRED
    assert verdict(ask(action, agent(is_assigned=True), account=UNLED)) is Reason.ORCHESTRATOR_UNSET


def test_a_retired_orchestrator_counts_as_unset():
    task = TaskFacts(status="inbox", crew=(agent(9), agent(1, is_active=False)))
    decision = decide(Action.TASK_ASSIGN, actor=acting(agent(9), LED), account=LED, task=task)
    assert verdict(decision) is Reason.ORCHESTRATOR_UNSET


@pytest.mark.parametrize(
    ("facts", "status", "goal", "expected"),
    [
        (agent(is_assigned=True), "assigned", "in_progress", "assignee"),
        (agent(is_assigned=True), "in_progress", "review", "assignee"),
        (agent(is_assigned=True), "in_progress", "blocked", "assignee"),
        (agent(is_assigned=True), "assigned", "inbox", Reason.STATUS_NOT_FOR_AGENTS),
        (agent(is_assigned=True), "inbox", "assigned", Reason.STATUS_NOT_FOR_AGENTS),
        (agent(1), "in_progress", "archived", Reason.STATUS_NOT_FOR_AGENTS),
        (agent(is_assigned=True), "in_progress", None, Reason.STATUS_NOT_FOR_AGENTS),
        (agent(has_acted=True, is_subscribed=True), "in_progress", "review", Reason.NOT_ASSIGNED),
        (agent(1), "in_progress", "blocked", "orchestrator"),
        (reviewer(), "review", "in_progress", "reviewer"),
        (reviewer(), "in_progress", "blocked", Reason.NOT_ASSIGNED),
        (reviewer(has_acted=True), "review", "in_progress", Reason.NOT_ASSIGNED),
        (reviewer(has_acted=True, is_assigned=True), "review", "in_progress", "assignee"),
        (agent(is_assigned=True), "review", "done", Reason.ORCHESTRATOR_REQUIRED),
        # Authority first: whether the card may go from here to done is the table's question.
        (reviewer(), "in_progress", "done", "close.reviewers"),
    ],
)
def test_who_moves_a_task(facts, status, goal, expected):
    assert verdict(ask(Action.TASK_MOVE, facts, status=status, goal=goal)) == expected


@pytest.mark.parametrize(
    ("facts", "status", "expected"),
    [
        (agent(1), "in_progress", "orchestrator"),
        (agent(is_assigned=True), "done", "assignee"),
        (agent(is_subscribed=True), "in_progress", "subscriber"),
        (reviewer(), "review", "reviewer"),
        (reviewer(has_acted=True), "review", "reviewer"),
        (reviewer(), "in_progress", Reason.NOT_ASSIGNED),
        (agent(has_acted=True), "review", Reason.NOT_ASSIGNED),
    ],
)
def test_who_speaks_in_a_thread(facts, status, expected):
    assert verdict(ask(Action.TASK_MESSAGE, facts, status=status)) == expected


def test_the_board_itself_moves_cards_but_judges_nothing_and_manages_nothing():
    for action in Action:
        decision = decide(action, actor=SystemActor(), account=LED, goal="assigned")
        assert isinstance(decision, Denied) == (action in MANAGES or action is Action.TASK_CLOSE)
    assert isinstance(decide(Action.TASK_MOVE, actor=SystemActor(), account=LED, goal="done"), Denied)


questions = st.fixed_dictionaries(
    {"goal": st.sampled_from(GOALS), "assignees": st.lists(st.sampled_from((ME, ORCHESTRATOR)), max_size=2)}
)


@given(st.sampled_from(Action), crews, accounts, st.sampled_from(STATUSES), questions)
def test_a_denial_always_has_a_reason_and_an_allowance_a_rule(action, crew, account, status, question):
    task = TaskFacts(status=status, crew=crew)
    decision = decide(action, actor=acting(crew[0], account), account=account, task=task, **question)
    if isinstance(decision, Denied):
        assert decision.reason in Reason
        assert decision.detail
        assert (decision.flag is not None) == (decision.reason is Reason.CAPABILITY_DENIED)
    else:
        assert isinstance(decision, Allowed)
        assert decision.rule


POWERS = sorted(set(Flag) - {Flag.IS_REVIEWER})


@given(st.sampled_from(Action), crews, accounts, st.sampled_from(STATUSES), questions, st.sampled_from(POWERS))
def test_taking_a_capability_never_allows_more(action, crew, account, status, question, flag):
    actor = crew[0]
    less = msgspec.structs.replace(actor, flags=msgspec.structs.replace(actor.flags, **{flag.value: False}))
    before, after = (
        decide(
            action,
            actor=acting(who, account),
            account=account,
            task=TaskFacts(status=status, crew=(who, *crew[1:])),
            **question,
        )
        for who in (actor, less)
    )
    assert isinstance(before, Allowed) or isinstance(after, Denied)


@given(st.sampled_from(Action), st.sampled_from(GOALS), st.sampled_from(STATUSES))
def test_a_higher_role_never_may_less(action, goal, status):
    task = TaskFacts(status=status)
    order = (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER)
    may = [isinstance(decide(action, actor=PersonActor(ME, role), account=LED, task=task, goal=goal), Allowed) for role in order]
    assert may == sorted(may)


def test_decisions_go_over_the_wire_with_their_kind():
    assert msgspec.json.decode(msgspec.json.encode(Denied(Reason.SELF_REVIEW, "no"))) == {
        "type": "deny",
        "reason": "self_review",
        "detail": "no",
        "flag": None,
    }
