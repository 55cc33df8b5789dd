"""What a client sees of the board over MCP, and what its calls come to."""

import json
from typing import cast

import jsonschema  # type: ignore[import-untyped]
import pytest
from mcp import MCPError
from mcp.types import RequestParamsMeta, TextContent

from app import main
from app.mcp import instructions
from app.policies.verbs import Toolset
from tests.mcp.clients import LEGACY, MODERN, called, connected
from tests.policies import desk

CORE_MOST = 8
LEADS = {"task_assign"}


def names(listed) -> set[str]:
    return {tool.name for tool in listed.tools}


def of_toolset(*toolsets: Toolset) -> set[str]:
    return {verb.tool for verb in main.VERBS if verb.toolset in toolsets}


@pytest.mark.parametrize("who", ["engineer", "reviewer", "orchestrator"])
async def test_by_default_the_core_is_listed_and_no_more_than_eight_tools(board, who):
    async with connected(board, who) as client:
        listed = names(await client.list_tools())
    assert listed == {"next"} | of_toolset(Toolset.CORE)
    assert len(listed) <= CORE_MOST


async def test_a_connection_that_asks_for_more_tools_is_shown_more(board):
    async with connected(board, "engineer", toolset="documents") as client:
        assert names(await client.list_tools()) == {"next"} | of_toolset(Toolset.CORE, Toolset.DOCUMENTS)
    async with (
        connected(board, "orchestrator", toolset="tasks,documents,team,memory,vcs") as some,
        connected(board, "orchestrator", toolset="all") as every,
    ):
        assert names(await some.list_tools()) == names(await every.list_tools())


async def test_the_list_shows_only_what_the_caller_could_ever_be_allowed(board):
    async with connected(board, "orchestrator", toolset="all") as client:
        everything = names(await client.list_tools())
    assert everything >= LEADS
    for who in ("engineer", "reviewer"):
        async with connected(board, who, toolset="all") as client:
            assert names(await client.list_tools()) & LEADS == set()
    await desk.flags(board, "engineer", can_create_documents=False, can_create_tasks=True)
    async with connected(board, "engineer", toolset="all") as client:
        listed = names(await client.list_tools())
    assert "task_create" in listed
    assert "document" not in listed


async def test_a_tool_that_is_not_listed_may_be_called(board):
    async with connected(board, "orchestrator") as client:
        assert "task_assign" not in names(await client.list_tools())
        task = await board.task()
        refused, said = await called(client, "task_assign", task_id=task["id"], assignee_slugs=["engineer"])
    assert (refused, said["status"]) == (False, "assigned")


async def test_a_tool_that_is_listed_to_nobody_like_the_caller_is_refused_with_the_reason(board):
    task = await board.task()
    async with connected(board, "engineer", toolset="all") as client:
        refused, said = await called(client, "task_assign", task_id=task["id"], assignee_slugs=["engineer"])
    assert (refused, said["error"]["code"], said["error"]["details"]["reason"]) == (True, "forbidden", "orchestrator_required")


async def test_every_tool_describes_one_object_with_nothing_to_look_up(board):
    await desk.flags(board, "orchestrator", can_create_tasks=True)
    async with connected(board, "orchestrator", toolset="all") as client:
        tools = (await client.list_tools()).tools
    for tool in tools:
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.destructive_hint is False
        for schema in (tool.input_schema, tool.output_schema or {}):
            assert schema["type"] == "object"
            assert "$ref" not in json.dumps(schema)
            jsonschema.Draft202012Validator.check_schema(schema)
    keyed = {tool.name for tool in tools if "idempotency_key" in tool.input_schema["properties"]}
    assert keyed == {verb.tool for verb in main.VERBS if not verb.reads}
    assert {tool.name for tool in tools if tool.annotations and tool.annotations.read_only_hint} == {
        verb.tool for verb in main.VERBS if verb.reads
    }


async def test_a_refusal_fits_the_output_schema_too(board):
    # Some clients check structured content even where the result is an error.
    async with connected(board, "engineer", toolset="all") as client:
        for tool in (await client.list_tools()).tools:
            refused, said = await called(client, tool.name, nonsense=1)
            assert (refused, said["error"]["code"]) == (True, "validation_failed")
            jsonschema.validate(said, tool.output_schema or {})


