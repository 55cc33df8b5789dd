from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.rules import MOVES, SYSTEM_MOVES, after_assignment, allowed, birth, move, reopen, restore
from app.tasks.types import (
    Birth,
    Closed,
    Illegal,
    Missing,
    Move,
    Requirement,
    TaskStatus,
)

INBOX, ASSIGNED, IN_PROGRESS, REVIEW, DONE, BLOCKED, ARCHIVED = TaskStatus
STARTED = {ASSIGNED, IN_PROGRESS}

# Columns: inbox assigned in_progress review done blocked archived
TABLE = """
inbox       . x . . . . x
assigned    x . x . . x x
in_progress . . . x . x x
review      . . x . x x x
done        . . . . . . x
blocked     . x x . . . x
archived    . . . . . . .
"""
LEGAL = {
    (TaskStatus(start), goal)
    for start, *marks in map(str.split, TABLE.strip().splitlines())
    for goal, mark in zip(TaskStatus, marks, strict=True)
    if mark == "x"
}

statuses = st.sampled_from(TaskStatus)
counts = st.integers(0, 3)
reasons = st.sampled_from((None, "", "   ", "\n\t", "waits for the key"))


def goes(start, goal):
    return move(start=start, goal=goal, assignees=0 if goal is INBOX else 1, blocked_reason="waits")


@pytest.mark.parametrize(("start", "goal"), list(product(TaskStatus, repeat=2)))
def test_the_seven_by_seven_moves_are_the_table(start, goal):
    result = goes(start, goal)
    if (start, goal) in LEGAL:
        assert result == Move(start=start, goal=goal, clears_reason=start is BLOCKED)
    else:
        assert result == Illegal(start=start, goal=goal, allowed=allowed(start))
    assert (goal in allowed(start)) == ((start, goal) in LEGAL)


def test_only_a_task_in_review_becomes_done():
    assert [start for start in TaskStatus if isinstance(goes(start, DONE), Move)] == [REVIEW]


def test_what_the_board_moves_itself_stands_beside_the_table():
    assert {(start, goal) for start, goals in SYSTEM_MOVES.items() for goal in goals} == {
        (ASSIGNED, INBOX),
        (IN_PROGRESS, INBOX),
        (IN_PROGRESS, ASSIGNED),
    }


@pytest.mark.parametrize(
    ("start", "goal", "assignees", "reason", "requirement"),
    [
        (INBOX, ASSIGNED, 0, None, Requirement.ASSIGNEE),
        (ASSIGNED, IN_PROGRESS, 0, None, Requirement.ASSIGNEE),
        (BLOCKED, IN_PROGRESS, 0, "x", Requirement.ASSIGNEE),
        (REVIEW, IN_PROGRESS, 0, "x", Requirement.ASSIGNEE),
        (ASSIGNED, INBOX, 1, None, Requirement.NO_ASSIGNEE),
        (IN_PROGRESS, BLOCKED, 1, None, Requirement.BLOCKED_REASON),
        (IN_PROGRESS, BLOCKED, 1, "", Requirement.BLOCKED_REASON),
        (REVIEW, BLOCKED, 0, " \n\t", Requirement.BLOCKED_REASON),
    ],
)
def test_a_state_names_what_it_lacks(start, goal, assignees, reason, requirement):
    result = move(start=start, goal=goal, assignees=assignees, blocked_reason=reason)
    assert isinstance(result, Missing)
    assert result.requirement is requirement
    assert result.detail


def holds(status, *, assignees, reason):
    """The requirements of a state, said a second time."""
    owned = assignees > 0 if status in STARTED else True
    unowned = assignees == 0 if status is INBOX else True
    return owned and unowned and (status is not BLOCKED or bool((reason or "").strip()))


@given(statuses, statuses, counts, reasons)
def test_every_answer_is_a_value_and_the_table_speaks_before_the_requirement(start, goal, assignees, reason):
    result = move(start=start, goal=goal, assignees=assignees, blocked_reason=reason)
    if (start, goal) not in LEGAL:
        assert isinstance(result, Illegal)
    else:
        assert isinstance(result, Move if holds(goal, assignees=assignees, reason=reason) else Missing)


@given(statuses, statuses)
def test_the_reason_is_cleared_exactly_on_leaving_blocked(start, goal):
    result = goes(start, goal)
    assert not isinstance(result, Move) or result.clears_reason == (start is BLOCKED)


@pytest.mark.parametrize(
    ("status", "before", "after", "starter_removed", "expected"),
    [
        (INBOX, 0, 1, False, ASSIGNED),
        (INBOX, 0, 0, False, INBOX),
        (ASSIGNED, 1, 0, False, INBOX),
        (ASSIGNED, 1, 2, False, ASSIGNED),
        (ASSIGNED, 2, 1, True, ASSIGNED),
        (IN_PROGRESS, 1, 0, True, INBOX),
        (IN_PROGRESS, 2, 1, True, ASSIGNED),
        (IN_PROGRESS, 1, 1, True, ASSIGNED),
        (IN_PROGRESS, 2, 1, False, IN_PROGRESS),
        (REVIEW, 1, 0, True, REVIEW),
        (REVIEW, 0, 1, False, REVIEW),
        (BLOCKED, 1, 0, True, BLOCKED),
        (DONE, 1, 0, True, Closed(status=DONE)),
        (DONE, 0, 1, False, Closed(status=DONE)),
        (ARCHIVED, 0, 1, False, Closed(status=ARCHIVED)),
    ],
)
def test_where_a_card_stands_after_its_assignees_changed(status, before, after, starter_removed, expected):
    assert after_assignment(status=status, before=before, after=after, starter_removed=starter_removed) == expected


