"""Hears of commands that people must approve, and ends or recalls requests in time."""

from uuid import UUID

import msgspec

from app.autonomy import asking, service
from app.kernel.errors import Missing
from app.kernel.transaction import Subscribers, Transaction
from app.runtime.handlers import Attempt
from app.runtime.taxonomy import command
from app.runtime.types import CommandEnded, CommandHeld, Idempotency


class Watched(msgspec.Struct, frozen=True):
    approval_id: UUID


async def on_held(tx: Transaction, held: CommandHeld) -> None:
    await asking.request(tx, held)


async def on_ended(tx: Transaction, ended: CommandEnded) -> None:
    await service.command_ended(tx, ended)


@command(
    asking.EXPIRE,
    payload=Watched,
    owner="autonomy",
    idempotency=Idempotency.ENTITY,
    started_by=("a command that people must approve",),
)
async def expire(attempt: Attempt) -> None:
    """End a request that nobody decided in time, with its command."""
    watched = msgspec.json.decode(attempt.claim.payload, type=Watched)
    async with attempt.transaction() as tx:
        try:
            ended = await service.settle(tx, watched.approval_id)
        except Missing:
            ended = None
        attempt.finish(tx, {"ended": ended})


@command(
    asking.ESCALATE,
    payload=Watched,
    owner="autonomy",
    idempotency=Idempotency.ENTITY,
    started_by=("a command that people must approve",),
)
async def escalate(attempt: Attempt) -> None:
    """Call for those who may still decide a request, with an alert."""
    watched = msgspec.json.decode(attempt.claim.payload, type=Watched)
    async with attempt.transaction() as tx:
        try:
            is_called = await service.escalate(tx, watched.approval_id)
        except Missing:
            is_called = False
        attempt.finish(tx, {"escalated": is_called})


SUBSCRIPTIONS: Subscribers = {CommandHeld: [on_held], CommandEnded: [on_ended]}
