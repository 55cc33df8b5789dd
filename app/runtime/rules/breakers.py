"""A breaker: closed, open after many failures, half open while one call probes, and closed again when that succeeds."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.runtime.types import BreakerState, ErrorClass

# What says that a dependency is ill; a refusal says that it lives, and what this side broke off says nothing.
ILLNESS = frozenset({ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT, ErrorClass.RATE_LIMITED})
# A probe mostly ends long before the latest moment that it may end at.
PROBE_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What is known of a dependency; `retry_at` is the end of an open breaker, and the latest end of a half-open one's probe."""

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    first_failure_at: datetime | None = None
    opened_at: datetime | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """So many failures within so many seconds open a breaker, for as many seconds."""

    failures: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Pass:
    """Call."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Call, as the only one, if no other call takes the probe first."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not call before so many seconds have passed."""

    retry_after: float


Admission = Pass | Probe | Refuse


def admit(breaker: Breaker, *, now: datetime) -> Admission:
    if breaker.state is BreakerState.CLOSED:
        return Pass()
    left = 0.0 if breaker.retry_at is None else (breaker.retry_at - now).total_seconds()
    if left <= 0:
        # A probe that never came back is replaced too.
        return Probe()
    return Refuse(left if breaker.state is BreakerState.OPEN else min(left, PROBE_AGAIN_SECONDS))


def probing(breaker: Breaker, *, now: datetime, timeout: float) -> Breaker:
    """Half open, while a call that ends within `timeout` finds out."""
    return replace(breaker, state=BreakerState.HALF_OPEN, retry_at=now + timedelta(seconds=timeout))


def failed(breaker: Breaker, *, now: datetime, limits: Limits, is_probe: bool) -> Breaker:
    """After a failure; one that began before the breaker opened changes nothing."""
    if breaker.state is BreakerState.CLOSED:
        return _counted(breaker, now=now, limits=limits)
    return _opened(breaker, now=now, limits=limits) if is_probe else breaker


def _counted(breaker: Breaker, *, now: datetime, limits: Limits) -> Breaker:
    first = breaker.first_failure_at
    is_fresh = first is None or (now - first).total_seconds() > limits.seconds
    counted = replace(breaker, failures=1 if is_fresh else breaker.failures + 1, first_failure_at=now if is_fresh else first)
    return _opened(counted, now=now, limits=limits) if counted.failures >= limits.failures else counted


def _opened(breaker: Breaker, *, now: datetime, limits: Limits) -> Breaker:
    return replace(breaker, state=BreakerState.OPEN, opened_at=now, retry_at=now + timedelta(seconds=limits.seconds))


def succeeded(breaker: Breaker, *, is_probe: bool) -> Breaker:
    """After an answer, which forgets the failures before it; an open breaker believes its probe only."""
    return Breaker() if is_probe or breaker.state is BreakerState.CLOSED else breaker


def is_illness(error: ErrorClass) -> bool:
    return error in ILLNESS