@given(statuses, counts, counts, st.booleans())
def test_a_change_of_assignees_starts_nothing_and_keeps_the_requirements(status, before, after, starter_removed):
    result = after_assignment(status=status, before=before, after=after, starter_removed=starter_removed)
    if isinstance(result, Closed):
        assert status in (DONE, ARCHIVED)
        return
    system = result in SYSTEM_MOVES.get(status, ())
    assert result is status or system or (status, result) == (INBOX, ASSIGNED)
    if holds(status, assignees=before, reason="x"):
        assert holds(result, assignees=after, reason="x")


def born(wanted, **facts):
    return birth(wanted=wanted, **{**PERSON, "creator_named": False, "assignees": 0, "blocked_reason": None, **facts})


PERSON = {"creator_is_agent": False, "creator_is_orchestrator": False}
AGENT = {"creator_is_agent": True, "creator_is_orchestrator": False}
LEADER = {"creator_is_agent": True, "creator_is_orchestrator": True}
SELF = {"creator_named": True}


@pytest.mark.parametrize(
    ("wanted", "facts", "expected"),
    [
        (None, {}, Birth(status=INBOX)),
        (None, {"assignees": 2}, Birth(status=ASSIGNED)),
        (INBOX, {"assignees": 1}, Birth(status=ASSIGNED)),
        (INBOX, AGENT, Birth(status=INBOX)),
        (ASSIGNED, {"assignees": 1}, Birth(status=ASSIGNED)),
        (ASSIGNED, {}, Requirement.ASSIGNEE),
        (IN_PROGRESS, {}, Requirement.ASSIGNEE),
        (ASSIGNED, AGENT, Birth(status=ASSIGNED, assign_creator=True)),
        (IN_PROGRESS, AGENT, Birth(status=IN_PROGRESS, assign_creator=True)),
        (IN_PROGRESS, {**AGENT, **SELF, "assignees": 1}, Birth(status=IN_PROGRESS)),
        (IN_PROGRESS, {**SELF, "assignees": 1}, Birth(status=IN_PROGRESS)),
        (IN_PROGRESS, {**AGENT, "assignees": 1}, Illegal),
        (IN_PROGRESS, {"assignees": 1}, Illegal),
        (BLOCKED, {}, Requirement.BLOCKED_REASON),
        (BLOCKED, {"blocked_reason": " "}, Requirement.BLOCKED_REASON),
        (BLOCKED, {"blocked_reason": "waits", "assignees": 1}, Birth(status=BLOCKED)),
        (BLOCKED, {**LEADER, **SELF, "blocked_reason": "waits", "assignees": 1}, Birth(status=BLOCKED, drop_creator=True)),
        (ASSIGNED, LEADER, Birth(status=INBOX)),
        (IN_PROGRESS, LEADER, Birth(status=INBOX)),
        (ASSIGNED, {**LEADER, **SELF, "assignees": 1}, Birth(status=INBOX, drop_creator=True)),
        (ASSIGNED, {**LEADER, **SELF, "assignees": 2}, Birth(status=ASSIGNED, drop_creator=True)),
        (IN_PROGRESS, {**LEADER, "assignees": 1}, Birth(status=ASSIGNED)),
        (REVIEW, LEADER, Illegal),
        (DONE, {"assignees": 1}, Illegal),
        (ARCHIVED, AGENT, Illegal),
    ],
)
def test_how_a_card_is_born(wanted, facts, expected):
    result = born(wanted, **facts)
    if isinstance(expected, Birth):
        assert result == expected
    elif isinstance(expected, Requirement):
        assert isinstance(result, Missing)
        assert result.requirement is expected
    else:
        assert isinstance(result, expected)
        assert result.start is None
        assert wanted not in result.allowed


@st.composite
def creations(draw):
    named = draw(st.booleans())
    return {
        "wanted": draw(st.none() | statuses),
        **draw(
            st.sampled_from(
                (
                    {"creator_is_agent": False, "creator_is_orchestrator": False},
                    {**AGENT, "creator_is_orchestrator": False},
                    LEADER,
                )
            )
        ),
        "creator_named": named,
        "assignees": draw(counts) + named,
        "blocked_reason": draw(reasons),
    }


@given(creations())
def test_no_card_is_born_in_review_done_or_archived_nor_against_its_requirements(facts):
    result = birth(**facts)
    if isinstance(result, Birth):
        assert result.status in {INBOX, ASSIGNED, IN_PROGRESS, BLOCKED}
        final = facts["assignees"] + result.assign_creator - result.drop_creator
        assert holds(result.status, assignees=final, reason=facts["blocked_reason"])


@given(creations())
def test_a_birth_puts_nobody_but_its_creator_to_work_and_never_the_orchestrator(facts):
    result = birth(**facts)
    if isinstance(result, Birth):
        executes = (facts["creator_named"] or result.assign_creator) and not result.drop_creator
        assert result.status is not IN_PROGRESS or executes
        assert not (facts["creator_is_orchestrator"] and executes)


@pytest.mark.parametrize("status", TaskStatus)
def test_reopen_leads_from_done_to_review_and_nowhere_else(status):
    expected = Move(start=DONE, goal=REVIEW) if status is DONE else Illegal(start=status, goal=REVIEW, allowed=MOVES[status])
    assert reopen(status) == expected


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize(("assignees", "goal"), [(0, INBOX), (2, ASSIGNED)])
def test_restore_leads_from_the_archive_to_where_the_assignees_say(status, assignees, goal):
    result = restore(status, assignees=assignees)
    assert result == (
        Move(start=ARCHIVED, goal=goal) if status is ARCHIVED else Illegal(start=status, goal=goal, allowed=MOVES[status])
    )
