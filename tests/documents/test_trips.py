"""How often the verbs of documents, requests and skills go to the database; BEGIN and COMMIT count."""

from itertools import count
from typing import Any

from app.kernel import db
from tests import boards
from tests.documents.desk import DOCUMENTS, WORDS, written
from tests.kernel.test_sql import Counted, sent_by


async def test_writes_take_four_round_trips_and_reads_three(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        made, number = await written(board, "engineer"), count()

        def post(verb: str, **body: Any) -> Any:
            return lambda: board.as_("engineer").post(f"/agent/{verb}", json=body)

        async def edit() -> Any:
            body = WORDS | {"document_id": made["id"], "content": f"Edit {next(number)}"}
            return await board.as_("engineer").post("/agent/document", json=body)

        found = {
            "create": await sent_by(post("document", **WORDS)),
            "edit": await sent_by(edit),
            "list": await sent_by(post("document-list")),
            "get": await sent_by(post("document-get", slug=made["slug"])),
            "page": await sent_by(lambda: board.person.get(DOCUMENTS)),
            "skills": await sent_by(post("get-agent-skills")),
            "skills of one": await sent_by(post("get-agent-skills", agent_slug="engineer")),
        }
    assert found == {"create": 4, "edit": 4, "list": 3, "get": 3, "page": 3, "skills": 3, "skills of one": 3}


async def test_a_response_request_takes_five(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        task, slugs = await board.task(assignee_slugs=["engineer"]), iter(["writer", "reviewer"])

        async def ask() -> Any:
            body = {"task_id": task["id"], "recipient_slugs": [next(slugs)], "message": "?"}
            return await board.as_("engineer").post("/agent/response-request", json=body)

        # Earlier requests are read once the task is locked, so a statement of its own reads them.
        assert await sent_by(ask) == 5
