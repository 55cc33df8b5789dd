"""What bootstrap hears of from the rooms below, and the durable work that follows."""

from app.bootstrap import furnishing as _furnishing  # noqa: F401 its commands are declared by being imported
from app.bootstrap import furnishing_orders, settling
from app.kernel.transaction import Subscribers, Transaction, together
from app.tasks import worktrees
from app.tasks.types import Happening, LeaseChanged, TaskAssigned, TaskCreated, TaskMoved, TaskStatus, TaskStopped


async def on_task(tx: Transaction, happened: Happening) -> None:
    """Whoever takes a task gets its worktree, whoever loses it loses the lock, and a closed task needs none."""
    site, card = happened.scene.site, happened.card
    if site is None:
        return
    is_at_work = card.lease_agent_id is not None and (card.status is TaskStatus.IN_PROGRESS or site.worktree_id is not None)
    # Of a task that is just made the scene shows the primary repository.
    is_elsewhere = card.repository_id not in {None, site.id}
    if is_at_work and (site.has_url or is_elsewhere):
        worktrees.want(tx, card.id, card.repository_id or site.id)
    elif not site.is_live:
        return
    settling.order(tx, card.id, actor=happened.actor, key=happened.event_id)


_OF_TASKS: Subscribers = {
    TaskCreated: [on_task],
    TaskMoved: [on_task],
    TaskStopped: [on_task],
    TaskAssigned: [on_task],
    LeaseChanged: [on_task],
}
SUBSCRIPTIONS = together(_OF_TASKS, furnishing_orders.SUBSCRIPTIONS)
