"""Keeping something as somebody, and reading it back."""

import json
from typing import Any

MEMORY = "/api/v1/memory"


async def put(board, who: str, at: str, content: Any, **fields: Any):
    """Write as a person; `at` is scope/key/name."""
    return await board.as_(who).put(f"{MEMORY}/{at}", json={"content": content} | fields)


async def kept(board, who: str, at: str, content: Any, **fields: Any) -> dict[str, Any]:
    answer = await put(board, who, at, content, **fields)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def gone(board, who: str, at: str, **fields: Any):
    return await board.as_(who).delete(f"{MEMORY}/{at}", params=fields)


async def got(board, who: str, at: str, **asked: Any):
    return await board.as_(who).get(f"{MEMORY}/{at}", params=asked)


async def verb(board, who: str, which: str, /, **body: Any):
    return await board.as_(who).post(f"/agent/memory-{which}", json=body)


def refusal(answer) -> tuple[int, str]:
    error = answer.json()["error"]
    return answer.status_code, error["details"].get("reason") or error["code"]


def conflict(answer) -> tuple[int, str, int]:
    """Status, code, and the version that there is."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["details"]["version"]


async def later(admin, seconds: float) -> None:
    """Let time pass on the board's clock."""
    await admin.execute("UPDATE runtime_clock SET at = at + make_interval(secs => $1)", seconds)


async def rows_left(admin) -> int:
    left: int = await admin.fetchval("SELECT count(*) FROM runtime_memory_snapshots")
    return left


async def memory_events(admin) -> list[tuple[str, int, dict[str, Any]]]:
    sql = "SELECT type, sequence, payload::text FROM events WHERE entity_kind = 'memory' ORDER BY seq"
    return [(row["type"].rpartition(":")[2], row["sequence"], json.loads(row["payload"])) for row in await admin.fetch(sql)]
