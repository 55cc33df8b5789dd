"""When an agent is woken by the clock: its own times, spread over the crew, and the pauses while nothing changes for it.

When one that gives no sign counts as gone.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from app.agents.types import Look, WakeOutcome

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# A wake-up is at most so much late, and never by more than this part of its interval.
JITTER_MOST, JITTER_SHARE = 60, 15
LONGEST_PAUSE = timedelta(hours=4)
DOUBLINGS_MOST = 16
# Before that, signs may come late or get lost.
SIGNS_MISSED = 3


def slot(account_slug: str, slug: str, minutes: int, *, after: datetime) -> datetime:
    """The agent's first time after an instant: one in each interval, from a place of its own, each with a jitter of its own."""
    name = f"{account_slug}/{slug}"
    step = minutes * 60
    start = _drawn(name, "place", step)
    number = int(((after - EPOCH).total_seconds() - start) // step)
    this, following = (_at(name, start, step, each) for each in (number, number + 1))
    return this if this > after else following


def _at(name: str, start: int, step: int, number: int) -> datetime:
    jitter = _drawn(name, str(number), min(JITTER_MOST, step // JITTER_SHARE))
    return EPOCH + timedelta(seconds=start + number * step + jitter)


def _drawn(name: str, about: str, below: int) -> int:
    """The same number at each asking and on each board, so that neither a restart nor a restored copy moves anybody."""
    digest = blake2b(f"{name} {about}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % below


def at_least(minutes: int) -> timedelta:
    """The least time between two of an agent's own times."""
    return timedelta(seconds=minutes * 60 - min(JITTER_MOST, minutes * 60 // JITTER_SHARE))


def pause(minutes: int, pauses: int) -> timedelta:
    """How long after a wake-up the same things are shown again, when that was so `pauses` times already.

    In whole intervals, the first time two and at last as many as make four hours.
    """
    own = timedelta(minutes=minutes)
    most = -(-LONGEST_PAUSE // own)
    return own * min(most, 1 << min(pauses, DOUBLINGS_MOST) + 1)


def look(
    marks: Mapping[UUID, str],
    *,
    shown: Mapping[UUID, str],
    pauses: int,
    woken_at: datetime | None,
    minutes: int,
    now: datetime,
) -> Look:
    """Whether there is anything for the agent: `marks` say of each task that it may move what it is like now.

    What it was not shown like that wakes it, once in each interval; otherwise the pauses between wake-ups double until something
    changes.
    """
    if not marks:
        return Look(outcome=WakeOutcome.NOTHING_TO_DO, pauses=pauses)
    fresh = frozenset(task_id for task_id, mark in marks.items() if shown.get(task_id) != mark)
    if woken_at is None:
        return Look(outcome=WakeOutcome.WOKEN, fresh=fresh, pauses=0)
    if fresh:
        until = woken_at + at_least(minutes)
        is_due = now >= until
        return Look(outcome=WakeOutcome.WOKEN, fresh=fresh, pauses=0) if is_due else _not_yet(WakeOutcome.TOO_SOON, until, pauses)
    until = woken_at + pause(minutes, pauses)
    # Its times jitter: one that comes a little early is not put off by a whole interval.
    if now + timedelta(minutes=minutes) / 2 < until:
        return _not_yet(WakeOutcome.UNCHANGED, until, pauses)
    return Look(outcome=WakeOutcome.WOKEN, pauses=min(pauses + 1, DOUBLINGS_MOST))


def _not_yet(outcome: WakeOutcome, until: datetime, pauses: int) -> Look:
    return Look(outcome=outcome, until=until, pauses=pauses)


def remembered(marks: Mapping[UUID, str], *, shown: Mapping[UUID, str], listed: Collection[UUID]) -> dict[UUID, str]:
    """What the agent has been shown, once it is shown those that are listed; what it may not move is forgotten."""
    return {task_id: mark for task_id, mark in marks.items() if task_id in listed or shown.get(task_id) == mark}


def is_silent(unseen: float, *, longest: int, interval: int | None) -> bool:
    """Whether so many seconds without a sign are too many for an agent that gives one in every `interval`."""
    return unseen > max(longest, SIGNS_MISSED * (interval or 0))
