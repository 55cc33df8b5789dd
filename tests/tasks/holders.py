"""Acting as those who hold tasks, and looking at what that leaves."""

from typing import Any
from uuid import UUID

from app.tasks import leasing
from tests import make

NOTES = {"summary": "Half of it stands.", "tried": ["the short way"]}


async def say(board, who: str, verb: str, task=None, *, fence_header: object = None, **body: Any):
    headers = {} if fence_header is None else {"X-Lease-Fence": str(fence_header)}
    named = {"task_id": task["id"]} if task else {}
    return await board.as_(who).post(f"/agent/{verb}", json=named | body, headers=headers)


async def did(board, who: str, verb: str, task=None, **body: Any) -> dict[str, Any]:
    answer = await say(board, who, verb, task, **body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error", {}).get("code")


async def held(board, *others: str, who: str = "engineer", **fields: Any) -> tuple[dict[str, Any], int]:
    """A task that `who` holds and the others are assigned to, and its fence."""
    task = await board.task(**({"assignee_slugs": [who, *others], "acceptance_criteria": ["It works."]} | fields))
    return task, await board.claim(who, task["id"])


async def everything(admin, task) -> tuple[Any, ...]:
    """What a refused write must leave as it was."""
    row = await admin.fetchrow("SELECT * FROM tasks WHERE id = $1", UUID(task["id"]))
    tables = ("events", "task_vcs_refs", "task_handoffs", "runtime_commands")
    counts = [await admin.fetchval(f"SELECT count(*) FROM {table}") for table in tables]
    criteria = [tuple(one) for one in await admin.fetch("SELECT * FROM task_criteria ORDER BY id")]
    return (tuple(row), counts, criteria)


async def lapse(admin, task) -> None:
    """Let the lease run out without anybody taking the task back."""
    await admin.execute("UPDATE tasks SET lease_until = callboard_now() - interval '1 s' WHERE id = $1", UUID(task["id"]))


async def expire(board, task, fence: int) -> bool:
    """Do what the board does when it looks at a lease that should be over."""
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        return await leasing.expire(tx, UUID(task["id"]), fence)


async def short(admin) -> None:
    """Leases of one second, which no person may set."""
    await admin.execute("""UPDATE accounts SET settings = settings || '{"lease_seconds": 1}'""")


# What holds on every board at every moment.
HALF_LEASES = """SELECT count(*) FROM tasks
    WHERE num_nonnulls(lease_agent_id, lease_kind, lease_until) NOT IN (0, 3)"""
OVER_CAPACITY = """SELECT count(*) FROM (
    SELECT 1 FROM tasks t JOIN agents a ON a.account_id = t.account_id AND a.id = t.lease_agent_id
    WHERE t.lease_until > callboard_now() GROUP BY a.id, a.capacity HAVING count(*) > a.capacity) AS agents"""
MISPLACED = """SELECT count(*) FROM tasks
    WHERE (lease_kind = 'work' AND status <> 'in_progress') OR (lease_kind = 'review' AND status <> 'review')"""
TORN_STREAMS = """SELECT count(*) FROM (
    SELECT entity_id FROM events WHERE entity_kind = 'task' GROUP BY entity_id
    HAVING min(sequence) <> 1 OR max(sequence) <> count(*) OR count(DISTINCT sequence) <> count(*)) AS streams"""


async def consistent(admin) -> None:
    for question in (HALF_LEASES, OVER_CAPACITY, MISPLACED, TORN_STREAMS):
        assert await admin.fetchval(question) == 0, question


async def hired(board, number: int) -> list[str]:
    """The slugs of so many new agents that can be called."""
    slugs = [f"worker-{one}" for one in range(number)]
    for slug in slugs:
        made = await board.person.post("/api/v1/agents", json={"slug": slug, "name": slug, "role": "Worker"})
        assert made.status_code == 201, made.text
        token = await board.person.post("/api/v1/tokens", json={"name": slug, "agent_slug": slug})
        assert token.status_code == 201, token.text
        board.tokens[slug] = token.json()["token"]
    return slugs
