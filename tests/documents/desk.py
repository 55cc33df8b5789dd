"""Writing documents as somebody, and reading them back."""

import json
from typing import Any

DOCUMENTS = "/api/v1/documents"
FOUND = "/agent/document-get"
LISTED = "/agent/document-list"
WORDS = {"title": "Release plan", "content": "First the tests.", "type": "note"}


async def write(board, who: str, **fields: Any):
    """Ask as an agent, or as a person by e-mail address."""
    body = WORDS | fields
    if "@" in who:
        return await board.as_(who).post(DOCUMENTS, json=body)
    return await board.as_(who).post("/agent/document", json=body)


async def written(board, who: str, **fields: Any) -> dict[str, Any]:
    answer = await write(board, who, **fields)
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


def refusal(answer) -> tuple[int, str | None]:
    """Status and reason, or the first field that is wrong."""
    details = answer.json()["error"]["details"]
    return answer.status_code, details.get("reason") or details.get("field") or details["fields"][0]["field"]


async def read(board, **which: Any):
    return await board.as_("writer").post(FOUND, json=which)


async def listed(board, **asked: Any) -> list[str]:
    answer = await board.as_("writer").post(LISTED, json=asked)
    assert answer.status_code == 200, answer.text
    return [one["slug"] for one in answer.json()["items"]]


async def document_events(admin) -> list[tuple[str, int, dict[str, Any]]]:
    # Seeds wrote theirs before any call.
    sql = "SELECT type, sequence, payload::text FROM events WHERE entity_kind = 'document' AND source = 'http' ORDER BY seq"
    return [(row["type"], row["sequence"], _decoded(row["payload"])) for row in await admin.fetch(sql)]


def _decoded(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
