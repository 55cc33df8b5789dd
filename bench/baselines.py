"""What the product is compared with: bare ASGI applications on the same server, driver and encoder.

Run: python -m bench.baselines same|bare PORT, with BENCH_STAGE naming a file of pickled credentials and recordings.
"""

import hashlib
import hmac
import os
import pickle
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from app.kernel import db
from app.kernel.ids import new_id
from bench.stage import Seat

POOL_SIZE = 16
CALLS = {
    ("POST", "/agent/task-status"): "status",
    ("POST", "/agent/task-message"): "message",
    ("POST", "/api/v1/tasks"): "create",
    ("GET", "/api/v1/tasks"): "list",
}
AUTHENTICATE = "SELECT * FROM authenticate($1)"
LOCK = "SELECT id, status, version FROM tasks WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE"
MOVE = """UPDATE tasks SET status = $3, blocked_reason = $4, updated_at = now(), version = version + 1
WHERE account_id = $1 AND id = $2"""
TOUCH = "UPDATE tasks SET last_message_at = now(), updated_at = now() WHERE account_id = $1 AND id = $2"
SAY = """INSERT INTO messages (account_id, id, task_id, author_kind, author_id, author_name, content, mentions, depth, created_at)
VALUES ($1, $2, $3, 'agent', $4, $5, $6, '{}', 0, now())"""
CREATE = """INSERT INTO tasks (account_id, id, title, description, status, priority, labels, version, is_coordination,
    created_by_kind, created_by_id, lease_fence, created_at, updated_at)
VALUES ($1, $2, $3, '', 'inbox', 3, '{}', 1, false, 'person', $4, 0, now(), now())"""
NEWEST = """SELECT id, title, description, status, priority, labels, due_at, blocked_reason, version, created_by_kind,
    created_by_id, created_at, updated_at, last_message_at, completed_at, archived_at
FROM tasks WHERE account_id = $1 AND status <> 'archived' ORDER BY id DESC LIMIT 50"""
_encode = msgspec.json.Encoder().encode


class Asked(msgspec.Struct):
    task_id: str | None = None
    status: str = ""
    blocked_reason: str | None = None
    content: str = ""
    title: str = ""


_decode = msgspec.json.Decoder(Asked).decode
Handle = Callable[[Any, Seat, str, Asked], Awaitable[Any]]


async def same(connection: Any, seat: Seat, call: str, asked: Asked) -> Any:
    """The recorded statements of the product, without its rules and views."""
    result = None
    for method, sql, arguments in seat.tapes[asked.status or call].play(asked.task_id):
        result = await getattr(connection, method)(sql, *arguments)
    return [dict(row) for row in result] if call == "list" and result else {"id": asked.task_id}


async def bare(connection: Any, seat: Seat, call: str, asked: Asked) -> Any:
    """The least that could serve the call."""
    account_id = seat.principal.account_id
    if call == "list":
        return [dict(row) for row in await connection.fetch(NEWEST, account_id)]
    found = await connection.fetchrow(AUTHENTICATE, seat.token.split("_")[1])
    if not hmac.compare_digest(found["hash"], hashlib.sha256(seat.token.encode()).digest()):
        raise PermissionError
    if call == "create":
        await connection.execute(CREATE, account_id, new_id(), asked.title, seat.principal.id)
        return {"id": None}
    task_id = UUID(asked.task_id)
    card = await connection.fetchrow(LOCK, account_id, task_id)
    if call == "status":
        await connection.execute(MOVE, account_id, task_id, asked.status, asked.blocked_reason)
    else:
        await connection.execute(SAY, account_id, new_id(), task_id, seat.principal.id, seat.principal.name, asked.content)
        await connection.execute(TOUCH, account_id, task_id)
    return {"id": card["id"]}


class Application:
    """Raw ASGI: find the credential, open the tenant's transaction, handle, answer."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._seats: dict[bytes, Seat] = {}
        self._pool: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        seat = self._seats[dict(scope["headers"])[b"authorization"]]
        raw = await _body(receive)
        asked = _decode(raw) if raw else Asked()
        async with self._pool.acquire() as connection:
            await connection.execute(db.begin(seat.principal.account_id))
            answer = await self._handle(connection, seat, CALLS[scope["method"], scope["path"]], asked)
            await connection.execute("COMMIT")
        content = _encode(answer)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _live(self, receive: Any, send: Any) -> None:
        while (await receive())["type"] == "lifespan.startup":
            url, seats = _staged()
            self._seats = {f"Bearer {seat.token}".encode(): seat for seat in seats}
            self._pool = await db.pool(url, role=db.APP_ROLE, size=POOL_SIZE)
            await send({"type": "lifespan.startup.complete"})
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


def _staged() -> tuple[str, list[Seat]]:
    staged: tuple[str, list[Seat]] = pickle.loads(Path(os.environ["BENCH_STAGE"]).read_bytes())
    return staged


async def _body(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def same_application() -> Application:
    return Application(same)


def bare_application() -> Application:
    return Application(bare)


if __name__ == "__main__":
    Granian(
        target=f"bench.baselines:{sys.argv[1]}_application",
        factory=True,
        interface=Interfaces.ASGI,
        address="127.0.0.1",
        port=int(sys.argv[2]),
        workers=1,
        loop=Loops.uvloop,
        websockets=False,
        log_access=False,
        log_level=LogLevels.warning,
    ).serve()
