"""What is offered to somebody in general, before any task is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import Role
from app.policies.rules import decide, offers
from app.policies.types import AccountPolicy, Action, Allowed, DocumentFacts, Flags, PersonActor, SystemActor, TaskFacts
from tests.policies.crews import ORCHESTRATOR, accounts, acting, agent, agents, crews, reviewer

LED = AccountPolicy(orchestrator_agent_id=ORCHESTRATOR)
STATUSES = st.sampled_from(("", "inbox", "assigned", "in_progress", "review", "done", "blocked", "archived"))
GOALS = st.sampled_from((None, "in_progress", "review", "done", "blocked", "archived"))
DOCUMENTS = st.builds(
    DocumentFacts, is_new=st.booleans(), is_protected=st.booleans(), is_author=st.booleans(), is_on_its_task=st.booleans()
)


@given(st.integers(1, 9).flatmap(agents), crews, accounts, st.sampled_from(Action), STATUSES, GOALS, st.none() | DOCUMENTS)
def test_whatever_is_allowed_was_offered(me, crew, account, action, status, goal, document):
    others = tuple(other for other in crew if other.id != me.id)
    task = TaskFacts(status=status, crew=(me, *others))
    actor = acting(me, account)
    decision = decide(action, actor=actor, account=account, task=task, goal=goal, document=document)
    assert not isinstance(decision, Allowed) or offers(action, actor=actor, account=account)


@given(st.sampled_from(Action), st.sampled_from(Role), accounts)
def test_people_and_the_board_are_offered_exactly_what_they_may_do(action, role, account):
    for actor in (PersonActor(ORCHESTRATOR, role), SystemActor()):
        decision = decide(action, actor=actor, account=account)
        assert offers(action, actor=actor, account=account) == isinstance(decision, Allowed)


@pytest.mark.parametrize("action", [Action.TASK_ASSIGN, Action.TASK_ARCHIVE, Action.TASK_SURVEY])
def test_what_only_the_orchestrator_does_is_offered_to_nobody_else(action):
    everybody = (agent(1), agent(2), reviewer())
    assert [offers(action, actor=acting(who, LED), account=LED) for who in everybody] == [True, False, False]


def test_what_a_flag_forbids_is_not_offered():
    maker = agent(flags=Flags(can_create_tasks=True))
    assert offers(Action.TASK_CREATE, actor=acting(maker, LED), account=LED)
    assert not offers(Action.TASK_CREATE, actor=acting(agent(), LED), account=LED)
    idle = agent(flags=Flags(can_modify_task_status=False))
    assert not offers(Action.TASK_MOVE, actor=acting(idle, LED), account=LED)


@pytest.mark.parametrize("action", [Action.TASK_RESTORE, Action.TOKENS_MANAGE, Action.ACCOUNT_READ])
def test_what_is_for_people_is_offered_to_no_agent(action):
    assert not offers(action, actor=acting(agent(1), LED), account=LED)
