"""Which moves a command may make; every other one is refused."""

from collections.abc import Mapping

from app.runtime.types import CommandState

# A statement that gives up passes failed_terminal on its way to dead_lettered.
MOVES: Mapping[CommandState, frozenset[CommandState]] = {
    CommandState.HELD: frozenset({CommandState.QUEUED, CommandState.CANCELED}),
    CommandState.QUEUED: frozenset({CommandState.RUNNING, CommandState.CANCELED}),
    CommandState.RUNNING: frozenset(
        {
            CommandState.SUCCEEDED,
            CommandState.RETRY_SCHEDULED,
            CommandState.FAILED_TERMINAL,
            CommandState.CANCELED,
            CommandState.QUEUED,
        }
    ),
    CommandState.RETRY_SCHEDULED: frozenset({CommandState.QUEUED, CommandState.RUNNING, CommandState.CANCELED}),
    CommandState.SUCCEEDED: frozenset(),
    CommandState.FAILED_TERMINAL: frozenset({CommandState.DEAD_LETTERED}),
    CommandState.DEAD_LETTERED: frozenset({CommandState.REPLAY_REQUESTED}),
    CommandState.REPLAY_REQUESTED: frozenset({CommandState.QUEUED}),
    CommandState.CANCELED: frozenset(),
}


def may_move(state: CommandState, *, to: CommandState) -> bool:
    return to in MOVES[state]
