"""Commands that fail until they are mended, workers for them, and the operator's calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from app.runtime.handlers import Attempt, Failed
from app.runtime.types import ErrorClass
from app.runtime.worker import Worker
from tests import make
from tests.boards import Board

LETTERS = "/api/v1/admin/runtime/dead-letters"
ALERTS = "/api/v1/admin/runtime/alerts"
KIND, OTHER = "test.breakable", "test.other"


class Workshop:
    """Handlers that fail with `error` until `mend`, and remember which command they ran for how often."""

    def __init__(self, error: ErrorClass = ErrorClass.VALIDATION) -> None:
        self.error: ErrorClass | None = error
        self.done: list[UUID] = []

    def mend(self) -> None:
        self.error = None

    async def handle(self, attempt: Attempt) -> None:
        if self.error is not None:
            raise Failed(self.error, "it is broken")
        async with attempt.transaction() as tx:
            attempt.finish(tx)
        self.done.append(attempt.claim.id)

    @property
    def handlers(self) -> dict[str, Any]:
        return {KIND: self.handle, OTHER: self.handle}


@asynccontextmanager
async def working(board: Board, url: str, handlers: dict[str, Any], **fields: Any) -> AsyncIterator[Worker]:
    stop = asyncio.Event()
    worker = Worker(board.database, url, handlers=handlers, slots=20, drain_seconds=2, **fields)
    running = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await running


async def enqueued(board: Board, many: int = 1, **fields: Any) -> list[UUID]:
    orders = [make.order(**{"type": KIND} | fields) for _ in range(many)]
    return await make.enqueued(board.database, board.account_id, *orders)


async def died(board: Board, url: str, admin: Any, many: int = 1, *, error: ErrorClass = ErrorClass.VALIDATION, **fields: Any):
    """Letters of commands that failed just now, in the order of their commands."""
    ids = await enqueued(board, many, **fields)
    workshop = Workshop(error)
    async with working(board, url, workshop.handlers):
        await make.until(lambda: all_are(admin, ids, "dead_lettered"))
    rows = await admin.fetch("SELECT id, command_id FROM runtime_dead_letters WHERE command_id = ANY($1)", ids)
    found = {row["command_id"]: row["id"] for row in rows}
    return [found[command_id] for command_id in ids]


async def all_are(admin: Any, ids: list[UUID], state: str) -> bool:
    count = await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE id = ANY($1) AND state = $2", ids, state)
    return bool(count == len(ids))


async def letters_are(admin: Any, state: str, many: int) -> bool:
    return bool(await admin.fetchval("SELECT count(*) FROM runtime_dead_letters WHERE state = $1", state) == many)


async def command(admin: Any, letter_id: UUID) -> Any:
    return await admin.fetchrow(
        "SELECT c.* FROM runtime_commands c JOIN runtime_dead_letters d ON d.command_id = c.id WHERE d.id = $1", letter_id
    )


async def letter(admin: Any, letter_id: UUID) -> Any:
    return await admin.fetchrow("SELECT * FROM runtime_dead_letters WHERE id = $1", letter_id)


async def replay(board: Board, letter_id: object, *, who: str | None = None, key: str | None = None) -> Any:
    client = board.as_(who) if who else board.person
    headers = {"Idempotency-Key": key or uuid4().hex}
    return await client.post(f"{LETTERS}/{letter_id}/replay", headers=headers)


async def replay_many(board: Board, *, key: str | None = None, **cause: Any) -> Any:
    return await board.person.post(f"{LETTERS}/replay", json=cause, headers={"Idempotency-Key": key or uuid4().hex})


async def discard(board: Board, letter_id: object, reason: str = "Nobody needs it.") -> Any:
    return await board.person.post(f"{LETTERS}/{letter_id}/discard", json={"reason": reason})


async def told(admin: Any, kind: str) -> list[dict[str, Any]]:
    """The events of a kind, oldest first, each with its payload decoded."""
    rows = await admin.fetch("SELECT * FROM events WHERE type = $1 ORDER BY seq", kind)
    return [dict(row) | {"payload": json.loads(row["payload"])} for row in rows]


async def seeded(admin: Any, account_id: UUID, **fields: Any) -> UUID:
    """A letter with its command, written as they stand after the fact."""
    known = {"type": KIND, "reason_class": "transient", "state": "open", "replay_count": 0, "attempts": 1, "days": 0} | fields
    # Declares its type.
    make.order(type=known["type"])
    command_id, letter_id = uuid4(), uuid4()
    await admin.execute(
        """INSERT INTO runtime_commands (account_id, id, type, profile, state, prio, idempotency_key, payload, attempt, lost,
               released, waited, actor_kind, trigger_source, depth, request_id, correlation_id)
           VALUES ($1, $2, $3, 'standard_async', 'dead_lettered', 2, $4, '{}', $5, 0, 0, 0, 'system', 'test', 0, 'r', 'c')""",
        account_id,
        command_id,
        known["type"],
        command_id.hex,
        known["attempts"],
    )
    await admin.execute(
        """INSERT INTO runtime_dead_letters (account_id, id, command_id, reason_class, message, attempts, eligible_for_replay,
               replay_count, state, created_at)
           VALUES ($1, $2, $3, $4, 'it is broken', $5, true, $6, $7, now() - make_interval(days => $8))""",
        account_id,
        letter_id,
        command_id,
        known["reason_class"],
        known["attempts"],
        known["replay_count"],
        known["state"],
        known["days"],
    )
    return letter_id
