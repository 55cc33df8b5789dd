"""People who ask for and decide about held commands."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx

from app.accounts import service as accounts
from app.kernel.ids import new_id
from app.kernel.types import ActorKind, Principal, Role
from app.runtime.service import submit
from app.runtime.types import Terms
from tests import make
from tests.boards import OWNER

APPROVALS = "/api/v1/approvals"
DELEGATIONS = f"{APPROVALS}/delegations"


async def hire(board, name: str, role: str = "admin") -> str:
    """Somebody with that role and a token; answers the name to call them by."""
    identity = new_id()
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        people = """INSERT INTO people (account_id, id, email, handle, name, role) VALUES ($1, $2, $3, $3, $3, $4)"""
        await tx.value(people, board.account_id, identity, name, role)
        _, token = accounts.issue_token(tx, principal_kind=ActorKind.PERSON, principal_id=identity, name="t", created_by=None)
    board.tokens[name] = token
    return name


async def principal(board, name: str) -> Principal:
    found = (await board.person.get("/api/v1/people")).json()["items"]
    person = next(one for one in found if one["email"] == name)
    role, account_id = Role(person["role"]), board.account_id
    return Principal(kind=ActorKind.PERSON, id=UUID(person["id"]), account_id=account_id, name=person["name"], role=role)


async def person_id(board, name: str) -> str:
    return str((await principal(board, name)).id)


async def held(board, *, by: str | None = OWNER, lane_id: UUID | None = None, **terms: Any) -> dict[str, Any]:
    """The approval of a command that somebody asked for; nobody means the board itself."""
    actor = await principal(board, by) if by else None
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        order = make.order(type="test.approved", idempotency_key=uuid4().hex, lane_id=lane_id)
        command_id = await submit(tx, order, actor=actor, terms=Terms(**terms))
    found = (await board.person.get(APPROVALS)).json()["items"]
    return next(dict(one) for one in found if one["command_id"] == str(command_id))


async def say(board, who: str, verb: str, approval: dict[str, Any], **body: Any) -> httpx.Response:
    answer: httpx.Response = await board.as_(who).post(f"{APPROVALS}/{approval['id']}/{verb}", json=body)
    return answer


async def said(board, who: str, verb: str, approval: dict[str, Any], **body: Any) -> dict[str, Any]:
    """The approval after somebody voted, which was accepted."""
    answer = await say(board, who, verb, approval, **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(board, who: str, verb: str, approval: dict[str, Any], **body: Any) -> tuple[int, str, str | None]:
    """Status, code, and the reason or the state that was in the way."""
    answer = await say(board, who, verb, approval, **body)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["details"].get("state") or error["details"].get("reason")


async def detail(board, approval: dict[str, Any], *, who: str = OWNER) -> dict[str, Any]:
    answer = await board.as_(who).get(f"{APPROVALS}/{approval['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def listed(board, who: str, **query: Any) -> list[str]:
    answer = await board.as_(who).get(APPROVALS, params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


async def command_of(admin, approval: dict[str, Any]) -> tuple[str, str | None]:
    """State of the command, and why it is held."""
    sql = "SELECT state, held_by FROM runtime_commands WHERE id = $1"
    return tuple(await admin.fetchrow(sql, UUID(approval["command_id"])))


async def told(admin, approval: dict[str, Any]) -> list[tuple[str, int]]:
    """The events of an approval, in order."""
    sql = "SELECT type, sequence FROM events WHERE entity_id = $1 ORDER BY seq"
    return [(row["type"].rpartition(":")[2], row["sequence"]) for row in await admin.fetch(sql, UUID(approval["id"]))]


async def last_told(admin, identity: str) -> tuple[str, dict[str, Any]]:
    sql = "SELECT type, payload::text FROM events WHERE entity_id = $1 ORDER BY seq DESC LIMIT 1"
    row = await admin.fetchrow(sql, UUID(identity))
    return row["type"], json.loads(row["payload"])


async def delegate(board, giver: str, taker: str, **fields: Any) -> None:
    body = {"to_person_id": await person_id(board, taker), "until": "2099-01-01T00:00:00Z", "reason": "holiday"} | fields
    answer = await board.as_(giver).post(DELEGATIONS, json=body)
    assert answer.status_code == 201, answer.text
