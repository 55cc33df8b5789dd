"""What follows a call that brought no answer: the same again, the next profile, or the end."""

from dataclasses import dataclass

from app.delivery.types.runs import FailureClass

# So often the same profile is tried while another one could be.
PATIENT_TRIES = 2
# As long as a profile may say that it is worth waiting for while another one could be tried.
SHORT_WAIT_SECONDS = 60.0

_PASSING = frozenset({FailureClass.UNAVAILABLE, FailureClass.TIMEOUT})
_LIMITS = frozenset({FailureClass.RATE_LIMITED, FailureClass.QUOTA})


@dataclass(frozen=True, slots=True)
class Retry:
    """The same request to the same profile; one that `waits` uses up none of the attempts, and stands behind the breaker."""

    waits: bool
    after: float | None = None


@dataclass(frozen=True, slots=True)
class FailOver:
    """The next profile, at once."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing of what can be tried can help: a dead letter, whose cause is the class of the failure."""


AfterFailure = Retry | FailOver | GiveUp


def after_failure(
    failure: FailureClass,
    *,
    may_have_arrived: bool,
    has_next: bool,
    retry_after: float | None = None,
    tries: int = 1,
    is_open: bool = False,
) -> AfterFailure:
    """Decide after a failed call; `tries` are those of this profile in this round, this one included.

    `is_open`: the breaker let nothing through, so that nothing was tried.
    """
    if is_open:
        return FailOver() if has_next else Retry(waits=True, after=retry_after)
    if failure in _LIMITS:
        return _limited(failure, has_next=has_next, retry_after=retry_after)
    if failure in _PASSING:
        # What may have arrived is asked again under its key before somebody else does the same work.
        is_patient = may_have_arrived and tries < PATIENT_TRIES
        return FailOver() if has_next and not is_patient else Retry(waits=True, after=retry_after)
    if failure is FailureClass.FORMAT:
        return FailOver() if has_next and tries >= PATIENT_TRIES else Retry(waits=False)
    return FailOver() if has_next else GiveUp()


def _limited(failure: FailureClass, *, has_next: bool, retry_after: float | None) -> AfterFailure:
    # A quota's end is known; a rate that is said to stay exceeded for long is as good as an outage.
    is_worth_it = retry_after is not None and (failure is FailureClass.QUOTA or retry_after <= SHORT_WAIT_SECONDS)
    return Retry(waits=True, after=retry_after) if is_worth_it or not has_next else FailOver()
