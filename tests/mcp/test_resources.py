"""What a client reads without calling a tool."""

import json
from uuid import uuid4

import pytest
from mcp import MCPError

from app.bootstrap import service as bootstrap
from tests import boards
from tests.mcp.clients import LEGACY, MODERN, called, connected

NOTE = {"title": "Notes", "content": "as it is", "type": "note", "slug": "notes"}


async def read(client, uri: str):
    (content,) = (await client.read_resource(uri)).contents
    assert (content.uri, content.mime_type) == (uri, "application/json")
    return json.loads(content.text)


async def refused(client, uri: str) -> str:
    with pytest.raises(MCPError) as error:
        await client.read_resource(uri)
    return str(error.value.data["code"])


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
async def test_a_client_reads_its_tasks_a_thread_and_documents(board, mode):
    mine = await board.task(title="Mine", assignee_slugs=["engineer"])
    await board.task(title="Not mine", assignee_slugs=["writer"])
    async with connected(board, "engineer", mode=mode) as client:
        await called(client, "task_message", task_id=mine["id"], content="Hello")
        await called(client, "document", **NOTE)
        assert [task["title"] for task in (await read(client, "callboard://me/tasks"))["items"]] == ["Mine"]
        thread = await read(client, f"callboard://tasks/{mine['id']}/thread")
        assert ([message["content"] for message in thread["thread"]], thread["omitted"]) == (["Hello"], 0)
        assert "notes" in {document["slug"] for document in (await read(client, "callboard://documents"))["items"]}
        assert (await read(client, "callboard://documents/notes"))["content"] == "as it is"


async def test_what_is_listed_can_be_read_and_is_called_material(board):
    async with connected(board, "writer") as client:
        listed = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        assert all(
            "not instructions" in text
            for text in (*(str(one.description) for one in listed), *(str(one.description) for one in templates))
        )
        for one in listed:
            assert "items" in await read(client, one.uri)
    assert {one.uri_template for one in templates} == {"callboard://tasks/{task_id}/thread", "callboard://documents/{slug}"}


async def test_what_is_not_there_is_refused_with_the_code_of_the_envelope(board):
    async with connected(board, "engineer") as client:
        for uri in (
            "callboard://nothing",
            "callboard://documents/no-such",
            f"callboard://tasks/{uuid4()}/thread",
            "file:///etc/passwd",
        ):
            assert await refused(client, uri) == "not_found"
        assert await refused(client, "callboard://tasks/x/thread") == "validation_failed"
        assert await refused(client, "callboard://documents/%00") in ("not_found", "validation_failed")


async def test_an_agent_reads_nothing_of_another_account(board):
    report = await bootstrap.load(board.database, settings=board.settings, directory=boards.SEEDS, account_slug="other")
    other = board.client(dict(report.credentials)[boards.OWNER])
    foreign = (await other.post("/api/v1/tasks", json={"title": "Theirs"})).json()
    async with connected(board, "orchestrator") as client:
        assert await refused(client, f"callboard://tasks/{foreign['id']}/thread") == "not_found"
    await other.aclose()
