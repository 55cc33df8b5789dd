"""What moves a task next: for every state, the first thing that it waits for and what comes after."""

from collections.abc import Iterator
from typing import assert_never

from app.agentapi.rules import finishing, starting
from app.agentapi.rules.crew import Crew
from app.agentapi.rules.parts import quarantined
from app.agentapi.rules.reaching import with_reach
from app.agentapi.types import Facts, Obstacle, Why
from app.tasks.rules.graph import CLOSED
from app.tasks.types import TaskStatus


def why(facts: Facts) -> Why:
    """The obstacles in the order in which they fall."""
    crew = Crew(facts)
    first, *also = with_reach(crew, _obstacles(crew))
    return Why(first=first, also=tuple(also))


def _obstacles(crew: Crew) -> Iterator[Obstacle]:  # every state yields at least one
    if crew.card.quarantined_at is not None and crew.card.status not in CLOSED:
        yield quarantined(crew)
    match crew.card.status:
        case TaskStatus.INBOX:
            yield from starting.in_inbox(crew)
        case TaskStatus.ASSIGNED:
            yield from starting.assigned(crew)
        case TaskStatus.IN_PROGRESS:
            yield from starting.in_progress(crew)
        case TaskStatus.BLOCKED:
            yield from starting.blocked(crew)
        case TaskStatus.REVIEW:
            yield from finishing.in_review(crew)
        case TaskStatus.DONE | TaskStatus.ARCHIVED:
            yield from finishing.closed(crew)
        case _:
            assert_never(crew.card.status)
