"""The files that a claim brings along, or that keep a task from being claimed."""

from uuid import UUID

from app.kernel.errors import Invalid
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import reserving, reserving_edits, scenes
from app.tasks.schemas.leases import AgentClaim
from app.tasks.schemas.reservations import wanted
from app.tasks.types import Card, Claim, LeaseKind, Scene

# How often a claim looks for a task whose files nobody has, each time without all those that it saw.
PASSES_MOST = 5


async def found(tx: Transaction, principal: Principal, asked: AgentClaim) -> tuple[Card, Scene] | None:
    """The named task, or the best one whose files nobody has."""
    passed: frozenset[UUID] = frozenset()
    for _ in range(PASSES_MOST):
        best = await scenes.claimable(tx, principal, asked.task_id, passed=passed)
        if best is None or asked.task_id is not None:
            return best
        card, scene = best
        secured = await reserving.secured(tx, card, scene)
        if not secured.conflicts:
            return card, secured
        passed = await reserving.passed_over(tx, principal.id, passed | {card.id})
    return None


async def with_files(tx: Transaction, card: Card, scene: Scene, asked: AgentClaim, outcome: Claim) -> Scene:
    """The scene with the files that go with the lease; refuses while others have them."""
    if outcome.kind is LeaseKind.REVIEW:
        if asked.reserve:
            raise Invalid.field("reserve", "a review reserves no files")
        return scene
    if asked.task_id is None:
        return scene
    secured = await reserving.secured(tx, card, scene, wanted(asked.reserve))
    reserving.require_free(secured)
    return secured


async def with_more(tx: Transaction, principal: Principal, card: Card, scene: Scene, asked: AgentClaim) -> tuple[Card, Scene]:
    """The same for who holds the task already and asks for more files."""
    if not asked.reserve:
        return card, scene
    if card.lease_kind is LeaseKind.REVIEW:
        raise Invalid.field("reserve", "a review reserves no files")
    crew = scene.crew
    rule = policies.require(Action.TASK_RESERVE, principal=principal, account=scene.account, crew=crew, status=card.status)
    return await reserving_edits.more(tx, principal, card, scene, reserve=asked.reserve, rule=rule)
