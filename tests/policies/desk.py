"""Acting on a board as somebody, and asking what they may do."""

from typing import Any

from app.accounts import service
from app.kernel.ids import new_id
from app.kernel.types import ActorKind
from tests.make import ORIGIN

Answer = tuple[int, str | None]
CLOSED: Answer = (200, None)


async def flags(board, slug: str, **changed: bool | None) -> None:
    answer = await board.person.patch(f"/api/v1/agents/{await board.agent_id(slug)}", json={"flags": changed})
    assert answer.status_code == 200, answer.text


async def account(board, **changed: Any) -> None:
    answer = await board.person.patch("/api/v1/account", json=changed)
    assert answer.status_code == 200, answer.text


async def in_review(board, worker: str = "engineer", *others: str) -> dict[str, Any]:
    """A task that `worker` brought to review; `others` are assigned and did nothing."""
    task: dict[str, Any] = await board.task(assignee_slugs=[worker, *others])
    fence = await board.claim(worker, task["id"])
    answer = await board.as_(worker).post("/agent/task-status", json={"task_id": task["id"], "status": "review", "fence": fence})
    assert answer.status_code == 200, answer.text
    return task


async def person(board, admin, role: str) -> str:
    """Somebody of that role, with a token; answers the name to call them by."""
    identity, email = new_id(), f"{role}@example.com"
    people = "INSERT INTO people (account_id, id, email, handle, name, role) VALUES ($1, $2, $3, $4, $4, $4)"
    await admin.execute(people, board.account_id, identity, email, role)
    async with board.database.transaction(board.account_id, origin=ORIGIN) as tx:
        _, token = service.issue_token(tx, principal_kind=ActorKind.PERSON, principal_id=identity, name="t", created_by=None)
    board.tokens[email] = token
    return email


async def close(board, who: str, task: dict[str, Any]) -> tuple[int, str | None]:
    """Ask for `done` as somebody; answers the status code and the reason of a refusal."""
    if "@" in who:
        answer = await board.as_(who).post(f"/api/v1/tasks/{task['id']}/status", json={"status": "done"})
    else:
        answer = await board.as_(who).post("/agent/task-status", json={"task_id": task["id"], "status": "done"})
    return answer.status_code, answer.json().get("error", {}).get("details", {}).get("reason")


async def explained(board, who: str, task: dict[str, Any], action: str, **fields: Any) -> dict[str, Any]:
    name = "email" if "@" in who else "agent_slug"
    asked = {"action": action, name: who, "task_id": task["id"]} | fields
    answer = await board.person.post("/api/v1/policies/explain", json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
