"""What a task's wake-ups may cost: so many within an hour, so many runs that lead nowhere, and no ring of agents (ruling 45)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.kernel.types import ActorKind
from app.tasks.types import Chain, Guard, Link

WINDOW = timedelta(hours=1)
# So often may one agent be woken in a chain of causes that leads nowhere.
ROUNDS = 3
# So many times as deep as talk may go, moves are a status that goes to and fro: the task comes further in name only.
ENDLESS = 4
SKIPPED = "skipped"


class Admission(StrEnum):
    """`stuck` leaves it to the task: one that comes further waits for the next hour, one that does not is quarantined."""

    MADE = "made"
    STUCK = "stuck"
    STOPPED = "stopped"


def made(guard: Guard, *, now: datetime) -> int:
    """How many wake-ups the window that is open holds; it opens with its first one."""
    is_open = guard.wakes_since is not None and now - guard.wakes_since < WINDOW
    return guard.wakes if is_open else 0


def admit(guard: Guard, *, now: datetime, limit: int, is_talk: bool, is_endless: bool = False) -> Admission:
    """Whether one more wake-up fits; moves and assignments count but go on, so that nobody's turn is lost, unless endlessly."""
    if made(guard, now=now) < limit:
        return Admission.MADE
    if is_talk:
        return Admission.STUCK
    return Admission.STOPPED if is_endless else Admission.MADE


def count(guard: Guard, *, now: datetime) -> None:
    """One more wake-up was made."""
    before = made(guard, now=now)
    if before == 0:
        guard.wakes_since = now
    guard.wakes = before + 1


def credits_left(spent: int | None, *, full: int) -> int:
    """What is left now; an account that lowered the number lowers what is left."""
    return full if spent is None else min(spent, full)


def after_run(before: int | None, *, full: int, has_progress: bool, is_charged: bool) -> int:
    """What is left after a run: progress gives everything back, and a run that leads nowhere takes one where it is charged."""
    if has_progress:
        return full
    return max(0, credits_left(before, full=full) - is_charged)


def is_charged(run: UUID, *, spent_for: UUID | None) -> bool:
    """Whether the consequences of this run of an agent have not cost a credit yet: ids grow with time."""
    return spent_for is None or run > spent_for


def goes_round(chain: Chain, recipient_id: UUID) -> bool:
    """Whether the agent was woken too often in this chain since the task last came further."""
    return sum(link.recipient_id == recipient_id for link in _fruitless(chain)) >= ROUNDS


def leads_nowhere(chain: Chain) -> bool:
    """Whether the task came no further since this chain began."""
    woken = _woken(chain.links)
    return bool(woken) and _fruitless(chain) == woken


def _fruitless(chain: Chain) -> list[Link]:
    return [link for link in _woken(chain.links) if link.seq is not None and link.seq > chain.progress]


def _woken(links: Sequence[Link]) -> list[Link]:
    """What agents and the board led to; a person's act is where a chain begins."""
    return [link for link in links if link.state != SKIPPED and link.actor_kind is not ActorKind.PERSON]
