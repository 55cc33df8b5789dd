"""The life of commands as the contract tells it, written down once more and kept apart from the program."""

from dataclasses import dataclass, field
from typing import Any

ENDED = {"succeeded", "failed_terminal", "dead_lettered", "canceled"}
WAITING = {"queued", "retry_scheduled"}
ATTEMPTS = {"critical_path": 8, "standard_async": 5, "best_effort": 2, "manual_review": 2, "delivery": 3}
COUNTING = {
    "transient": {"critical_path", "standard_async", "best_effort", "delivery"},
    "rate_limited": {"critical_path", "standard_async", "manual_review"},
    "validation_failed": set[str](),
}
PATIENT = {"rate_limited": {"delivery"}}
OUTLIVES = {"critical_path", "standard_async", "manual_review", "delivery"}
DEATHS = 3


@dataclass(eq=False)
class Command:
    id: Any
    lane: int | None
    profile: str
    state: str = "queued"
    attempt: int = 0
    spent: int = 0
    lost: int = 0
    released: int = 0
    waited: int = 0
    is_unwanted: bool = False
    letter: str | None = None
    is_alarming: bool = False
    claim: Any = None
    stale: list[Any] = field(default_factory=list)

    @property
    def used(self) -> int:
        return self.attempt - self.spent - self.lost - self.released - self.waited

    def counts(self) -> tuple[object, ...]:
        return (self.state, self.attempt, self.spent, self.lost, self.released, self.waited)


class Model:
    """All commands, those of each lane in their order, and the lanes that wait for a verdict."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.lanes: dict[int, list[Command]] = {}
        self.halted: dict[int, Command] = {}

    def add(self, command: Command) -> None:
        self.commands.append(command)
        if command.lane is not None:
            self.lanes.setdefault(command.lane, []).append(command)

    def claimable(self) -> list[Command]:
        return [each for each in self.commands if each.lane is None and each.state in WAITING]

    def leasable(self) -> list[Command]:
        heads = (self.head(lane) for lane in self.lanes if lane not in self.halted)
        return [head for head in heads if head is not None and head.state in WAITING]

    def head(self, lane: int) -> Command | None:
        return next((each for each in self.lanes[lane] if each.state not in ENDED), None)

    def start(self, command: Command, claim: Any) -> None:
        command.state, command.attempt = "running", command.attempt + 1
        if command.claim is not None:
            command.stale.append(command.claim)
        command.claim = claim

    def succeed(self, command: Command) -> None:
        command.state = "succeeded"
        if command.letter == "replaying":
            command.letter, command.is_alarming = "resolved", False

    def fail(self, command: Command, error: str) -> None:
        if command.profile in PATIENT.get(error, set()):
            command.waited += 1
            self._again(command, "retry_scheduled")
        elif command.profile in COUNTING[error] and command.used < ATTEMPTS[command.profile]:
            self._again(command, "retry_scheduled")
        else:
            self._give_up(command)

    def lose(self, command: Command) -> None:
        command.lost += 1
        if command.profile in OUTLIVES and command.lost <= DEATHS:
            self._again(command, "retry_scheduled")
        else:
            self._give_up(command)

    def release(self, command: Command) -> None:
        command.released += 1
        self._again(command, "queued")

    def cancel(self, command: Command) -> bool:
        """Whether that is allowed."""
        if command.state == "running":
            command.is_unwanted = True
        elif command.state in WAITING | {"held"}:
            command.state = "canceled"
        return command.state in {"running", "canceled"}

    def stop(self, command: Command) -> None:
        command.state = "canceled"
        if command.letter == "replaying":
            command.letter, command.is_alarming = "discarded", False

    def hold(self, command: Command) -> bool:
        if command.state in WAITING:
            command.state = "held"
        return command.state == "held"

    def resume(self, command: Command) -> bool:
        was_held = command.state == "held"
        command.state = "queued" if was_held else command.state
        return was_held

    def replay(self, command: Command) -> None:
        command.state, command.spent, command.letter, command.is_unwanted = "queued", command.attempt, "replaying", False
        command.lost = command.released = command.waited = 0
        if command.lane is not None and self.halted.get(command.lane) is command:
            del self.halted[command.lane]
        elif command.lane is not None:
            self.lanes[command.lane].remove(command)
            self.lanes[command.lane].append(command)

    def discard(self, command: Command) -> None:
        command.letter, command.is_alarming = "discarded", False
        if command.lane is not None and self.halted.get(command.lane) is command:
            del self.halted[command.lane]

    def _again(self, command: Command, state: str) -> None:
        if command.is_unwanted:
            self.stop(command)
        else:
            command.state = state

    def _give_up(self, command: Command) -> None:
        if command.profile == "best_effort":
            command.state = "failed_terminal"
            return
        command.state, command.letter = "dead_lettered", "open"
        command.is_alarming = command.is_alarming or command.profile == "critical_path" or command.spent > 0
        if command.lane is not None and command.profile == "manual_review":
            self.halted[command.lane] = command
