"""The outside of the contract kit that is an MCP peer, made with the SDK's own server."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from app.agents.types import Adapter
from app.delivery.gateway.contract import Gateway
from app.delivery.gateway.peers import Peers
from app.delivery.gateway.posting import ANSWER_LIMIT
from tests.delivery.gateway.kit import RETRY_AFTER, Cut, Fails, Hangs, Malformed, Says, TooLarge, World, patiently
from tests.delivery.gateway.outsides import REFUSALS
from tests.delivery.gateway.programs import answered


class McpWorld(World):
    """The SDK's own server over HTTP; what it cannot do by itself is done in front of it."""

    adapter = Adapter.MCP
    settings: ClassVar[Mapping[str, Any]] = {"tool": "ask", "input": "json"}

    def __init__(self) -> None:
        super().__init__()
        self._inside = 0
        self._port = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["McpWorld"]:
        import uvicorn
        from mcp.server.mcpserver import MCPServer

        peer = MCPServer("peer", log_level="CRITICAL")
        peer.add_tool(self._ask, name="ask")
        application = peer.streamable_http_app()

        async def front(scope: Any, receive: Any, send: Any) -> None:
            await self._in_front(application, scope, receive, send)

        config = uvicorn.Config(front, port=0, log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        await patiently(lambda: server.started)
        self._port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.should_exit = True
            await serving

    def gateway(self) -> Gateway:
        return Peers()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/mcp"

    async def begun(self) -> None:
        await patiently(lambda: self._inside)

    async def ended(self) -> None:
        await patiently(lambda: not self._inside)

    async def _ask(self, prompt: str) -> dict[str, Any]:
        self.asked.append(prompt)
        self._inside += 1
        try:
            match self.play:
                case Says() as said:
                    return answered(said)
                case Hangs():
                    await asyncio.sleep(60)
                case TooLarge():
                    return {"text": "x" * (ANSWER_LIMIT + 1)}
                case Malformed():
                    return {"text": ["no text"]}
        finally:
            self._inside -= 1
        raise AssertionError(self.play)

    async def _in_front(self, application: Any, scope: Any, receive: Any, send: Any) -> None:
        """Refuse or break off the call itself; everything around it is the server's."""
        if scope["type"] != "http" or scope["method"] != "POST" or not isinstance(self.play, Fails | Cut):
            await application(scope, receive, send)
            return
        message = await receive()
        if b'"tools/call"' not in message["body"]:
            again = iter([message])

            async def repeated() -> Any:
                return next(again, None) or await receive()

            await application(scope, repeated, send)
            return
        status, error = REFUSALS[self.play.failure] if isinstance(self.play, Fails) else (200, {})
        body = json.dumps({"error": error}).encode() if error else b'{"jsonrpc": "2.0", "id": 2, "res'
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body) + (0 if error else 40)).encode())]
        if status == 429:
            headers.append((b"retry-after", str(RETRY_AFTER).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": not error})
        if not error:
            raise ConnectionError("cut")
