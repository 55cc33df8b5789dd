"""SQL checked like code: every statement fits the schema and its role, the hot ones use an index, verbs stay short."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from app.accounts.queries import AUTHENTICATE
from app.kernel import db
from tests import boards
from tests.kernel.statements import Statement, statements
from tests.tasks.test_search import filled

GROWING = {
    "tasks",
    "messages",
    "events",
    "notifications",
    "runtime_commands",
    "task_assignees",
    "task_dependencies",
    "task_texts",
    "file_reservations",
    "runtime_command_attempts",
    "agent_sessions",
    "approvals",
    "approval_votes",
    "runtime_memory_snapshots",
}
ALL = statements()
# Statements that read on purpose all there is, and why.
UNBOUNDED = {
    "runtime.ACCOUNTS": "a command of the terminal names every account",
    "bootstrap.PRESENT": "seeds compare the whole account, once at a start",
    "bootstrap.LOCK": "seeds lock what the account was seeded with, once at a start",
    "observability.DEPTHS": "a scrape counts over all accounts, and stops after 200,000 rows",
    "observability.LETTERS": "a scrape counts over all accounts, and stops after 100,000 rows",
    "observability.BACKLOG": "health counts over all accounts, and stops after 10,000 rows",
}
# Partial indexes that stay small however much is stored, so walking one is no fault.
SMALL = {"runtime_commands_worker_idx": "running commands only"}
# Statements that join by the whole key, which the planner walks instead while the table is empty.
BY_KEY = {"runtime.CLOSE": "runtime_commands_pkey"}
# Tables of tests are empty, and of those the planner would rather read all than look up one row after the other.
SETTINGS = ("plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off")
EXPLAIN = f"DEALLOCATE ALL; {''.join(f'SET {one}; ' for one in SETTINGS)}PREPARE q AS "


@pytest.fixture
async def service(urls):
    connection = await asyncpg.connect(db.plain(urls[1]), statement_cache_size=0)
    yield connection
    await connection.close()


@pytest.fixture
async def planner(urls):
    # A role that no policy binds: the policy's own filter would hide a forgotten condition on the account.
    connection = await asyncpg.connect(db.plain(urls[0]), statement_cache_size=0)
    yield connection
    await connection.close()


async def prepared(connection, statement: Statement) -> int:
    """How many parameters the statement takes, once the database has accepted it for its role."""
    await connection.execute(f"RESET ROLE; SET ROLE {statement.role}")
    return len((await connection.prepare(statement.sql)).get_parameters())


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def plan_of(planner, sql: str, parameters: int) -> list[dict[str, Any]]:
    await planner.execute(EXPLAIN + sql)
    values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    return list(nodes(json.loads(await planner.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE q{values}"))[0]["Plan"]))


async def first_columns(planner) -> dict[str, str]:
    """The index of each name by the column that it starts with."""
    rows = await planner.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid, 1, true) AS first FROM pg_index"
    )
    return {row["name"]: row["first"] for row in rows}


def unbounded_walks(plan: list[dict[str, Any]], first: dict[str, str], *, allowed: set[str | None]) -> list[str]:
    """Indexes that are read without saying where to start."""
    used = [node for node in plan if node.get("Index Name") and node["Index Name"] not in allowed]
    walked = [node for node in used if first[node["Index Name"]] not in node.get("Index Cond", "")]
    tables = {node["Index Name"]: node.get("Relation Name") or node["Index Name"] for node in walked}
    return [f"walk of {index} on {table}" for index, table in tables.items() if any(table.startswith(one) for one in GROWING)]


def faults(plan: list[dict[str, Any]]) -> list[str]:
    found = []
    for node in plan:
        table = node.get("Relation Name", "")
        if node["Node Type"] == "Seq Scan" and table in GROWING:
            found.append(f"Seq Scan of {table}")
        if node.get("Disabled") and table in GROWING:
            found.append(f"{node['Node Type']} of {table} is disabled and used all the same")
        if node["Node Type"] == "Sort" and any(one.get("Relation Name") == "events" for one in nodes(node)):
            found.append("events are sorted, not read in order")
    return found


def test_there_are_statements_to_check():
    assert len(ALL) > 60
    assert {one.name for one in ALL} >= {"tasks.SCENE", "tasks.MOVE_TASK", "runtime.CLAIM", "events.RECORD", "agentapi.NEXT"}
    assert set(UNBOUNDED) <= {one.name for one in ALL}


@pytest.mark.parametrize("statement", ALL, ids=lambda one: one.name)
async def test_a_statement_fits_the_schema_and_the_rights_of_its_role(service, statement):
    await prepared(service, statement)


async def test_no_statement_reads_a_growing_table_from_end_to_end(service, planner):
    found, first = {}, await first_columns(planner)
    for statement in ALL:
        if statement.name in UNBOUNDED:
            continue
        plan = await plan_of(planner, statement.sql, await prepared(service, statement))
        allowed = {*SMALL, BY_KEY.get(statement.name)}
        found[statement.name] = [*faults(plan), *unbounded_walks(plan, first, allowed=allowed)]
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


# Functions that run statements of their own, and an index that each of them must reach through the wall.
FUNCTIONS = {
    "search_tasks('lamp', 20, false, false)": "task_texts_words_idx",
    "search_tasks('lamp', 20, true, true)": "task_texts_words_idx",
    "possible_duplicates('Fix the lamp', 0.6, 5)": "task_texts_title_idx",
}
WITHIN = (
    "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; "
    "SET auto_explain.log_format = json; SET client_min_messages = log;"
)


async def plans_within(planner, call: str) -> list[list[dict[str, Any]]]:
    """The plans of the statements that a function runs; the last is of the call itself."""
    logged: list[str] = []
    listener = lambda _, message: logged.append(message.message)  # noqa: E731
    await planner.execute(WITHIN + "".join(f"SET {one};" for one in SETTINGS[1:]))
    planner.add_log_listener(listener)
    await planner.execute(f"SELECT * FROM {call}")
    planner.remove_log_listener(listener)
    plans = [json.loads(text.partition("plan:")[2])["Plan"] for text in logged if "plan:" in text]
    return [list(nodes(plan)) for plan in plans]


async def test_no_function_reads_a_growing_table_from_end_to_end(board, planner):
    await filled(planner, board.account_id, 2000, title="Paint the fence")
    await board.task(title="Mend the lamp")
    for statement in ("VACUUM ANALYZE tasks", "VACUUM ANALYZE task_texts", f"SET app.account_id = '{board.account_id}'"):
        await planner.execute(statement)
    first = await first_columns(planner)
    for call, index in FUNCTIONS.items():
        plans = await plans_within(planner, call)
        used = {node.get("Index Name") for plan in plans for node in plan}
        wrong = [[*faults(plan), *unbounded_walks(plan, first, allowed=set())] for plan in plans]
        assert [fault for faulty in wrong for fault in faulty] == [], call
        assert index in used, call


async def test_a_forgotten_account_is_seen_in_the_plan(planner):
    plan = await plan_of(planner, "SELECT title FROM tasks WHERE title = $1 AND created_at < callboard_now()", 1)
    assert faults(plan)


class Counted(db._Connection):
    """A connection that knows what it sent."""

    sent: list[str] = []
    caller: Any = None

    @classmethod
    def begin(cls) -> None:
        cls.sent, cls.caller = [], asyncio.current_task()

    @classmethod
    def note(cls, query: str) -> None:
        # What the process does beside the call, such as publishing what it counted, runs in tasks of its own.
        if asyncio.current_task() is cls.caller:
            cls.sent.append(query)

    async def execute(self, query, *args, **kwargs):
        Counted.note(query)
        return await super().execute(query, *args, **kwargs)

    async def fetchrow(self, query, *args, **kwargs):
        Counted.note(query)
        return await super().fetchrow(query, *args, **kwargs)

    async def fetchval(self, query, *args, **kwargs):
        Counted.note(query)
        return await super().fetchval(query, *args, **kwargs)

    async def fetch(self, query, *args, **kwargs):
        Counted.note(query)
        return await super().fetch(query, *args, **kwargs)


async def sent_by(call) -> int:
    """Statements of the second call of two, when the caller is known and everything is prepared."""
    await call()
    Counted.begin()
    answer = await call()
    assert answer.status_code in (200, 201, 204), answer.text
    # Who calls is looked up once a second.
    return len([query for query in Counted.sent if query != AUTHENTICATE])


async def test_writes_take_four_round_trips_and_reads_at_most_five(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        agent, task = board.as_("engineer"), await board.task(assignee_slugs=["engineer"])
        goals, fenced = iter(["in_progress", "blocked"]), list[Any]()

        def post(path: str, client: Any = agent, **body: Any) -> Any:
            return lambda: client.post(path, json=body)

        async def status() -> Any:
            body = {"task_id": task["id"], "status": next(goals), "blocked_reason": "b"}
            answer = await agent.post("/agent/task-status", json=body, headers={"X-Lease-Fence": "1"} if fenced else {})
            fenced.append(answer)
            return answer

        leader, titles = board.as_("orchestrator"), iter(["Fix the lamp", "Paint the fence"])
        refs = iter([{"provider": "forge", "number": number} for number in (1, 2)])
        others = [await board.task(assignee_slugs=["engineer-2"]) for _ in range(2)]
        await board.person.patch(f"/api/v1/agents/{await board.agent_id('engineer-2')}", json={"capacity": 5})

        async def claim() -> Any:
            return await board.as_("engineer-2").post("/agent/task-claim", json={})

        async def heartbeat() -> Any:
            return await board.as_("engineer-2").post("/agent/task-heartbeat", json={"task_id": others[0]["id"], "fence": 1})

        found = {
            "status": await sent_by(status),
            "claim": await sent_by(claim),
            "heartbeat": await sent_by(heartbeat),
            "create": await sent_by(lambda: leader.post("/agent/task-create", json={"title": next(titles)})),
            "link": await sent_by(
                lambda: leader.post("/agent/task-link-pr", json={"task_id": task["id"], "vcs_ref": next(refs)})
            ),
            "search": await sent_by(post("/agent/task-search", leader, query="task")),
            "survey": await sent_by(post("/agent/task-list", leader)),
            "history": await sent_by(post("/agent/task-history", task_id=task["id"])),
            "message": await sent_by(post("/agent/task-message", task_id=task["id"], content="hi @reviewer")),
            "load": await sent_by(post("/agent/task-load", task_id=task["id"])),
            "list": await sent_by(lambda: board.person.get("/api/v1/tasks?limit=50")),
            "one": await sent_by(lambda: board.person.get(f"/api/v1/tasks/{task['id']}")),
            "thread": await sent_by(lambda: board.person.get(f"/api/v1/tasks/{task['id']}/messages")),
        }
    assert found == {
        "status": 4,
        "claim": 4,
        "heartbeat": 4,
        "create": 4,
        "link": 5,
        "search": 4,
        "survey": 4,
        "history": 5,
        "message": 4,
        "load": 5,
        "list": 3,
        "one": 3,
        "thread": 4,
    }


async def test_a_key_for_repetition_costs_one_round_trip(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        keys = iter(["a", "b"])
        call = lambda: board.person.post("/api/v1/tasks", json={"title": "T"}, headers={"Idempotency-Key": next(keys)})  # noqa: E731
        assert await sent_by(call) == 5
