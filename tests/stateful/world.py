"""The real board as the machine sees it: a call of a verb or a route, and the rows behind it."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from app import main
from app.agentapi import functions
from app.kernel.types import Principal
from app.tasks import leasing
from tests.make import ORIGIN
from tests.stateful.facts import PERSON, Task

ROWS = """
SELECT t.id::text, t.title, t.status, t.version, t.parent_id::text AS parent, t.lease_kind AS kind, t.lease_fence AS fence,
    t.completed_at IS NOT NULL AS was_done, t.blocked_reason IS NOT NULL AS has_reason,
    coalesce(t.lease_until > callboard_now(), false) AS live, t.lease_until IS NOT NULL AS is_timed,
    (SELECT a.slug FROM agents a WHERE a.id = t.lease_agent_id) AS holder,
    ARRAY(SELECT coalesce(a.slug, p.email) FROM task_assignees x LEFT JOIN agents a ON a.id = x.agent_id
        LEFT JOIN people p ON p.id = x.person_id WHERE x.task_id = t.id AND x.removed_at IS NULL) AS assignees,
    ARRAY(SELECT x.depends_on_id::text FROM task_dependencies x WHERE x.task_id = t.id) AS deps
FROM tasks t WHERE t.id = ANY($1::uuid[])
"""
LAPSE = "UPDATE tasks SET lease_until = callboard_now() - interval '1 second' WHERE id = $1"
CLEAR = """
WITH forgotten AS (UPDATE task_texts SET is_open = false WHERE task_id = ANY($1::uuid[]))
UPDATE tasks SET status = 'archived', blocked_reason = NULL, lease_agent_id = NULL, lease_kind = NULL, lease_until = NULL
WHERE id = ANY($1::uuid[])
"""
SHOWN = ("id", "title", "status", "version", "parent", "kind", "fence", "was_done", "live", "holder")


class World:
    """Hypothesis drives it from a thread of its own; the board lives on the loop of the tests."""

    def __init__(self, board: Any, admin: Any) -> None:
        self._board, self._admin = board, admin
        self._loop = asyncio.get_running_loop()
        self._agents: dict[str, Principal] = {}

    def _do(self, act: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result()

    def verb(self, who: str, name: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
        """An agent's verb, as a function call."""
        outcome = self._do(self._verb(who, name, arguments))
        return outcome.status, outcome.content

    async def _verb(self, who: str, name: str, arguments: dict[str, Any]) -> functions.Outcome:
        if who not in self._agents:
            application = self._board._application.app
            self._agents[who] = await application.state.board.authenticate(self._board.tokens[who])
        given = {field: value for field, value in arguments.items() if value is not None}
        return await functions.invoke(
            self._board.database, main.VERBS, self._agents[who], name=name, arguments=given, origin=ORIGIN
        )

    def route(self, method: str, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        """A person's route, over HTTP."""
        answer = self._do(self._board.as_(PERSON).request(method, f"/api/v1/tasks{path}", json=body))
        return answer.status_code, answer.json()

    def rows(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        return {row["id"]: dict(row) for row in self._do(self._admin.fetch(ROWS, ids))}

    def lapse(self, task_id: str) -> None:
        self._do(self._admin.execute(LAPSE, task_id))

    def expire(self, task_id: str, fence: int) -> bool:
        return bool(self._do(self._expire(task_id, fence)))

    async def _expire(self, task_id: str, fence: int) -> bool:
        async with self._board.database.transaction(self._board.account_id, origin=ORIGIN) as tx:
            return await leasing.expire(tx, UUID(task_id), fence)

    def clear(self, ids: list[str]) -> None:
        self._do(self._admin.execute(CLEAR, ids))


def seen(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in SHOWN} | {name: set(row[name]) for name in ("assignees", "deps")}


def known(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in (*SHOWN, "assignees", "deps")}
