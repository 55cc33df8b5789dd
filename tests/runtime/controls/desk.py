"""An operator at the routes that steer the runtime."""

from typing import Any

import httpx
import msgspec

RUNTIME = "/api/v1/admin/runtime"
WHY = "because of a drill"


async def put(board, name: str, value: Any, **fields: Any) -> httpx.Response:
    answer: httpx.Response = await board.person.put(f"{RUNTIME}/settings/{name}", json={"value": value, "reason": WHY} | fields)
    return answer


async def set_(board, name: str, value: Any, **fields: Any) -> dict[str, Any]:
    return ok(await put(board, name, value, **fields))


async def reset(board, name: str) -> dict[str, Any]:
    return ok(await board.person.delete(f"{RUNTIME}/settings/{name}", params={"reason": WHY}))


async def setting(board, name: str) -> dict[str, Any]:
    items = ok(await board.person.get(f"{RUNTIME}/settings"))["items"]
    return next(item for item in items if item["name"] == name)


async def pause(board, kind: str, name: str = "") -> dict[str, Any]:
    return ok(await board.person.post(f"{RUNTIME}/pauses", json={"kind": kind, "name": name, "reason": WHY}), status=201)


async def resume(board, kind: str, name: str = "") -> httpx.Response:
    path = f"{RUNTIME}/pauses/{kind}" + (f"/{name}" if name else "")
    answer: httpx.Response = await board.person.delete(path, params={"reason": WHY})
    return answer


async def pauses(board) -> dict[str, dict[str, Any]]:
    items = ok(await board.person.get(f"{RUNTIME}/pauses"))["items"]
    return {f"{item['kind']}:{item['name']}": item for item in items}


def ok(answer: httpx.Response, *, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


async def told(admin, kind: str) -> list[dict[str, Any]]:
    """What the log says of events of this kind, oldest first."""
    rows = await admin.fetch("SELECT payload, actor_kind, actor_id, sequence FROM events WHERE type = $1 ORDER BY seq", kind)
    return [
        msgspec.json.decode(row["payload"]) | {name: row[name] for name in ("actor_kind", "actor_id", "sequence")} for row in rows
    ]
