"""Bad input to documents, and how much one holds."""

import json
from uuid import UUID, uuid4

import pytest

from tests import boards, make
from tests.boards import OWNER
from tests.conftest import STRATEGY
from tests.documents.desk import DOCUMENTS, FOUND, LISTED, WORDS, read, refusal, write, written

MOST = 1_000_000
SOMEBODY = UUID("01990000-0000-7000-8000-000000000001")


@pytest.fixture(scope="module")
async def limits(cluster, template):
    """One board for all that is refused and writes nothing."""
    admin, service = cluster
    name = f"t_{uuid4().hex[:12]}"
    await make.execute(admin, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {STRATEGY}")
    async with boards.in_own_task(lambda: boards.opened(make.url_of(service, database=name))) as board:
        yield board
        assert [one["author_kind"] for one in (await board.person.get(DOCUMENTS)).json()["items"]] == ["system"] * 3
    await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": " \n"}, "title"),
        ({"title": "x" * 2001}, "title"),
        ({"title": None}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"content": "a\x00b"}, "content"),
        ({"content": "x" * (MOST + 1)}, "content"),
        ({"content": 5}, "content"),
        ({"type": "file"}, "type"),
        ({"type": ""}, "type"),
        ({"slug": ""}, "slug"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"slug": "-a"}, "slug"),
        ({"slug": "a\n"}, "slug"),
        ({"slug": "a" * 64}, "slug"),
        ({"task_id": "nonsense"}, "task_id"),
        ({"author_id": str(SOMEBODY)}, "author_id"),
        ({"account_id": str(SOMEBODY)}, "account_id"),
        ({"version": 7}, "version"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_what_breaks_a_limit_is_refused_with_its_field(limits, fields, field):
    board = limits
    for who in ("engineer", OWNER):
        assert refusal(await write(board, who, **fields)) == (422, field)


@pytest.mark.parametrize("missing", ["title", "content", "type"])
async def test_what_a_document_cannot_do_without(limits, missing):
    body = {name: value for name, value in WORDS.items() if name != missing}
    for client, path in ((limits.as_("engineer"), "/agent/document"), (limits.person, DOCUMENTS)):
        assert refusal(await client.post(path, json=body)) == (422, missing)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"document_id": "nonsense"}, "document_id"),
        ({"expected_version": 1}, "expected_version"),
        ({"document_id": str(SOMEBODY), "expected_version": 0}, "expected_version"),
        ({"document_id": str(SOMEBODY), "expected_version": 2**31}, "expected_version"),
    ],
)
async def test_what_an_agent_may_not_say_of_a_document(limits, fields, field):
    assert refusal(await write(limits, "engineer", **fields)) == (422, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "document_id"),
        ({"slug": "briefing", "document_id": str(SOMEBODY)}, "document_id"),
        ({"slug": "briefing", "version": 0}, "version"),
        ({"slug": "briefing", "version": 2**31}, "version"),
        ({"slug": "a\x00"}, "slug"),
        ({"slug": "a" * 65}, "slug"),
        ({"slug": "briefing", "account_id": str(SOMEBODY)}, "account_id"),
    ],
)
async def test_what_is_no_question_for_a_document(limits, body, field):
    assert refusal(await limits.as_("writer").post(FOUND, json=body)) == (422, field)


@pytest.mark.parametrize("slug", ["nothing", "NO SUCH", "-", "..", "%", "@"])
async def test_a_name_that_nothing_has_is_absent(limits, slug):
    assert (await read(limits, slug=slug)).status_code == 404


@pytest.mark.parametrize(
    "cursor", ["x", "1", "1.2", f"-1.{SOMEBODY.hex}", f"{10**18}.{SOMEBODY.hex}", f"1.{SOMEBODY}", "\u0661." + "0" * 32]
)
async def test_what_is_no_cursor_is_refused(limits, cursor):
    assert refusal(await limits.as_("writer").post(LISTED, json={"cursor": cursor})) == (422, "cursor")
    assert refusal(await limits.person.get(DOCUMENTS, params={"cursor": cursor})) == (422, "cursor")


