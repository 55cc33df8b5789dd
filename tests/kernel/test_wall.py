"""The wall between accounts: in the schema, for the service's roles, and over HTTP."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.kernel.db import APP_ROLE, AUTH_ROLE, RUNTIME_ROLE
from tests import boards, make

# Tables of the process, not of any account.
SHARED = {"alembic_version", "runtime_workers", "runtime_clock", "runtime_metrics"}
UNWALLED = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT (
    c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
        SELECT FROM pg_policies p WHERE p.tablename = c.relname AND $1 = ANY(p.roles::text[]) AND p.cmd = 'ALL'
          AND p.qual LIKE '%app.account_id%'))
"""
TENANT_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> ALL($1) ORDER BY 1
"""
FOREIGN_KEYS = """
SELECT k.conname, k.conrelid::regclass::text AS source, k.confrelid::regclass::text AS target,
    ARRAY(SELECT attname::text FROM unnest(k.conkey) WITH ORDINALITY u (n, i) JOIN pg_attribute a
          ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.i) AS columns
FROM pg_constraint k WHERE k.contype = 'f'
"""
UNIQUES = """
SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS source,
    ARRAY(SELECT attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY u (n, o) JOIN pg_attribute a
          ON a.attrelid = i.indrelid AND a.attnum = u.n ORDER BY u.o) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND n.nspname = 'public'
