"""Which moves a command may make, and what an operator's wish comes to; every other move is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.runtime.types import CommandState, HeldBy

# A statement that gives up passes failed_terminal on its way to dead_lettered.
MOVES: Mapping[CommandState, frozenset[CommandState]] = {
    CommandState.HELD: frozenset({CommandState.QUEUED, CommandState.CANCELED}),
    CommandState.QUEUED: frozenset({CommandState.RUNNING, CommandState.HELD, CommandState.CANCELED}),
    CommandState.RUNNING: frozenset(
        {
            CommandState.SUCCEEDED,
            CommandState.RETRY_SCHEDULED,
            CommandState.FAILED_TERMINAL,
            CommandState.CANCELED,
            CommandState.QUEUED,
        }
    ),
    CommandState.RETRY_SCHEDULED: frozenset(
        {CommandState.QUEUED, CommandState.RUNNING, CommandState.HELD, CommandState.CANCELED}
    ),
    CommandState.SUCCEEDED: frozenset(),
    CommandState.FAILED_TERMINAL: frozenset({CommandState.DEAD_LETTERED}),
    CommandState.DEAD_LETTERED: frozenset({CommandState.REPLAY_REQUESTED}),
    CommandState.REPLAY_REQUESTED: frozenset({CommandState.QUEUED}),
    CommandState.CANCELED: frozenset(),
}
# What a hand may move, and where; every other move the runtime makes itself, or a replay does.
WAITING = frozenset({CommandState.HELD, CommandState.QUEUED, CommandState.RETRY_SCHEDULED})
BY_HAND = frozenset({CommandState.HELD, CommandState.QUEUED, CommandState.CANCELED})


class Act(StrEnum):
    """What is done about an operator's wish: move the command, ask the worker that runs it, leave it, or refuse."""

    MOVE = "move"
    ASK = "ask"
    LEAVE = "leave"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Answer:
    act: Act
    why: str = ""


def may_move(state: CommandState, *, to: CommandState) -> bool:
    return to in MOVES[state]


def by_hand(state: CommandState, *, to: CommandState, held_by: str | None = None) -> Answer:
    """What becomes of an operator's wish to see a command in the state `to`.

    Who runs is asked to stop; an approval's hold is only its voters' to lift; a pause's hold may pass to the operator.
    """
    if state is to and (to is CommandState.CANCELED or held_by == HeldBy.OPERATOR):
        return Answer(Act.LEAVE)
    obstacle = _obstacle(state, to=to, held_by=held_by)
    if obstacle is not None:
        return Answer(Act.REFUSE, obstacle)
    return Answer(Act.ASK if state is CommandState.RUNNING else Act.MOVE)


def _obstacle(state: CommandState, *, to: CommandState, held_by: str | None) -> str | None:
    if held_by == HeldBy.APPROVAL and to is not CommandState.CANCELED:
        return "it waits for an approval, which people grant or deny"
    changes_hands = state is CommandState.HELD and to is CommandState.HELD
    if not changes_hands and not may_move(state, to=to):
        return f"a command does not go from {state} to {to}"
    is_asked = state is CommandState.RUNNING and to is CommandState.CANCELED
    if not is_asked and (to not in BY_HAND or state not in WAITING):
        return f"the move from {state} to {to} is not made by hand"
    return None
