"""How letters find their commands: by the key, however many there are and whatever statistics say."""

import asyncpg
import pytest

from app.kernel import db
from app.kernel.writes import composed
from app.runtime.queries import letters as queries
from tests.kernel.test_sql import plan_of
from tests.runtime.letters.desk import KIND

MANY = """INSERT INTO runtime_commands (account_id, id, type, profile, state, prio, idempotency_key, payload, attempt, lost,
        released, waited, actor_kind, trigger_source, depth, request_id, correlation_id)
    SELECT $1, gen_random_uuid(), $2, 'standard_async', 'dead_lettered', 2, n, '{}', 1, 0, 0, 0, 'system', 't', 0, 'r', 'c'
    FROM generate_series(1, 2000) n"""
THEIR_LETTERS = """INSERT INTO runtime_dead_letters (account_id, id, command_id, reason_class, message, attempts,
        eligible_for_replay, replay_count, state, created_at)
    SELECT account_id, gen_random_uuid(), id, 'transient', 'm', 1, true, 0, 'open', now() FROM runtime_commands"""
STATEMENTS = {
    queries.PAGE: 8,
    queries.LOCKED_BY_CAUSE: 7,
    queries.COUNT_BY_CAUSE: 6,
    queries.CAUSES: 3,
    composed((queries.REPLAY,)): 4,
}


@pytest.fixture
async def planner(urls):
    connection = await asyncpg.connect(db.plain(urls[0]), statement_cache_size=0)
    yield connection
    await connection.close()


@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_commands_are_found_by_their_key(admin, account, planner, is_analyzed):
    await admin.execute(MANY, account, KIND)
    await admin.execute(THEIR_LETTERS)
    if is_analyzed:
        await admin.execute("ANALYZE")
    for sql, parameters in STATEMENTS.items():
        plan = await plan_of(planner, sql, parameters)
        used = {node["Index Name"] for node in plan if node.get("Index Name", "").startswith("runtime_commands")}
        assert used == {"runtime_commands_pkey"}, sql
