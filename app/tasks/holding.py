"""The lease that a write rests on: asking for its fence, giving a new one, watching it run out."""

from datetime import timedelta
from uuid import UUID

from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.runtime import service as runtime
from app.runtime.service import Order
from app.tasks.changes import unheld
from app.tasks.rules import leases as rules
from app.tasks.types import Card, Lease, LeaseKind, LeaseProblem, LeaseRefusal, Scene

EXPIRE = "tasks.expire_lease"


def hold(principal: Principal, card: Card, scene: Scene, *, rule: str, fence: int | None) -> None:
    """Refuse a write that lacks the fence, or whose fence is stale; `rule` is what allows the caller."""
    is_worker = principal.kind is ActorKind.AGENT and rules.is_worker(rule, leads=_leads(principal, scene))
    refusal = rules.refusal(card, now=scene.now, caller=principal.id, is_worker=is_worker, fence=fence)
    if refusal is not None:
        raise unheld(refusal, scene)


def _leads(principal: Principal, scene: Scene) -> bool:
    return principal.id == scene.account.orchestrator_agent_id


def granted(tx: Transaction, principal: Principal, card: Card, scene: Scene, *, kind: LeaseKind) -> Lease:
    """A new lease for the caller, and the command that ends it when nobody renews it."""
    seconds = scene.account.lease_seconds
    lease = Lease(agent_id=principal.id, kind=kind, fence=card.lease_fence + 1, until=scene.now + timedelta(seconds=seconds))
    watch(tx, card.id, lease, seconds=seconds)
    return lease


def watch(tx: Transaction, task_id: UUID, lease: Lease, *, seconds: float) -> None:
    order = Order(
        type=EXPIRE,
        # Whoever watches on does so from another moment, also when it was woken too early.
        idempotency_key=f"lease:{task_id}:{lease.fence}:{lease.until.timestamp() - seconds:.6f}",
        payload={"task_id": task_id, "fence": lease.fence},
        delay_seconds=max(seconds, 0.05),
    )
    runtime.enqueue(tx, order, actor=None)


def require_capacity(principal: Principal, scene: Scene, *, card: Card) -> None:
    """Refuse a further lease to an agent that holds as many as it may; the database refuses what races past this."""
    mine = scene.agent(principal.id)
    # What it holds of this task ends with the move.
    others = tuple(one for one in scene.held if one != card.id)
    if mine is not None and len(others) >= mine.capacity:
        raise unheld(LeaseRefusal(problem=LeaseProblem.CAPACITY, held=others, capacity=mine.capacity), scene)
