"""The one table of moves, and what an operator's hand may do with it."""

from hypothesis import given
from hypothesis import strategies as st

from app.runtime.rules.lifecycle import BY_HAND, MOVES, WAITING, Act, by_hand, may_move
from app.runtime.types import CommandState

states = st.sampled_from(list(CommandState))
holders = st.sampled_from(["approval", "operator", "pause:all:", "pause:queue:inbound"])


@given(states, states, holders)
def test_a_hand_never_makes_a_move_that_the_table_does_not_know(state, to, holder):
    held_by = holder if state is CommandState.HELD else None
    answer = by_hand(state, to=to, held_by=held_by)
    if answer.act in {Act.MOVE, Act.ASK} and state is not to:
        assert may_move(state, to=to)
    if answer.act is Act.MOVE:
        assert state in WAITING
        assert to in BY_HAND
    assert bool(answer.why) == (answer.act is Act.REFUSE)


@given(states, states)
def test_only_what_runs_is_asked_and_only_to_stop(state, to):
    is_asked = by_hand(state, to=to).act is Act.ASK
    assert is_asked == (state is CommandState.RUNNING and to is CommandState.CANCELED)


@given(states)
def test_whoever_waits_can_be_canceled_whatever_holds_it(state):
    for holder in ("approval", "operator", "pause:type:a.b"):
        act = by_hand(state, to=CommandState.CANCELED, held_by=holder if state is CommandState.HELD else None).act
        assert (act is Act.MOVE) == (state in WAITING)


def test_an_approvals_hold_is_only_its_voters_to_lift():
    for to in (CommandState.QUEUED, CommandState.HELD):
        assert by_hand(CommandState.HELD, to=to, held_by="approval").act is Act.REFUSE
        assert by_hand(CommandState.HELD, to=to, held_by="pause:all:").act is Act.MOVE


def test_what_is_so_already_is_left():
    assert by_hand(CommandState.CANCELED, to=CommandState.CANCELED).act is Act.LEAVE
    assert by_hand(CommandState.HELD, to=CommandState.HELD, held_by="operator").act is Act.LEAVE
    assert by_hand(CommandState.QUEUED, to=CommandState.QUEUED).act is Act.REFUSE


def test_every_state_is_reached_from_the_beginning():
    seen, next_ = set[CommandState](), {CommandState.HELD, CommandState.QUEUED}
    while next_:
        seen |= next_
        next_ = {to for state in next_ for to in MOVES[state]} - seen
    assert seen == set(CommandState)
