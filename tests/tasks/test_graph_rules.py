"""The rules of the graph against a naive model of it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.rules.graph import (
    CHILDREN_MOST,
    DEPENDENTS_MOST,
    Effect,
    End,
    LinkProblem,
    Turn,
    Waiting,
    adoptable,
    cycle,
    dependable,
    effect,
    freed,
    has_started,
    turn,
)
from app.tasks.types import TaskStatus

CLOSED = {TaskStatus.DONE, TaskStatus.ARCHIVED}
NAMES = [UUID(int=number) for number in range(7)]
nodes = st.sampled_from(NAMES)
graphs = st.sets(st.tuples(nodes, nodes), max_size=14)


def ways(edges: set[tuple[UUID, UUID]], start: UUID, *, goal: UUID, steps: int) -> set[tuple[UUID, ...]]:
    """Every way of so many steps at most, found by walking all of them."""
    found: set[tuple[UUID, ...]] = set()
    ahead: list[tuple[UUID, ...]] = [(start,)]
    for _ in range(steps):
        ahead = [(*way, target) for way in ahead for source, target in edges if source == way[-1]]
        found |= {way for way in ahead if way[-1] == goal}
        ahead = [way for way in ahead if len(set(way)) == len(way)]
    return found


@given(graphs, nodes)
def test_a_cycle_is_found_exactly_where_there_is_one_and_by_its_shortest_way(edges, start):
    every = ways(edges, start, goal=start, steps=len(NAMES))
    found = cycle(edges, start)
    assert bool(found) == bool(every)
    if found:
        assert found in every
        assert len(found) == min(map(len, every))


@dataclass
class Model:
    """A small board: who depends on whom, whose sub-task is whose, and what is done."""

    status: dict[UUID, TaskStatus]
    was_done: dict[UUID, bool]
    depends: set[tuple[UUID, UUID]] = field(default_factory=set)
    parent: dict[UUID, UUID] = field(default_factory=dict)

    def is_done(self, one: UUID) -> bool:
        return self.status[one] is TaskStatus.DONE or (self.status[one] is TaskStatus.ARCHIVED and self.was_done[one])

    def open_dependencies(self, one: UUID) -> int:
        return sum(1 for source, target in self.depends if source == one and not self.is_done(target))

    def open_children(self, one: UUID) -> int:
        return sum(1 for child, parent in self.parent.items() if parent == one and self.status[child] not in CLOSED)


@st.composite
def models(draw):
    """Acyclic by construction: only a later task waits for an earlier one; done parents have no open children."""
    status = {one: draw(st.sampled_from(TaskStatus)) for one in NAMES}
    model = Model(status, {one: draw(st.booleans()) for one in NAMES})
    model.depends = {(a, b) for a, b in draw(graphs) if a.int > b.int}
    for child in NAMES[:-1]:
        parent = draw(st.sampled_from([None, *NAMES[child.int + 1 :]]))
        if parent is not None and not (status[parent] in CLOSED and status[child] not in CLOSED):
            model.parent[child] = parent
    return model


MOVES = {
    Turn.FINISHED: ({TaskStatus.REVIEW}, TaskStatus.DONE),
    Turn.DROPPED: (set(TaskStatus) - CLOSED, TaskStatus.ARCHIVED),
    Turn.REOPENED: ({TaskStatus.DONE, TaskStatus.ARCHIVED}, TaskStatus.REVIEW),
    Turn.RESTORED: ({TaskStatus.ARCHIVED}, TaskStatus.INBOX),
}


@given(models(), nodes, st.sampled_from(sorted(MOVES)))
def test_what_a_turn_comes_to_is_what_the_model_sees_before_and_after(model, mover, happened: Turn):
    starts, goal = MOVES[happened]
    was_done = model.is_done(mover)
    if model.status[mover] not in starts or turn(start=model.status[mover], goal=goal, was_done=was_done) is not happened:
        return
    waiters = [one for one in NAMES if (one, mover) in model.depends or model.parent.get(mover) == one]
    before = {one: (model.open_dependencies(one), model.open_children(one)) for one in waiters}
    model.status[mover], model.was_done[mover] = goal, was_done
    for one in waiters:
        facts = Waiting(
            status=model.status[one],
            depends=(one, mover) in model.depends,
            is_parent=model.parent.get(mover) == one,
            open_dependencies=model.open_dependencies(one),
            open_children=model.open_children(one),
        )
        check(effect(happened, facts), happened, facts, before[one])


def check(outcome: Effect, happened: Turn, facts: Waiting, before: tuple[int, int]) -> None:
    is_open = facts.status not in CLOSED
    can_start_now = is_open and before[0] > 0 and facts.open_dependencies == 0
    if happened in (Turn.FINISHED, Turn.DROPPED):
        # Nobody is told twice, and nobody of what is not theirs to go on with.
        assert (outcome is Effect.READY) == (can_start_now and facts.status is not TaskStatus.REVIEW)
        last_child = is_open and before[1] > 0 and facts.open_children == 0
        if outcome is Effect.CHILDREN_CLOSED:
            assert last_child
        if last_child and facts.open_dependencies == 0:
            assert outcome in (Effect.READY, Effect.CHILDREN_CLOSED, Effect.STRANDED)
        assert (outcome is Effect.STRANDED) == (happened is Turn.DROPPED and facts.depends and is_open)
    else:
        # An open sub-task never comes to lie under a closed parent.
        assert (outcome is Effect.REFUSED) == (facts.is_parent and not is_open)
        assert outcome in (Effect.REFUSED, Effect.DELAYED, Effect.NONE)
        if happened is Turn.RESTORED:
            assert outcome is not Effect.DELAYED


@pytest.mark.parametrize(
    ("start", "goal", "was_done", "expected"),
    [
        ("review", "done", False, Turn.FINISHED),
        ("done", "archived", True, None),
        ("inbox", "archived", False, Turn.DROPPED),
        ("blocked", "archived", False, Turn.DROPPED),
        ("done", "review", True, Turn.REOPENED),
        ("archived", "assigned", True, Turn.REOPENED),
        ("archived", "inbox", False, Turn.RESTORED),
        ("in_progress", "review", False, None),
        ("assigned", "in_progress", False, None),
    ],
)
def test_only_the_ends_of_a_task_turn_those_that_wait_for_it(start, goal, was_done, expected):
    assert turn(start=TaskStatus(start), goal=TaskStatus(goal), was_done=was_done) is expected


@given(st.sampled_from(TaskStatus), st.integers(0, 3), st.integers(0, 3))
def test_a_task_is_freed_once_and_only_where_somebody_would_go_on(status, before, after):
    goes_on = status not in (*CLOSED, TaskStatus.REVIEW)
    assert freed(status, before=before, after=after) == (before > 0 and after == 0 and goes_on)


def test_a_task_has_started_once_it_left_the_inbox_and_its_assignees_began():
    assert [status for status in TaskStatus if not has_started(status)] == [TaskStatus.INBOX, TaskStatus.ASSIGNED]


def end(**fields):
    given: dict[str, Any] = {
        "id": NAMES[0],
        "title": "A",
        "status": TaskStatus.INBOX,
        "is_done": False,
        "dependents": 0,
        "children": 0,
    }
    return End(**given | fields)


@given(st.sampled_from(TaskStatus), st.sampled_from(TaskStatus), st.booleans(), st.integers(0, 2 * DEPENDENTS_MOST))
def test_a_closed_task_waits_for_nothing_new_and_nobody_for_what_never_comes(status, other, was_done, dependents):
    is_done = other is TaskStatus.DONE or (other is TaskStatus.ARCHIVED and was_done)
    found = dependable(status, end(status=other, is_done=is_done, dependents=dependents))
    if status in CLOSED:
        assert found is LinkProblem.CLOSED
    elif other is TaskStatus.ARCHIVED and not was_done:
        assert found is LinkProblem.NEVER_DONE
    else:
        assert found is (LinkProblem.DEPENDENTS if dependents >= DEPENDENTS_MOST else None)


@given(st.sampled_from(TaskStatus), st.sampled_from(TaskStatus), st.integers(0, 2 * CHILDREN_MOST))
def test_an_open_task_is_adopted_by_open_ones_only_and_by_no_more_than_may_be(status, parent, children):
    found = adoptable(status, end(status=parent, children=children))
    if status not in CLOSED and parent in CLOSED:
        assert found is LinkProblem.PARENT_CLOSED
    else:
        assert found is (LinkProblem.CHILDREN if children >= CHILDREN_MOST else None)
