"""What hangs on notifications goes when they go."""

from app.delivery.queries import forgetting as queries
from app.kernel.transaction import Subscribers, Transaction
from app.notifications.types import NotificationsForgotten


async def on_forgotten(tx: Transaction, forgotten: NotificationsForgotten) -> None:
    """Delete the deliveries with what was sent, answered and called for them."""
    for write in (queries.FORGET_CALLS, queries.FORGET_ROUNDS, queries.FORGET):
        tx.write(write, tx.account_id, list(forgotten.ids))


SUBSCRIPTIONS: Subscribers = {NotificationsForgotten: [on_forgotten]}
