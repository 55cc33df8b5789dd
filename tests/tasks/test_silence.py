"""Which silent tasks are followed up, and in which order."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.tasks.rules.silence import ORDER, Quiet, chosen, silent
from app.tasks.types import TaskStatus

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
ACTIVE, BLOCKED = timedelta(minutes=15), timedelta(hours=24)


def quiet(number: int, status: TaskStatus, minutes: float, *askable: str) -> Quiet:
    return Quiet(id=UUID(int=number), status=status, sign=NOW - timedelta(minutes=minutes), askable=askable)


TASKS = st.lists(
    st.builds(
        quiet,
        st.integers(1, 1_000),
        st.sampled_from(TaskStatus),
        st.floats(0, 3_000),
        st.sampled_from(["a", "b"]),
    )
    | st.builds(quiet, st.integers(1, 1_000), st.sampled_from(TaskStatus), st.floats(0, 3_000)),
    unique_by=lambda one: one.id,
)


def picked(tasks, most):
    return chosen(silent(tasks, now=NOW, active=ACTIVE, blocked=BLOCKED), most=most)


def test_the_stalest_unfinished_work_comes_first_then_review_then_what_was_not_begun():
    tasks = [
        quiet(1, TaskStatus.ASSIGNED, 900, "a"),
        quiet(2, TaskStatus.REVIEW, 800, "a"),
        quiet(3, TaskStatus.IN_PROGRESS, 20, "a"),
        quiet(4, TaskStatus.IN_PROGRESS, 30, "a"),
        quiet(5, TaskStatus.BLOCKED, 9_000, "a"),
    ]
    assert [one.id.int for one in picked(tasks, 9)] == [4, 3, 2, 1]


def test_blocked_tasks_are_followed_up_after_a_day_and_only_if_nothing_else_is():
    blocked = [quiet(1, TaskStatus.BLOCKED, 1_441, "a"), quiet(2, TaskStatus.BLOCKED, 1_439, "a")]
    assert [one.id.int for one in picked(blocked, 3)] == [1]
    assert [one.id.int for one in picked([*blocked, quiet(3, TaskStatus.ASSIGNED, 16, "a")], 3)] == [3]
    assert [one.id.int for one in picked([*blocked, quiet(3, TaskStatus.ASSIGNED, 16)], 3)] == [1]


@given(TASKS, st.integers(-3, 10))
def test_no_budget_is_lost_on_tasks_that_are_not_silent_or_on_which_nobody_may_be_asked(tasks, most):
    found = picked(tasks, most)
    able = [one for one in tasks if one.askable and one.status in ORDER and NOW - one.sign >= ACTIVE]
    assert len(found) <= max(0, most)
    if able:
        assert len(found) == min(max(0, most), len(able))
        assert {one.id for one in found} <= {one.id for one in able}
    assert all(one.askable for one in found)


@given(TASKS)
def test_a_larger_budget_only_adds_to_the_end(tasks):
    assert picked(tasks, 2) == picked(tasks, 5)[:2]
