"""The profiles, and the verdict over a failed attempt."""

from collections.abc import Mapping

from app.runtime.types import CommandState, ErrorClass, GiveUp, Profile, RetryAt, Verdict

MOST_LOST = 3
LONGEST_WAIT_IN_CAPS = 12
LARGEST_EXPONENT = 32
NEVER_RETRIED = frozenset({ErrorClass.VALIDATION, ErrorClass.AUTH, ErrorClass.NOT_FOUND, ErrorClass.DENIED})
PASSING = frozenset({ErrorClass.TRANSIENT, ErrorClass.UNAVAILABLE})
USUAL = PASSING | {ErrorClass.TIMEOUT, ErrorClass.RATE_LIMITED, ErrorClass.WORKER_LOST}

_ALL = (
    Profile(name="critical_path", attempts=8, base=0.2, factor=2, cap=30, timeout=30, total=600, retry_on=USUAL, alerts=True),
    Profile(name="standard_async", attempts=5, base=1, factor=2, cap=300, timeout=60, total=3_600, retry_on=USUAL),
    Profile(
        name="best_effort",
        attempts=2,
        base=5,
        factor=1,
        cap=5,
        timeout=30,
        total=120,
        retry_on=PASSING,
        dead_letter=False,
        replays=False,
        retention_days=7,
    ),
    Profile(
        name="manual_review",
        attempts=2,
        base=5,
        factor=1,
        cap=5,
        timeout=120,
        total=86_400,
        needs_approval=True,
        halts_lane=True,
        retry_on=frozenset({ErrorClass.WORKER_LOST, ErrorClass.RATE_LIMITED}),
    ),
    Profile(
        name="delivery",
        attempts=3,
        base=5,
        factor=2,
        cap=300,
        # A run has several rounds, and each answer has its own time.
        timeout=3_600,
        total=86_400,
        retry_on=frozenset({ErrorClass.NO_ANSWER, ErrorClass.INTERNAL, ErrorClass.WORKER_LOST, ErrorClass.TRANSIENT}),
        waits_on=frozenset({ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT, ErrorClass.RATE_LIMITED}),
    ),
)
PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in _ALL}
DEFAULT_PROFILE = "standard_async"


def profile_of(name: str) -> Profile:
    """The profile called `name`; a command that an older version named otherwise is still worked on."""
    return PROFILES.get(name, PROFILES[DEFAULT_PROFILE])


def verdict(  # noqa: PLR0913
    profile: Profile,
    *,
    error: ErrorClass,
    budget_used: int,
    lost: int,
    expired: bool,
    retry_after: float | None,
    waited: int,
    jitter: float,
    elapsed: float = 0.0,
) -> Verdict:
    """What follows a failed attempt; `budget_used` and `lost` count it, `waited` does not, `jitter` is in [0, 1).

    `elapsed` is the seconds since the first attempt began; a retry that would come after the profile's total does not.
    """
    end = GiveUp(CommandState.DEAD_LETTERED if profile.dead_letter else CommandState.FAILED_TERMINAL)
    if expired or error in NEVER_RETRIED:
        return end
    retry = _retry(profile, error, budget_used, lost, retry_after, waited, jitter)
    return end if retry is None or elapsed + retry.delay > profile.total else retry


def _retry(  # noqa: PLR0913, PLR0917
    profile: Profile, error: ErrorClass, budget_used: int, lost: int, retry_after: float | None, waited: int, jitter: float
) -> RetryAt | None:
    if error in profile.waits_on:
        longest = profile.cap * LONGEST_WAIT_IN_CAPS
        return RetryAt(_delay(profile, number=waited, retry_after=retry_after, longest=longest, jitter=jitter), counts=False)
    if error not in profile.retry_on:
        return None
    if error is ErrorClass.WORKER_LOST:
        # The worker's death is rarely the command's doing, so the command does not wait for it.
        return RetryAt(0.0, counts=False) if lost <= MOST_LOST else None
    if budget_used >= profile.attempts:
        return None
    delay = _delay(profile, number=budget_used - 1, retry_after=retry_after, longest=profile.cap, jitter=jitter)
    return RetryAt(delay, counts=True)


def _delay(profile: Profile, *, number: int, retry_after: float | None, longest: float, jitter: float) -> float:
    if retry_after is not None:
        return min(max(retry_after, 0.0), longest)
    exponent = min(max(number, 0), LARGEST_EXPONENT)
    return jitter * min(profile.cap, profile.base * float(profile.factor**exponent))
