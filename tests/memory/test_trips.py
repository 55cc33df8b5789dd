"""How often memory goes to the database; BEGIN and COMMIT count."""

from itertools import count
from typing import Any

from app.kernel import db
from tests import boards
from tests.boards import OWNER
from tests.kernel.test_sql import Counted, sent_by
from tests.memory.desk import gone, got, kept, put, verb


async def test_writes_take_five_round_trips_and_reads_at_most_five(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        task, number = await board.task(assignee_slugs=["engineer"]), count()
        at = f"run/{task['id']}/plan"
        await kept(board, OWNER, at, 1)

        async def delete() -> Any:
            await put(board, OWNER, at, 1)
            Counted.sent.clear()
            return await gone(board, OWNER, at)

        found = {
            # The writer's turn comes first; what stands there is read in a statement of its own, which sees it.
            "write": await sent_by(lambda: put(board, OWNER, at, next(number))),
            "by an agent": await sent_by(
                lambda: verb(board, "engineer", "write", scope="run", key=task["id"], name="plan", content=next(number))
            ),
            "delete": await sent_by(delete),
            "list": await sent_by(lambda: got(board, OWNER, f"run/{task['id']}")),
            "history": await sent_by(lambda: got(board, OWNER, f"{at}/versions")),
            "version": await sent_by(lambda: got(board, OWNER, at, version=1)),
        }
    assert found == {"write": 5, "by an agent": 5, "delete": 5, "list": 4, "history": 5, "version": 5}


async def test_a_page_reads_each_name_once_however_often_it_was_written(board, admin):
    """The newest versions are found by the index, one for each name."""
    agent_id = await board.agent_id("engineer")
    fill = """
        INSERT INTO runtime_memory_snapshots (account_id, id, memory_id, scope_type, scope_key, name, version, tier, state,
            content, author_kind)
        SELECT $1, gen_random_uuid(), md5(n::text)::uuid, 'agent', $2, 'n' || n, v, 'working', 'active', '1', 'system'
        FROM generate_series(1, 5) n, generate_series(1, 2000) v
    """
    await admin.execute(fill, board.account_id, agent_id)
    await admin.execute("VACUUM ANALYZE runtime_memory_snapshots")
    before = await read_rows(admin)
    page = (await got(board, OWNER, f"agent/{agent_id}", limit=3)).json()
    assert [(one["name"], one["version"]) for one in page["items"]] == [("n1", 2000), ("n2", 2000), ("n3", 2000)]
    assert page["next_cursor"] == "n3"
    assert await read_rows(admin) - before < 100


async def read_rows(admin) -> int:
    await admin.execute("SELECT pg_stat_force_next_flush()")
    sql = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'runtime_memory_snapshots'"
    await admin.execute("SELECT pg_stat_clear_snapshot()")
    found: int = await admin.fetchval(sql)
    return found
