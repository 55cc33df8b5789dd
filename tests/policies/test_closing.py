from dataclasses import dataclass
from itertools import product
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import Role
from app.policies.capabilities import effective, is_orchestrator
from app.policies.closing import closers, may_close
from app.policies.rules import decide
from app.policies.types import (
    AccountPolicy,
    Action,
    AgentFacts,
    Allowed,
    ClosingParty,
    Denied,
    Flag,
    Flags,
    Reason,
    SelfReview,
    TaskFacts,
)
from tests.policies.crews import ORCHESTRATOR, accounts, acting, agent, crews, reviewer, verdict

MODES = (SelfReview.FORBID, SelfReview.FORBID_ALL, SelfReview.ALLOW)

# Each row: reviewers in the crew, the orchestrator, who asks, then whether it may close:
# under forbid (idle, acted), under forbid_all (idle, acted), under allow (idle, acted).
MATRIX = """
none unset   worker       unset unset  unset unset  unset unset
none retired worker       unset unset  unset unset  unset unset
none set     worker       orch  orch   orch  orch   orch  orch
none set     orchestrator ok    ok     ok    self   ok    ok
none retired orchestrator gone  gone   gone  gone   gone  gone
none unset   former       gone  gone   gone  gone   gone  gone
none set     former       gone  gone   gone  gone   gone  gone
none retired former       gone  gone   gone  gone   gone  gone
one  unset   worker       rev   rev    rev   rev    rev   rev
one  retired worker       rev   rev    rev   rev    rev   rev
one  set     worker       rev   rev    rev   rev    rev   rev
one  unset   reviewer     ok    self   ok    self   ok    ok
one  retired reviewer     ok    self   ok    self   ok    ok
one  set     reviewer     ok    self   ok    self   ok    ok
one  set     orchestrator rev   rev    rev   self   rev   rev
one  retired orchestrator gone  gone   gone  gone   gone  gone
two  unset   worker       rev   rev    rev   rev    rev   rev
two  set     worker       rev   rev    rev   rev    rev   rev
two  unset   reviewer     ok    self   ok    self   ok    ok
two  set     reviewer     ok    self   ok    self   ok    ok
two  retired reviewer     ok    self   ok    self   ok    ok
two  set     orchestrator rev   rev    rev   self   rev   rev
none set     both         ok    self   ok    self   ok    ok
one  set     both         ok    self   ok    self   ok    ok
"""
WORDS = {
    "ok": None,
    "unset": Reason.ORCHESTRATOR_UNSET,
    "orch": Reason.ORCHESTRATOR_REQUIRED,
    "rev": Reason.REVIEWER_REQUIRED,
    "self": Reason.SELF_REVIEW,
    "gone": Reason.AGENT_RETIRED,
}
ROWS = [
    (reviewers, orchestrator, who, mode, acted, WORDS[word])
    for reviewers, orchestrator, who, *words in map(str.split, MATRIX.strip().splitlines())
    for (mode, acted), word in zip(product(MODES, (False, True)), words, strict=True)
]


@dataclass(frozen=True)
class Scene:
    crew: tuple[AgentFacts, ...]
    account: AccountPolicy


def scene(reviewers: str, orchestrator: str, *, who: str, mode: SelfReview, acted: bool) -> Scene:
    number = {"none": 0, "one": 1, "two": 2}[reviewers]
    crew = {
        "worker": agent(9),
        "former": reviewer(8, is_active=False),
        **{("reviewer", "peer")[index]: reviewer(5 + index) for index in range(number)},
    }
    if orchestrator != "unset":
        crew["orchestrator"] = agent(1, is_active=orchestrator == "set")
    if who == "both":
        crew["both"] = msgspec.structs.replace(crew.pop("orchestrator"), flags=Flags(is_reviewer=True))
    crew[who] = msgspec.structs.replace(crew[who], has_acted=acted)
    leader = None if orchestrator == "unset" else ORCHESTRATOR
    actor = crew.pop(who)
    return Scene((actor, *crew.values()), AccountPolicy(orchestrator_agent_id=leader, self_review=mode))


@pytest.mark.parametrize(("reviewers", "orchestrator", "who", "mode", "acted", "reason"), ROWS)
def test_the_matrix_says_who_closes(reviewers, orchestrator, who, mode, acted, reason):
    stage = scene(reviewers, orchestrator, who=who, mode=mode, acted=acted)
    actor = stage.crew[0]
    decision = may_close(actor, stage.crew, stage.account)
    assert (decision.reason if isinstance(decision, Denied) else None) == reason
    task = TaskFacts(status="review", crew=stage.crew)
    for action, goal in ((Action.TASK_MOVE, "done"), (Action.TASK_CLOSE, None)):
        assert decide(action, actor=acting(actor, stage.account), account=stage.account, task=task, goal=goal) == decision


@pytest.mark.parametrize("role", Role)
def test_members_and_above_close_whatever_the_crew_is_and_viewers_never(role):
    for mode, orchestrator in product(MODES, ("unset", "set", "retired")):
        stage = scene("one", orchestrator, who="reviewer", mode=mode, acted=True)
        decision = may_close(role, stage.crew, stage.account)
        assert verdict(decision) == (Reason.ROLE_DENIED if role is Role.VIEWER else "close.person")


def test_the_orchestrator_closes_when_every_reviewer_worked_on_the_task():
    crew = (agent(1), reviewer(has_acted=True), reviewer(6, is_active=False))
    account = AccountPolicy(orchestrator_agent_id=ORCHESTRATOR)
    assert closers(crew, account).ids == (ORCHESTRATOR,)
    assert may_close(crew[0], crew, account) == Allowed("close.orchestrator")
    assert verdict(may_close(agent(9), (*crew, agent(9)), account)) is Reason.ORCHESTRATOR_REQUIRED