"""
# Looked up before the account is known.
GLOBAL_UNIQUES = {("accounts", ("id",)), ("accounts", ("slug",)), ("api_tokens", ("prefix",))}


async def unwalled(admin) -> set[str]:
    return {row["relname"] for row in await admin.fetch(UNWALLED, APP_ROLE)} - SHARED


async def tenant_tables(admin) -> list[str]:
    return [row["relname"] for row in await admin.fetch(TENANT_TABLES, list(SHARED))]


async def test_every_tenant_table_has_a_policy_that_binds_its_owner_too(admin):
    assert await unwalled(admin) == set()
    assert len(await tenant_tables(admin)) >= 20


async def test_a_new_table_without_a_policy_does_not_pass(admin):
    await admin.execute("CREATE TABLE forgotten (account_id uuid, id uuid)")
    assert await unwalled(admin) == {"forgotten"}
    await admin.execute("ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY; ALTER TABLE forgotten FORCE ROW LEVEL SECURITY")
    assert await unwalled(admin) == {"forgotten"}
    await admin.execute(f"CREATE POLICY tenant ON forgotten TO {APP_ROLE} USING (true)")
    assert await unwalled(admin) == {"forgotten"}


@pytest.mark.parametrize("role", [APP_ROLE, RUNTIME_ROLE, AUTH_ROLE, "callboard_test_service"])
async def test_no_role_that_serves_can_bypass_the_wall(admin, role):
    row = await admin.fetchrow("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = $1", role)
    assert tuple(row) == (False, False, False)
    owned = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner = $1::regrole"
    assert await admin.fetchval(owned, role) == 0


async def test_the_service_cannot_become_the_role_that_looks_up_tokens(database):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.app.execute(f"SET ROLE {AUTH_ROLE}")


async def test_without_an_account_no_row_is_seen(board, admin):
    await board.task(assignee_slugs=["engineer"])
    for table in await tenant_tables(admin):
        assert await board.database.app.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_in_another_account_no_row_is_seen(board, admin):
    await board.task(assignee_slugs=["engineer"])
    other = await make.account(admin)
    async with board.database.transaction(other, origin=make.ORIGIN) as tx:
        for table in await tenant_tables(admin):
            own = 1 if table in ("accounts", "event_counters") else 0
            assert await tx.value(f"SELECT count(*) FROM {table}") == own, table


@pytest.mark.parametrize("own", [True, False])
async def test_a_row_of_another_account_is_refused(database, admin, own):
    first, second = await make.account(admin), await make.account(admin)
    sql = (
        "INSERT INTO skills (account_id, id, slug, name, description, content, is_enabled) VALUES ($1, $2, 's', '', '', '', true)"
    )

    async def insert() -> None:
        async with database.transaction(first, origin=make.ORIGIN) as tx:
            await tx.value(sql, first if own else second, uuid4())

    if own:
        await insert()
        return
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await insert()


async def test_a_row_does_not_move_to_another_account(board, admin):
    task, other = await board.task(), await make.account(admin)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
            await tx.value("UPDATE tasks SET account_id = $1 WHERE id = $2", other, task["id"])


@pytest.mark.parametrize("sql", ["UPDATE events SET type = 'a:b:c'", "DELETE FROM events", "TRUNCATE events"])
@pytest.mark.parametrize("pool", ["app", "runtime"])
async def test_the_log_is_never_rewritten(board, pool, sql):
    await board.task()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await getattr(board.database, pool).execute(sql)


@pytest.mark.parametrize("table", ["tasks", "messages", "agents", "people", "api_tokens", "accounts", "documents"])
async def test_the_runtime_role_reads_no_board(database, table):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.runtime.fetch(f"SELECT * FROM {table}")


async def test_every_foreign_key_between_tenant_tables_is_composite(admin):
    keys = await admin.fetch(FOREIGN_KEYS)
    loose = [row["conname"] for row in keys if row["target"] != "accounts" and row["columns"][0] != "account_id"]
    single = [row["conname"] for row in keys if row["target"] != "accounts" and len(row["columns"]) < 2]
    assert (loose, single) == ([], [])
    assert {tuple(row["columns"]) for row in keys if row["target"] == "accounts"} == {("account_id",)}


async def test_every_unique_key_starts_with_the_account(admin):
    rows = [(row["source"], tuple(row["columns"])) for row in await admin.fetch(UNIQUES) if row["source"] not in SHARED]
    assert {row for row in rows if row[1][0] != "account_id"} == GLOBAL_UNIQUES


CALLS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "/api/v1/tasks/{id}", None),
    ("PATCH", "/api/v1/tasks/{id}", {"title": "B"}),
    ("POST", "/api/v1/tasks/{id}/status", {"status": "archived"}),
    ("POST", "/api/v1/tasks/{id}/assign", {"assignee_slugs": ["writer"]}),
    ("POST", "/api/v1/tasks/{id}/reopen", {}),
    ("POST", "/api/v1/tasks/{id}/restore", {}),
    ("POST", "/api/v1/tasks/{id}/messages", {"content": "hi"}),
    ("GET", "/api/v1/tasks/{id}/messages", None),
    ("GET", "/api/v1/tasks/{id}/events", None),
    ("GET", "/api/v1/tasks/{id}/worktree", None),
    ("POST", "/api/v1/tasks/{id}/worktree", {}),
    ("GET", "/api/v1/tasks/{id}/vcs-refs", None),
    ("POST", "/api/v1/tasks/{id}/vcs-refs", {"provider": "forge", "number": 1}),
    ("POST", "/api/v1/policies/explain", {"action": "task.close", "task_id": "{id}"}),
]
AGENT_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("task-load", {}),
    ("task-get", {}),
    ("task-thread", {}),
    ("task-history", {}),
    ("task-delete", {"reason": "r"}),
    ("task-link-pr", {"vcs_ref": {"provider": "forge", "number": 1}}),
    ("task-status", {"status": "in_progress"}),
    ("task-assign", {"assignee_slugs": ["writer"]}),
    ("task-message", {"content": "hi"}),
    ("task-message", {"content": "hi", "notification_id": "{id}"}),
    ("git-status", {}),
    ("git-diff", {"against_base": True}),
    ("git-commit", {"message": "Mend it"}),
    ("git-push", {}),
]


def filled(value: Any, identity: str) -> Any:
    if isinstance(value, dict):
        return {name: filled(one, identity) for name, one in value.items()}
    return value.format(id=identity) if isinstance(value, str) else value


async def answered(client, method, path, body, identity) -> tuple[int, str]:
    """The answer with what must differ taken out."""
    answer = await client.request(method, filled(path, identity), json=filled(body, identity))
    ids = [identity, answer.headers["X-Request-ID"]]
    correlation = answer.json().get("correlation_id")
    text = answer.text
    for one in [*ids, *([correlation] if correlation else [])]:
        text = text.replace(one, "…")
    return answer.status_code, text


async def test_what_another_account_has_is_answered_like_what_is_absent(urls, admin):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        hidden, absent = await theirs.task(assignee_slugs=["engineer"]), str(uuid4())
        foreign = [hidden["id"], await theirs.agent_id("engineer")]
        before = await admin.fetchval("SELECT count(*) FROM events")
        for method, path, body in CALLS:
            of_foreign = await answered(mine.person, method, path, body, foreign[0])
            assert of_foreign == await answered(mine.person, method, path, body, absent), path
            assert of_foreign[0] == 404 or path.endswith("/events")
        for verb, fields in AGENT_CALLS:
            body, at = {"task_id": "{id}"} | fields, f"/agent/{verb}"
            of_foreign = await answered(mine.as_("orchestrator"), "POST", at, body, foreign[0])
            assert of_foreign == await answered(mine.as_("orchestrator"), "POST", at, body, absent), verb
            assert of_foreign[0] == 404
        for method, path in (("GET", "/api/v1/agents/{id}"), ("PATCH", "/api/v1/agents/{id}"), ("DELETE", "/api/v1/tokens/{id}")):
            body = None if method == "GET" else {}
            of_foreign = await answered(mine.person, method, path, body, foreign[1])
            assert of_foreign == await answered(mine.person, method, path, body, absent), path
        assert await admin.fetchval("SELECT count(*) FROM events") == before
        assert (await theirs.person.get(f"/api/v1/tasks/{hidden['id']}")).json() == hidden
