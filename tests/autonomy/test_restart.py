"""A request outlives the processes that wrote it: both are killed before anybody has decided."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from uuid import UUID

import httpx

from app.kernel.settings import ROOT
from tests import boards, make
from tests.autonomy import desk
from tests.boards import OWNER
from tests.mcp.served import free_port
from tests.runtime.api.desk import COMMANDS

PROBE = {"command_type": "runtime.probe", "payload": {"note": "once"}, "policy_profile": "manual_review"}
ATTEMPTS = "SELECT count(*) FROM runtime_command_attempts WHERE command_id = $1"


@asynccontextmanager
async def running(url: str):
    """An API process and a worker; both are killed at the end. Answers the address."""
    port = free_port()
    given = {"DATABASE_URL": url, "CALLBOARD_PORT": str(port), "CALLBOARD_LOG_LEVEL": "error"}
    given["CALLBOARD_DATA_DIR"] = boards.data_dir(url)
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **given}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "app", verb, env=environment, start_new_session=True, stdout=asyncio.subprocess.DEVNULL
        )
        for verb in ("serve", "worker")
    ]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in processes:
            assert process.returncode is None, "it ended by itself"
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def posted(board, address: str, who: str, path: str, body: dict) -> dict:
    """The answer of a server that may still be starting."""
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as client:

        async def answered():
            try:
                return await client.post(path, json=body, headers={"Authorization": f"Bearer {board.tokens[who]}"})
            except httpx.TransportError:
                return None

        answer = await make.until(answered)
    assert answer.status_code in (200, 201), answer.text
    found: dict = answer.json()
    return found


async def test_a_killed_api_and_worker_forget_nothing_that_waits_for_a_decision(crew, admin, urls):
    async with running(urls[1]) as address:
        command = await posted(crew, address, OWNER, COMMANDS, PROBE)
        lives = "SELECT count(*) > 0 FROM runtime_workers"
        await make.until(lambda: admin.fetchval(lives))
    approval = {"id": (await desk.listed(crew, "ada", mine=True))[0], "command_id": command["id"]}
    assert await desk.command_of(admin, approval) == ("held", "approval")
    async with running(urls[1]) as address:
        after = await posted(crew, address, "ada", f"{desk.APPROVALS}/{approval['id']}/approve", {})
        assert (after["state"], after["command_id"]) == ("approved", command["id"])

        async def is_done():
            return (await desk.command_of(admin, approval))[0] == "succeeded"

        await make.until(is_done)
    assert await admin.fetchval(ATTEMPTS, UUID(command["id"])) == 1
    assert await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE type = 'runtime.probe'") == 1
