"""What the register says of one entry, and taking it away."""

from typing import Any

from tests.make import until

REGISTER = "/api/v1/admin/runtime/deprecations"
NOTE = {"title": "Notes", "content": "text", "type": "note"}


async def entry(board, name: str) -> dict[str, Any]:
    items = (await board.person.get(REGISTER)).json()["items"]
    found: dict[str, Any] = next(one for one in items if one["name"] == name)
    return found


async def uses(board, name: str) -> int:
    return int((await entry(board, name))["uses"])


async def remove(board, name: str, *, is_removed: bool = True) -> None:
    """Take it away from the account, and wait until this process knows."""
    path = f"/api/v1/admin/runtime/settings/deprecated.{name}"
    answer = await board.person.put(path, json={"value": is_removed, "reason": "nobody uses it"})
    assert answer.status_code == 200, answer.text

    async def known() -> bool:
        return bool((await entry(board, name))["is_removed"]) is is_removed

    await until(known)
