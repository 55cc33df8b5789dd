"""Operators at their routes: submitting, moving and reading commands, and workers that run them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app import main
from app.runtime.taxonomy import REGISTRY
from app.runtime.worker import Worker

RUNTIME = "/api/v1/admin/runtime"
COMMANDS = f"{RUNTIME}/commands"
PROBE: dict[str, Any] = {"command_type": "runtime.probe"}


async def submitted(board, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
    """A probe that was accepted."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = await board.person.post(COMMANDS, json=PROBE | fields, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ask(board, command: dict[str, Any], verb: str, **body: Any) -> httpx.Response:
    answer: httpx.Response = await board.person.post(f"{COMMANDS}/{command['id']}/{verb}", json=body)
    return answer


async def moved(board, command: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    answer = await ask(board, command, verb, **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(board, command: dict[str, Any], verb: str, **body: Any) -> str:
    """The code of the refusal, which must be a conflict."""
    answer = await ask(board, command, verb, **body)
    assert answer.status_code == 409, answer.text
    return str(answer.json()["error"]["code"])


async def read(board, path: str, **query: Any) -> dict[str, Any]:
    answer = await board.person.get(f"{RUNTIME}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def status(board, command: dict[str, Any]) -> str:
    return str((await read(board, f"commands/{command['id']}"))["status"])


async def events_of(board, command: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await read(board, f"commands/{command['id']}/trace"))["events"]
    return found


def heard(monkeypatch, kind: type) -> list[Any]:
    """What the rooms above are told of this kind from now on."""
    found: list[Any] = []

    async def hear(_tx: Any, happened: Any) -> None:
        found.append(happened)

    monkeypatch.setitem(main.SUBSCRIBERS, kind, [*main.SUBSCRIBERS.get(kind, []), hear])
    return found


@asynccontextmanager
async def working(board, **fields: Any) -> AsyncIterator[Worker]:
    """A worker that runs what is due."""
    stop = asyncio.Event()
    worker = Worker(board.database, board.settings.database_url, handlers=REGISTRY.handlers(), **{"slots": 10} | fields)
    running = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await running
