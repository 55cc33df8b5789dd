"""Trying again now what was to be tried later, because what it waited for is there."""

from collections.abc import Sequence
from uuid import UUID

from app.kernel.transaction import Transaction
from app.kernel.wake import EVERYTHING, WORK
from app.runtime.queries import hurrying as queries


def hurry(tx: Transaction, command_ids: Sequence[UUID]) -> None:
    """Make those of the commands due that wait for their next attempt; the others stay as they are."""
    tx.write(queries.HURRY, tx.account_id, list(command_ids))
    tx.wake(WORK, EVERYTHING)
