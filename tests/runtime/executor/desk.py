"""A worker's hands without a worker: what it claims and closes, one statement at a time, and a look behind the ledger."""

import asyncio
from dataclasses import replace

from app.runtime import closings, ledger
from app.runtime.closings import Failure
from app.runtime.handlers import Attempt
from app.runtime.rules.profiles import profile_of
from app.runtime.types import ErrorClass
from tests import make

TRANSIENT = Failure(error=ErrorClass.TRANSIENT, message="try again")
INVALID = Failure(error=ErrorClass.VALIDATION, message="it will never work")
EVERY_CLASS = {0: 50, 1: 50, 2: 50, 3: 50}
BACKLOG = """
INSERT INTO runtime_commands (account_id, id, type, profile, queue, state, prio, run_at, idempotency_key, payload, attempt, lost,
    released, waited, actor_kind, trigger_source, depth, request_id, correlation_id, created_at, updated_at)
SELECT $1, gen_random_uuid(), 'test.noop', 'standard_async', 'control', 'queued', $3, now() + make_interval(secs => $4),
    'b' || $4 || n, '{}', 0, 0, 0, 0, 'system', 'test', 0, 'r', 'c', now(), now() FROM generate_series(1, $2) n
"""


class Desk:
    def __init__(self, database, admin, account, worker, lock_holders):
        self.database = database
        self.pool = database.runtime
        self.admin = admin
        self.account = account
        self.worker = worker
        self.lock_holders = lock_holders
        self.looking = asyncio.Lock()

    async def enqueue(self, *orders, account=None):
        return await make.enqueued(self.database, account or self.account, *orders)

    async def backlog(self, many, *, account=None, prio=2, delay=-1.0):
        """So many commands at once, behind enqueueing's back."""
        await self.admin.execute(BACKLOG, account or self.account, many, prio, float(delay))

    async def claim(self):
        return [each for each, _ in await ledger.claim_commands(self.pool, self.worker, wanted=EVERY_CLASS)]

    async def lease(self, wanted=50):
        return await ledger.claim_lanes(self.pool, self.worker, wanted=wanted)

    def attempt(self, claim, profile=None):
        return Attempt(claim, worker_id=self.worker, database=self.database, resources=None, profile=profile)

    async def finish(self, claim, result=None):
        """End it as a handler does that finishes with its effects."""
        attempt = self.attempt(claim)
        async with attempt.transaction() as tx:
            attempt.finish(tx, result)

    async def succeed(self, *claims):
        return await ledger.close(self.pool, [closings.succeeded(each, worker_id=self.worker) for each in claims])

    async def fail(self, claim, failure=TRANSIENT, *, jitter=0.0, took=0.0, **changes):
        profile = replace(profile_of(claim.profile), **changes)
        closing = closings.failed(claim, failure, worker_id=self.worker, jitter=jitter, profile=profile, took=took)
        return await ledger.close(self.pool, [closing])

    async def lose(self):
        """The worker dies, and another one finds what it held."""
        self.lock_holders[0].terminate()
        return await make.until(lambda: ledger.reap(self.pool))

    async def row(self, command_id):
        return dict(await self.admin.fetchrow("SELECT * FROM runtime_commands WHERE id = $1", command_id))

    async def state(self, command_id):
        return (await self.row(command_id))["state"]

    async def events(self):
        rows = await self.admin.fetch("SELECT type FROM events ORDER BY account_id, seq")
        return [row["type"].partition(":")[2] for row in rows]

    async def pause(self, kind, name="", *, account=None):
        await self.admin.execute(
            "INSERT INTO runtime_pauses (account_id, kind, name, reason, paused_by_kind) VALUES ($1, $2, $3, 'r', 'person')",
            account or self.account,
            kind,
            name,
        )

    async def setting(self, name, value):
        await self.admin.execute(
            """INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)
            VALUES ($1, $2, $3::text::jsonb, 1, 'r', 'person')
            ON CONFLICT (account_id, name) DO UPDATE SET value = excluded.value""",
            self.account,
            name,
            str(value),
        )

    async def replay(self, command_id):
        """What a replay writes, as the route does it."""
        await self.admin.execute(
            """UPDATE runtime_commands SET state = 'queued', spent = attempt, lost = 0, released = 0, waited = 0, run_at = now(),
            first_started_at = NULL, finished_at = NULL, retention_until = NULL WHERE id = $1""",
            command_id,
        )
        await self.admin.execute(
            """UPDATE runtime_dead_letters SET state = 'replaying', replay_count = replay_count + 1, retention_until = NULL
            WHERE command_id = $1""",
            command_id,
        )

    async def look(self, sql):
        """The same as `admin.fetchval`, for several at once."""
        async with self.looking:
            return await self.admin.fetchval(sql)

    async def used(self):
        return {row["key"]: row["used"] for row in await self.admin.fetch("SELECT key, used FROM runtime_limits")}
