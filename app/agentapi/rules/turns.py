"""Whose turn it is: whether one agent can do what a task waits for."""

from uuid import UUID

from app.agentapi.types import Obstacle, WaitsFor, Why

# While one of these stands nothing behind it can be done.
HINDRANCES = frozenset(
    {
        WaitsFor.HELD,
        WaitsFor.REVIEW_HELD,
        WaitsFor.DEPENDENCY_OPEN,
        WaitsFor.FILES_RESERVED,
        WaitsFor.OPEN_CHILDREN,
        WaitsFor.EVIDENCE_MISSING,
    }
)
# To finish something else first is no turn at this task.
ELSEWHERE = frozenset({WaitsFor.ASSIGNEE_AT_CAPACITY})


def turn_of(agent_id: UUID, why: Why) -> Obstacle | None:
    """The first obstacle that this agent can take away now; None while it is somebody else's turn, or nobody's."""
    for obstacle in (why.first, *why.also):
        if obstacle.waits_for not in ELSEWHERE and any(one.id == agent_id for one in obstacle.who):
            return obstacle
        if obstacle.waits_for in HINDRANCES:
            return None
    return None
