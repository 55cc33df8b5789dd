"""The SDK's own client, talking to a board of this process or to a served one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

MODERN = "2026-07-28"
LEGACY = "legacy"


@asynccontextmanager
async def connected(
    board: Any, who: str, *, mode: str = MODERN, toolset: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[Client]:
    """An MCP client that calls as that agent; `toolset` is what its address asks for."""
    sent = {"Authorization": f"Bearer {board.tokens[who]}"} | (headers or {})
    transport = httpx2.ASGITransport(app=board._application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, headers=sent, timeout=60) as http:
        url = "http://board/mcp" + (f"?toolset={toolset}" if toolset else "")
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            yield client


async def called(client: Client, tool: str, **arguments: Any) -> tuple[bool, dict[str, Any]]:
    """Whether the call was refused, and what it said."""
    result: CallToolResult = await client.call_tool(tool, arguments)
    assert isinstance(result.structured_content, dict), result
    return bool(result.is_error), result.structured_content
