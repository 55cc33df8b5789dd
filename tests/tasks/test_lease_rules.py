"""The rules of leases against what their sentences say."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import ActorKind
from app.tasks.rules import leases as rules
from app.tasks.types import Card, Claim, Illegal, Kept, LeaseKind, LeaseProblem, LeaseRefusal, TaskStatus

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ME, OTHER = UUID(int=1), UUID(int=2)
CLOSED = {TaskStatus.DONE, TaskStatus.ARCHIVED, TaskStatus.BLOCKED}


def card(status: TaskStatus, *, fence: int, holder: UUID | None, kind: LeaseKind, left: int) -> Card:
    return Card(
        id=UUID(int=9),
        title="T",
        description="",
        status=status,
        priority=3,
        labels=(),
        due_at=None,
        blocked_reason=None,
        version=1,
        is_coordination=False,
        parent_id=None,
        lease_agent_id=holder,
        lease_kind=kind if holder else None,
        lease_fence=fence,
        lease_until=NOW + timedelta(microseconds=left) if holder else None,
        created_by_kind=ActorKind.PERSON,
        created_by_id=None,
        created_at=NOW,
        updated_at=NOW,
        last_message_at=None,
        completed_at=None,
        archived_at=None,
    )


cards = st.builds(
    card,
    st.sampled_from(TaskStatus),
    fence=st.integers(0, 3),
    holder=st.sampled_from([None, ME, OTHER]),
    kind=st.sampled_from(LeaseKind),
    left=st.integers(-2, 2),
)
fences = st.none() | st.integers(0, 3)


def holder(one: Card) -> UUID | None:
    """Who holds it at this moment, read off the card alone."""
    return one.lease_agent_id if one.lease_until and one.lease_until > NOW else None


def refusal(one: Card, *, is_worker: bool, fence: int | None) -> LeaseRefusal | None:
    return rules.refusal(one, now=NOW, caller=ME, is_worker=is_worker, fence=fence)


def problem(one: Card, *, is_worker: bool, fence: int | None) -> LeaseProblem | None:
    found = refusal(one, is_worker=is_worker, fence=fence)
    return found.problem if found else None


@given(cards)
def test_a_lease_lasts_up_to_its_end_and_not_at_it(one):
    assert rules.is_held(one, now=NOW) == (holder(one) is not None)


@given(cards, st.booleans(), st.integers(0, 3))
def test_a_fence_that_is_shown_is_the_holders_newest_or_lost(one, is_worker, fence):
    is_good = holder(one) == ME and one.lease_fence == fence
    assert problem(one, is_worker=is_worker, fence=fence) == (None if is_good else LeaseProblem.LOST)


@given(cards)
def test_who_directs_the_work_writes_without_a_fence_unless_it_works_on_it(one):
    works = holder(one) == ME and one.lease_kind is LeaseKind.WORK
    assert problem(one, is_worker=False, fence=None) == (LeaseProblem.REQUIRED if works else None)


@given(cards)
def test_a_worker_without_a_fence_never_writes_on_work_in_progress(one):
    found = problem(one, is_worker=True, fence=None)
    if holder(one) == OTHER:
        assert found is LeaseProblem.HELD
    elif holder(one) == ME:
        assert found == (LeaseProblem.REQUIRED if one.lease_kind is LeaseKind.WORK else None)
    else:
        assert found == (LeaseProblem.REQUIRED if one.status is TaskStatus.IN_PROGRESS else None)


@given(cards, st.booleans(), fences)
def test_a_refusal_names_who_holds_the_task_now_and_nobody_else(one, is_worker, fence):
    found = refusal(one, is_worker=is_worker, fence=fence)
    if found is not None:
        assert found.holder == holder(one)
        assert found.until == (one.lease_until if holder(one) else None)
    assert rules.lost(one, now=NOW).holder == holder(one)


@given(cards, st.integers(0, 4), st.integers(1, 4))
def test_a_claim_is_a_new_lease_only_on_what_nobody_holds_below_capacity(one, many, capacity):
    others = [UUID(int=100 + number) for number in range(many)]
    found = rules.claim(one, now=NOW, caller=ME, held=others, capacity=capacity)
    if holder(one) == ME:
        assert found == Kept()
    elif holder(one) == OTHER:
        assert isinstance(found, LeaseRefusal)
        assert (found.problem, found.holder) == (LeaseProblem.HELD, OTHER)
    elif one.status in CLOSED:
        assert isinstance(found, Illegal)
    elif many >= capacity:
        assert found == LeaseRefusal(problem=LeaseProblem.CAPACITY, held=tuple(others), capacity=capacity)
    else:
        assert isinstance(found, Claim)
        assert (found.kind is LeaseKind.REVIEW) == (one.status is TaskStatus.REVIEW)
        assert found.starts == (one.status in {TaskStatus.INBOX, TaskStatus.ASSIGNED})


@given(st.sampled_from(["assignee", "reviewer", "orchestrator", "close.reviewers", "role.member"]), st.booleans())
def test_only_an_assignee_that_does_not_lead_writes_as_a_worker(rule, leads):
    assert rules.is_worker(rule, leads=leads) == (rule == "assignee" and not leads)
