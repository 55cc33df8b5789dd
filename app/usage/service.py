"""What runs may spend: reserved before they begin, settled with each answer, given back when they end."""

from uuid import UUID

from app.kernel.transaction import Transaction
from app.usage.types import Exhausted, Run, Spent


async def reserve(tx: Transaction, run: Run) -> Exhausted | None:
    """Reserve for this run in every budget that binds it, once however often it is tried; or name one that has no room."""
    return None


async def spend(tx: Transaction, run: Run, spent: Spent) -> None:
    """Write what an answer used, in the transaction that keeps the answer, and take it from what is reserved."""


async def release(tx: Transaction, run_id: UUID) -> None:
    """Give back what the run reserved and did not use; a run that is over is released once."""
