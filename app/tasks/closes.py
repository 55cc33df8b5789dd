"""Counts moves to done that were refused, whatever asked for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.kernel.errors import CallboardError, Code, Forbidden
from app.observability.metrics import DENIED_CLOSES
from app.policies.types import Reason
from app.tasks.types import TaskStatus

# A first refusal is seen as a rise only where it was said that there was none.
USUAL = (
    Reason.REVIEWER_REQUIRED,
    Reason.SELF_REVIEW,
    Reason.ORCHESTRATOR_REQUIRED,
    Reason.ORCHESTRATOR_UNSET,
    Reason.CAPABILITY_DENIED,
    Code.INVALID_TRANSITION,
    Code.REQUIREMENT_FAILED,
)
for _reason in USUAL:
    DENIED_CLOSES.labels(_reason)


@contextmanager
def closes_counted(goal: object) -> Iterator[None]:
    """Count a refusal of the block if its goal is `done`."""
    try:
        yield
    except CallboardError as error:
        if goal == TaskStatus.DONE:
            DENIED_CLOSES.labels(error.reason if isinstance(error, Forbidden) else error.code).inc()
        raise
