"""What bootstrap hears of from the rooms below, and the durable work that follows."""

from app.kernel.transaction import Subscribers

SUBSCRIPTIONS: Subscribers = {}
