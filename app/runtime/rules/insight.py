"""What the numbers of the runtime are held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    OK = "ok"
    BREACH = "breach"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A number with the bound that it has to keep; `is_floor` says on which side."""

    name: str
    unit: str
    bound: float
    is_floor: bool
    meaning: str


OBJECTIVES = (
    Objective(name="reliability", unit="%", bound=99, is_floor=True, meaning="succeeded of those that succeeded or failed"),
    Objective(name="trace_coverage", unit="%", bound=100, is_floor=True, meaning="ended commands whose every step is in the log"),
    Objective(name="replay_success", unit="%", bound=95, is_floor=True, meaning="dead letters resolved of those replayed"),
    Objective(name="backlog_age", unit="s", bound=60, is_floor=False, meaning="how long the oldest due command has waited"),
    Objective(name="dead_letter_rate", unit="%", bound=1, is_floor=False, meaning="dead letters opened per ended command"),
    Objective(name="critical_alerts", unit="", bound=0, is_floor=False, meaning="open alerts of severity critical"),
)
# How much better a number should be than at its baseline.
IMPROVEMENTS: Mapping[str, float] = {"mttr_seconds": 0.5, "reprocessing": 0.4}


def standing(objective: Objective, value: float | None) -> Standing:
    if value is None:
        return Standing.NO_DATA
    keeps = value >= objective.bound if objective.is_floor else value <= objective.bound
    return Standing.OK if keeps else Standing.BREACH


def share(part: float, whole: float) -> float | None:
    """In percent; None where there is nothing to share."""
    return 100.0 * part / whole if whole else None


def reprocessing(*, attempts: int, commands: int) -> float | None:
    """Attempts beyond the first, in percent of the commands."""
    return share(attempts - commands, commands)


def improvement(name: str, *, before: float | None, now: float | None) -> tuple[float | None, bool | None]:
    """By which part of the baseline a number fell, and whether that is as much as is wanted."""
    if before is None or now is None or before <= 0:
        return None, None
    fallen = (before - now) / before
    wanted = IMPROVEMENTS.get(name)
    return fallen, None if wanted is None else fallen >= wanted