@pytest.mark.parametrize("query", ["task_id=x", "type=file", "limit=x", "cursor=%00"])
async def test_a_bad_filter_is_refused_with_its_name(limits, query):
    assert refusal(await limits.person.get(f"{DOCUMENTS}?{query}")) == (422, query.split("=")[0])


@pytest.mark.parametrize("text", ["x" * MOST, "я" * MOST, "🙂" * MOST], ids=["plain", "escaped", "escaped twice"])
async def test_the_longest_document_fits_however_its_characters_are_written(board, text):
    body = json.dumps(WORDS | {"content": text, "title": "🙂" * 2000}).encode()
    assert len(body) <= board.settings.max_body_bytes
    headers = {"Content-Type": "application/json"}
    answer = await board.as_("engineer").post("/agent/document", content=body, headers=headers)
    assert answer.status_code == 200, answer.text[:300]
    assert (await read(board, document_id=answer.json()["id"])).json()["content"] == text


async def test_a_smaller_limit_of_the_operator_holds_for_documents_too(urls):
    async with boards.opened(urls[1], CALLBOARD_MAX_BODY_BYTES="2048") as board:
        answer = await write(board, "engineer", content="x" * 2048)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
        assert (await write(board, "engineer", content="x" * 1500)).status_code == 200


async def test_a_document_may_be_empty(board):
    assert (await read(board, document_id=(await written(board, "engineer", content=""))["id"])).json()["content"] == ""


async def test_what_belongs_to_another_account_is_absent(urls):
    async with boards.opened(urls[1]) as mine, boards.opened(urls[1], account_slug="other") as theirs:
        task = await theirs.task()
        own, foreign = await written(mine, "engineer"), await written(theirs, "engineer", title="Theirs", task_id=task["id"])

        async def answers(document_id: str, task_id: str, slug: str):
            agent, person = mine.as_("engineer"), mine.person
            path = f"{DOCUMENTS}/{document_id}"
            return [
                await agent.post(FOUND, json={"document_id": document_id}),
                await agent.post(FOUND, json={"document_id": document_id, "version": 1}),
                await agent.post(FOUND, json={"slug": slug}),
                await write(mine, "engineer", document_id=document_id),
                await write(mine, "engineer", task_id=task_id),
                await write(mine, "engineer", document_id=own["id"], task_id=task_id),
                await agent.post(LISTED, json={"task_id": task_id}),
                await person.get(path),
                await person.get(f"{path}/versions"),
                await person.patch(path, json={"title": "T"}),
                await person.patch(f"{DOCUMENTS}/{own['id']}", json={"task_id": task_id}),
                await person.delete(path),
                await person.post(DOCUMENTS, json=WORDS | {"task_id": task_id}),
                await person.get(f"{DOCUMENTS}?task_id={task_id}"),
            ]

        nothing = (str(uuid4()), str(uuid4()), "nowhere")
        seen = await answers(foreign["id"], task["id"], foreign["slug"])
        unseen = await answers(*nothing)
        assert [plain(one, foreign["id"], task["id"], foreign["slug"]) for one in seen] == [
            plain(one, *nothing) for one in unseen
        ]
        assert {one.status_code for one in seen} == {200, 404}
        assert (await written(mine, "engineer", slug=foreign["slug"]))["slug"] == foreign["slug"]


def plain(answer, *ids: str) -> tuple[int, str]:
    """An answer without what is its own: the ids that were asked for and those of the call."""
    body = answer.json()
    if "error" in body:
        body = {key: value for key, value in body["error"].items() if key != "request_id"}
    text = json.dumps(body)
    for identity in ids:
        text = text.replace(identity, "…")
    return answer.status_code, text
