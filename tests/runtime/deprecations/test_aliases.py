"""Old names: they answer, say that they will go, are counted, and can be taken away."""

from app import main
from app.agentapi import functions
from tests import boards
from tests.make import ORIGIN
from tests.mcp.clients import called, connected
from tests.runtime.deprecations.desk import NOTE, entry, remove, uses

OLD = "/agent/document-upsert"


async def by_function(board, who: str, name: str) -> functions.Outcome:
    principal = await board._application.app.state.board.authenticate(board.tokens[who])
    return await functions.invoke(board.database, main.VERBS, principal, name=name, arguments=NOTE, origin=ORIGIN)


async def test_an_old_name_answers_with_the_headers_of_its_end_and_is_counted(board):
    before = await entry(board, "document_upsert")
    assert (before["uses"], before["last_used_at"], before["is_removed"]) == (0, None, False)
    answer = await board.as_("engineer").post(OLD, json=NOTE)
    assert (answer.status_code, answer.json()["title"]) == (200, "Notes")
    assert answer.headers["Deprecation"].startswith("@")
    assert answer.headers["Sunset"].endswith("GMT")
    assert answer.headers["Link"] == '</agent/document>; rel="successor-version"'
    today = await board.as_("engineer").post("/agent/document", json=NOTE)
    assert "Deprecation" not in today.headers
    after = await entry(board, "document_upsert")
    assert after["uses"] == 1
    assert after["first_used_at"] == after["last_used_at"] is not None


async def test_an_old_name_is_counted_on_every_transport_and_listed_on_none(board):
    async with connected(board, "engineer", toolset="all") as client:
        assert "document_upsert" not in {tool.name for tool in (await client.list_tools()).tools}
        is_refused, said = await called(client, "document_upsert", **NOTE, idempotency_key="once")
        assert (is_refused, said["version"]) == (False, 1)
        assert (await called(client, "document_upsert", **NOTE, idempotency_key="once"))[1] == said
    assert (await by_function(board, "engineer", "document_upsert")).status == 200
    assert await uses(board, "document_upsert") == 3
    described = (await board.person.get("/schema/openapi.json")).json()["paths"]
    assert described[OLD]["post"]["deprecated"] is True


async def test_what_is_taken_away_is_absent_on_every_transport(board):
    await remove(board, "document_upsert")
    answer = await board.as_("engineer").post(OLD, json=NOTE)
    assert (answer.status_code, answer.json()["error"]["details"]["successor"]) == (404, "document")
    async with connected(board, "engineer") as client:
        assert (await called(client, "document_upsert", **NOTE))[1]["error"]["code"] == "not_found"
    assert (await by_function(board, "engineer", "document_upsert")).status == 404
    assert (await board.as_("engineer").post("/agent/document", json=NOTE)).status_code == 200
    assert await uses(board, "document_upsert") == 0
    await remove(board, "document_upsert", is_removed=False)
    assert (await board.as_("engineer").post(OLD, json=NOTE)).status_code == 200


async def test_who_may_not_call_it_is_not_counted(board):
    assert (await board.person.post(OLD, json=NOTE)).status_code == 403
    assert (await board.client(None).post(OLD, json=NOTE)).status_code == 401
    assert await uses(board, "document_upsert") == 0


async def test_each_account_has_its_own_counts_and_its_own_removals(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        await remove(mine, "document_upsert")
        assert (await mine.as_("engineer").post(OLD, json=NOTE)).status_code == 404
        assert (await theirs.as_("engineer").post(OLD, json=NOTE)).status_code == 200
        assert (await uses(mine, "document_upsert"), await uses(theirs, "document_upsert")) == (0, 1)
        assert (await theirs.as_("engineer").get("/api/v1/admin/runtime/deprecations")).status_code == 403
