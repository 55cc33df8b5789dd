"""A crew that has nothing but an MCP client."""

from contextlib import AsyncExitStack
from typing import Any

from tests.mcp.clients import called, connected
from tests.policies import desk
from tests.stories import crew_story
from tests.stories.crew_story import CREW, STATES


async def test_a_crew_with_nothing_but_mcp_clients_takes_a_task_to_done(board):
    await desk.flags(board, "writer", can_create_tasks=True)
    async with AsyncExitStack() as stack:
        clients = {who: await stack.enter_async_context(connected(board, who, toolset="all")) for who in (*CREW, "writer")}

        async def act(who: str, verb: str, **arguments: Any) -> tuple[str | None, dict[str, Any]]:
            refused, said = await called(clients[who], verb.replace("-", "_"), **arguments)
            return (said["error"]["code"] if refused else None), said

        async def create() -> dict[str, Any]:
            return await crew_story.done(act, "writer", "task-create", title="Repair the lamp", description="It flickers.")

        assert await crew_story.play(act, create) == STATES