@pytest.mark.parametrize("mode", [MODERN, LEGACY, "auto"])
async def test_both_eras_of_the_protocol_are_spoken(board, mode):
    await board.task(assignee_slugs=["engineer"])
    async with connected(board, "engineer", mode=mode) as client:
        assert (client.protocol_version == MODERN) == (mode != LEGACY)
        refused, work = await called(client, "next", wait=0)
        assert (refused, work["kind"]) == (False, "notification")
        result = await client.call_tool("task_load", {"task_id": work["task"]["id"]})
        assert [json.loads(one.text) for one in result.content if isinstance(one, TextContent)] == [result.structured_content]
        if mode != MODERN:
            assert client.instructions == instructions.TEXT
            assert client.server_info is not None
            assert (client.server_info.name, client.server_info.version) == ("callboard", main.VERSION)


def test_the_instructions_are_short_and_name_only_what_there_is():
    assert len(instructions.TEXT.encode()) < instructions.MOST_BYTES
    tools = {verb.tool for verb in main.VERBS} | {"next"}
    said = {word.strip("`.,;:") for word in instructions.TEXT.split() if word.startswith("`task_")}
    assert said <= tools


async def test_what_is_refused_is_an_answer_and_not_an_error_of_the_protocol(board):
    async with connected(board, "engineer") as client:
        for tool, arguments, code in [
            ("task_load", {"task_id": "x"}, "validation_failed"),
            ("task_load", {}, "validation_failed"),
            ("task_load", {"task_id": board.account_id.hex}, "not_found"),
            ("task_status", {"task_id": "\x00", "status": "done"}, "validation_failed"),
            ("no_such_tool", {}, "not_found"),
            ("next", {"wait": -1}, "validation_failed"),
            ("next", {"ack": ["x"]}, "validation_failed"),
        ]:
            refused, said = await called(client, tool, **arguments)
            assert (refused, said["ok"], said["error"]["code"]) == (True, False, code)
            assert said["error"]["request_id"]


async def test_arguments_that_are_no_object_are_an_error_of_the_protocol(board):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "next", "arguments": [1]}}
    answer = await board.as_("engineer").post("/mcp", json=call)
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32602)


async def test_a_tool_is_called_by_either_of_its_names(board):
    task = await board.task(assignee_slugs=["engineer"])
    async with connected(board, "engineer") as client:
        assert await called(client, "task-load", task_id=task["id"]) == await called(client, "task_load", task_id=task["id"])


@pytest.mark.parametrize("place", ["argument", "meta", "header"])
async def test_a_call_with_an_idempotency_key_happens_once(board, place):
    task = await board.task(assignee_slugs=["engineer"])
    arguments = {"task_id": task["id"], "content": "Hello"} | ({"idempotency_key": "k"} if place == "argument" else {})
    headers = {"Idempotency-Key": "k"} if place == "header" else {}
    async with connected(board, "engineer", headers=headers) as client:
        meta = cast(RequestParamsMeta, {"callboard/idempotency_key": "k"}) if place == "meta" else None
        first = await client.call_tool("task_message", arguments, meta=meta)
        again = await client.call_tool("task_message", arguments, meta=meta)
        other = await client.call_tool("task_message", arguments | {"content": "Else"}, meta=meta)
    assert first.structured_content == again.structured_content
    assert ((first.meta or {}).get("callboard/replayed"), (again.meta or {}).get("callboard/replayed")) == (None, True)
    assert (other.is_error, other.structured_content["error"]["code"]) == (True, "idempotency_mismatch")
    shown = await board.person.get(f"/api/v1/tasks/{task['id']}/messages")
    assert [message["content"] for message in shown.json()["items"]] == ["Hello"]


async def test_an_idempotency_key_that_is_no_text_is_refused(board):
    task = await board.task(assignee_slugs=["engineer"])
    async with connected(board, "engineer") as client:
        refused, said = await called(client, "task_message", task_id=task["id"], content="x", idempotency_key=1)
    assert (refused, said["error"]["details"]["fields"][0]["field"]) == (True, "idempotency_key")


async def test_the_session_key_of_the_connection_is_checked(board):
    task = await board.task(assignee_slugs=["engineer"])
    async with connected(board, "engineer", headers={"X-Session-Key": "cbs_unknown"}) as client:
        refused, said = await called(client, "task_load", task_id=task["id"])
    assert (refused, said["error"]["code"]) == (True, "unauthenticated")


async def test_events_tell_that_a_change_came_over_mcp(board):
    task = await board.task(assignee_slugs=["engineer"])
    async with connected(board, "engineer") as client:
        await called(client, "task_message", task_id=task["id"], content="Hello")
    events = (await board.person.get("/api/v1/events?after=0&limit=200")).json()["items"]
    assert {event["source"] for event in events if event["entity_kind"] == "message"} == {"mcp"}


async def test_what_the_sdk_does_not_serve_is_refused_by_the_protocol(board):
    async with connected(board, "engineer") as client:
        with pytest.raises(MCPError):
            await client.list_prompts()
