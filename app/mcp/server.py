"""The MCP server of one process, over the official SDK."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from app.agentapi import functions
from app.agentapi.waiting import Waiting
from app.kernel.db import Database
from app.mcp import calling, instructions, resources
from app.mcp.listing import Catalogue
from app.mcp.types import CALLER, Caller, Endpoint

Context = Any


@asynccontextmanager
async def opened(endpoint: Endpoint, database: Database, waiting: Waiting) -> AsyncIterator[StreamableHTTPSessionManager]:
    """The SDK behind the endpoint; it keeps nothing between requests, so any process may answer any of them."""
    # The SDK says at INFO that each request begins and ends.
    logging.getLogger("mcp").setLevel(logging.WARNING)
    manager = StreamableHTTPSessionManager(
        app=_server(Catalogue(endpoint.verbs), database, waiting, version=endpoint.version),
        json_response=True,
        stateless=True,
        max_request_body_size=endpoint.most,
        # The route has looked at the origin, and refuses as every other route does.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    async with manager.run():
        yield manager


def _server(catalogue: Catalogue, database: Database, waiting: Waiting, *, version: str) -> "Server[Any]":
    async def list_tools(context: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        caller = _caller(context)
        offered = await functions.offered(database, catalogue.verbs.values(), caller.principal, origin=caller.origin)
        return types.ListToolsResult(tools=catalogue.listed(offered, caller.toolsets))

    async def call_tool(context: Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
        return await calling.call(database, waiting, catalogue, _caller(context), asked)

    async def list_resources(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=resources.LISTED)

    async def list_templates(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=resources.TEMPLATES)

    async def read_resource(context: Context, asked: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return await resources.read(database, catalogue, _caller(context), str(asked.uri))

    server: Server[Any] = Server(
        "callboard",
        version=version,
        instructions=instructions.TEXT,
        # No argument is mirrored in a header, so there is nothing to look up for each call.
        get_tool_input_schema=lambda _: None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )
    # The SDK would trace each message; the board's traces are made of its events.
    server.middleware.clear()
    return server


def _caller(context: Context) -> Caller:
    caller: Caller = context.request.scope["state"][CALLER]
    return caller
