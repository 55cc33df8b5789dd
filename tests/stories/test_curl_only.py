"""A crew that has nothing but curl."""

import asyncio
import json
import shutil
from typing import Any

import pytest

from tests import boards
from tests.mcp.served import serving
from tests.stories import crew_story
from tests.stories.crew_story import STATES


async def curl(url: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    said = ("-H", f"Authorization: Bearer {token}", "-d", json.dumps(body))
    command = ("curl", "-sS", "-w", "\n%{http_code}", *said, url)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    text, _, status = out.decode().rpartition("\n")
    return int(status), json.loads(text) if text else {}


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
async def test_a_crew_with_nothing_but_curl_takes_a_task_to_done(cluster, template):
    async with serving(cluster, template) as board:

        async def act(who: str, verb: str, **arguments: Any) -> tuple[str | None, dict[str, Any]]:
            status, said = await curl(f"{board.url}/agent/{verb}", board.tokens[who], arguments)
            return (None if status < 400 else said["error"]["code"]), said

        async def create() -> dict[str, Any]:
            status, made = await curl(f"{board.url}/api/v1/tasks", board.tokens[boards.OWNER], {"title": "Repair the lamp"})
            assert status == 201, made
            return made

        assert await crew_story.play(act, create) == STATES