def test_nobody_closes_when_the_orchestrator_is_barred_too():
    crew = (agent(1, has_acted=True), agent(9))
    account = AccountPolicy(orchestrator_agent_id=ORCHESTRATOR, self_review=SelfReview.FORBID_ALL)
    assert closers(crew, account).party is ClosingParty.NOBODY
    assert closers(crew, account).obstacle is Reason.SELF_REVIEW
    assert [verdict(may_close(member, crew, account)) for member in crew] == [Reason.SELF_REVIEW, Reason.SELF_REVIEW]


def test_an_assignment_alone_bars_nobody():
    mere = reviewer(is_assigned=True)
    assert may_close(mere, (mere,), AccountPolicy()) == Allowed("close.reviewers")


def test_a_reviewer_may_close_by_office_without_can_mark_done():
    assert effective(reviewer(), AccountPolicy()).allows(Flag.CAN_MARK_DONE)


@pytest.mark.parametrize("flag", [Flag.CAN_MARK_DONE, Flag.CAN_MODIFY_TASK_STATUS])
@pytest.mark.parametrize("by_account", [True, False])
def test_an_explicit_no_keeps_a_reviewer_from_closing(flag, by_account):
    refusal = Flags(**{flag.value: False})
    own = Flags(is_reviewer=True) if by_account else Flags(is_reviewer=True, **{flag.value: False})
    actor = agent(5, flags=own)
    decision = may_close(actor, (actor,), AccountPolicy(defaults=refusal if by_account else Flags()))
    assert isinstance(decision, Denied)
    assert (decision.reason, decision.flag) == (Reason.CAPABILITY_DENIED, flag)


def test_can_mark_done_adds_no_power():
    worker = agent(9, flags=Flags(can_mark_done=True))
    assert verdict(may_close(worker, (worker, reviewer()), AccountPolicy())) is Reason.REVIEWER_REQUIRED
    assert verdict(may_close(worker, (worker,), AccountPolicy())) is Reason.ORCHESTRATOR_UNSET


def test_an_agent_outside_the_crew_closes_nothing():
    assert isinstance(may_close(reviewer(), (), AccountPolicy()), Denied)


def test_what_authentication_knew_does_not_outweigh_the_locked_crew():
    account = AccountPolicy()
    acted = reviewer(has_acted=True)
    task = TaskFacts(status="review", crew=(acted,))
    decision = decide(Action.TASK_CLOSE, actor=acting(reviewer(), account), account=account, task=task)
    assert verdict(decision) is Reason.SELF_REVIEW


@given(crews, accounts)
def test_exactly_one_party_closes(crew, account):
    those = closers(crew, account)
    present = {member.id: member for member in crew if member.is_active}
    assert set(those.ids) <= present.keys()
    assert not set(those.ids) & set(those.barred)
    match those.party:
        case ClosingParty.REVIEWERS:
            assert those.ids
            assert all(effective(present[one], account).allows(Flag.IS_REVIEWER) for one in those.ids)
        case ClosingParty.ORCHESTRATOR:
            assert those.ids == (account.orchestrator_agent_id,)
        case ClosingParty.NOBODY:
            assert not those.ids
    assert (those.obstacle is None) == (those.party is not ClosingParty.NOBODY)


@given(crews, accounts)
def test_only_the_closing_party_is_allowed_and_every_denial_has_a_reason(crew, account):
    those = closers(crew, account)
    for member in crew:
        decision = may_close(member, crew, account)
        if isinstance(decision, Allowed):
            assert member.id in those.ids
        else:
            assert decision.reason in Reason
            assert decision.detail


@given(crews, accounts)
def test_a_barred_reviewer_never_closes(crew, account):
    for member in crew:
        reviews = effective(member, account).allows(Flag.IS_REVIEWER)
        leads = is_orchestrator(member, account)
        barring = {SelfReview.FORBID: reviews, SelfReview.FORBID_ALL: reviews or leads, SelfReview.ALLOW: False}
        if member.has_acted and barring[account.self_review]:
            assert isinstance(may_close(member, crew, account), Denied)


@given(crews, accounts, st.sampled_from((Flag.CAN_MARK_DONE, Flag.CAN_MODIFY_TASK_STATUS)), st.data())
def test_taking_a_capability_never_lets_anyone_close_more(crew, account, flag, data):
    victim = data.draw(st.sampled_from(crew))
    less = msgspec.structs.replace(victim, flags=msgspec.structs.replace(victim.flags, **{flag.value: False}))
    after = tuple(less if member is victim else member for member in crew)
    for member, same in zip(crew, after, strict=True):
        if isinstance(may_close(same, after, account), Allowed):
            assert isinstance(may_close(member, crew, account), Allowed)


@given(crews, accounts)
def test_having_worked_on_a_task_never_helps_to_close_it(crew, account):
    for member in crew:
        acted = msgspec.structs.replace(member, has_acted=True)
        after = tuple(acted if other is member else other for other in crew)
        if isinstance(may_close(acted, after, account), Allowed):
            idle = msgspec.structs.replace(member, has_acted=False)
            before = tuple(idle if other is member else other for other in crew)
            assert isinstance(may_close(idle, before, account), Allowed)


@given(crews, accounts, st.randoms())
def test_the_order_of_the_crew_decides_nothing(crew, account, random):
    shuffled = random.sample(crew, len(crew))
    assert all(may_close(member, crew, account) == may_close(member, shuffled, account) for member in crew)


def test_an_orchestrator_of_another_account_counts_as_unset():
    assert closers((agent(9),), AccountPolicy(orchestrator_agent_id=UUID(int=404))).obstacle is Reason.ORCHESTRATOR_UNSET
