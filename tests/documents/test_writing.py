"""Writing documents: versions, events, tasks, and taking them away."""

import pytest

from tests.boards import OWNER
from tests.documents.desk import DOCUMENTS, WORDS, document_events, listed, read, refusal, write, written

VERSIONS = "SELECT version, title, content, author_kind, author_id::text FROM document_versions WHERE document_id = $1 ORDER BY 1"


@pytest.mark.parametrize("who", ["engineer", OWNER])
async def test_a_new_document_is_called_after_its_title_and_has_its_first_version(board, admin, who):
    made = await written(board, who)
    assert (made["slug"], made["version"], made["is_protected"], made["task_id"]) == ("release-plan", 1, False, None)
    assert "content" not in made
    kind, author = made["author_kind"], made["author_id"]
    kept = [tuple(row) for row in await admin.fetch(VERSIONS, made["id"])]
    assert kept == [(1, WORDS["title"], WORDS["content"], kind, author)]
    found = await read(board, slug="release-plan")
    assert found.json() == made | {"content": WORDS["content"]}
    ((event, sequence, payload),) = await document_events(admin)
    assert (event, sequence, payload["fields"]) == ("board:document:created", 1, ["content", "title", "type"])
    assert WORDS["content"] not in str(payload)
    assert payload["slug"] == "release-plan"
    assert payload["rule"] == ("person.owner" if who == OWNER else "agent.create")


async def test_only_another_title_or_content_makes_a_version(board, admin):
    made = await written(board, "engineer")

    async def again(**fields):
        return (await written(board, "engineer", document_id=made["id"], **fields))["version"]

    assert await again() == 1
    assert await again(type="reference") == 1
    assert await again(slug="plan", type="reference") == 1
    assert await again(content="First the docs.", type="reference") == 2
    assert await again(content="First the docs.", title="Plan", type="reference") == 3
    kept = [tuple(row)[:3] for row in await admin.fetch(VERSIONS, made["id"])]
    assert kept == [
        (1, "Release plan", "First the tests."),
        (2, "Release plan", "First the docs."),
        (3, "Plan", "First the docs."),
    ]
    events = [(event, sequence, payload["fields"]) for event, sequence, payload in await document_events(admin)][1:]
    assert events == [
        ("board:document:updated", 1, ["type"]),
        ("board:document:updated", 1, ["slug"]),
        ("board:document:updated", 2, ["content"]),
        ("board:document:updated", 3, ["title"]),
    ]


async def test_an_earlier_version_is_read_with_its_writer(board):
    made = await written(board, "engineer")
    answer = await board.person.patch(f"{DOCUMENTS}/{made['id']}", json={"content": "Second."})
    assert answer.json()["version"] == 2
    first, second = [(await read(board, document_id=made["id"], version=version)).json() for version in (1, 2)]
    assert (first["content"], first["version"], first["author_kind"]) == ("First the tests.", 1, "agent")
    assert (second["content"], second["version"], second["author_kind"]) == ("Second.", 2, "person")
    latest = (await read(board, document_id=made["id"])).json()
    # The document stays the engineer's, whoever wrote last.
    assert (latest["content"], latest["author_kind"], latest["author_id"]) == ("Second.", "agent", made["author_id"])
    over_rest = await board.person.get(f"{DOCUMENTS}/{made['id']}?version=1")
    assert over_rest.json() == first
    for version in (3, 2**31 - 1):
        assert (await read(board, document_id=made["id"], version=version)).status_code == 404
    page = (await board.person.get(f"{DOCUMENTS}/{made['id']}/versions?limit=1")).json()
    assert [(one["version"], one["author_kind"]) for one in page["items"]] == [(2, "person")]
    rest = (await board.person.get(f"{DOCUMENTS}/{made['id']}/versions?cursor={page['next_cursor']}")).json()
    assert ([one["version"] for one in rest["items"]], rest["next_cursor"], rest["limit"]) == ([1], None, 50)


async def test_an_update_that_names_no_task_leaves_the_document_on_its_task(board):
    task, other = await board.task(), await board.task()
    made = await written(board, "engineer", task_id=task["id"])
    kept = await written(board, "engineer", document_id=made["id"], content="More.")
    assert kept["task_id"] == task["id"]
    kept = await written(board, "engineer", document_id=made["id"], task_id=None, content="Still more.")
    assert kept["task_id"] == task["id"]
    assert (await written(board, "engineer", document_id=made["id"], task_id=other["id"]))["task_id"] == other["id"]
    patched = await board.person.patch(f"{DOCUMENTS}/{made['id']}", json={"title": "T"})
    assert patched.json()["task_id"] == other["id"]
    taken_off = await board.person.patch(f"{DOCUMENTS}/{made['id']}", json={"task_id": None})
    assert taken_off.json()["task_id"] is None


@pytest.mark.parametrize("who", ["engineer", OWNER])
async def test_a_stale_version_changes_nothing(board, who):
    made = await written(board, "engineer")
    await written(board, "engineer", document_id=made["id"], content="Second.")
    if who == OWNER:
        answer = await board.person.patch(f"{DOCUMENTS}/{made['id']}", json={"content": "Third.", "expected_version": 1})
    else:
        answer = await write(board, who, document_id=made["id"], content="Third.", expected_version=1)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "version_conflict")
    assert error["details"] == {"expected_version": 1, "version": 2}
    assert (await read(board, document_id=made["id"])).json()["content"] == "Second."
    again = await written(board, "engineer", document_id=made["id"], content="Third.", expected_version=2)
    assert again["version"] == 3


async def test_a_deleted_document_is_absent_everywhere_and_its_slug_is_free(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    made = await written(board, "engineer", task_id=task["id"])
    path = f"{DOCUMENTS}/{made['id']}"
    gone = await board.person.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    answers = [
        await read(board, document_id=made["id"]),
        await read(board, slug="release-plan"),
        await read(board, document_id=made["id"], version=1),
        await write(board, "engineer", document_id=made["id"]),
        await board.person.get(path),
        await board.person.get(f"{path}/versions"),
        await board.person.patch(path, json={"title": "T"}),
        await board.person.delete(path),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert await listed(board, task_id=task["id"]) == []
    assert "release-plan" not in await listed(board)
    assert (await written(board, "engineer"))["slug"] == "release-plan"
    # Nothing is lost: what was written is still in the database.
    assert await admin.fetchval("SELECT count(*) FROM document_versions WHERE document_id = $1", made["id"]) == 1
    deleted = (await document_events(admin))[1]
    assert (deleted[0], deleted[2]["slug"], deleted[2]["task_id"]) == ("board:document:deleted", "release-plan", task["id"])


async def test_a_deleted_briefing_leaves_the_prompts(board):
    found = (await read(board, slug="briefing")).json()
    assert (await board.person.delete(f"{DOCUMENTS}/{found['id']}")).status_code == 204
    assert (await read(board, slug="briefing")).status_code == 404


async def test_a_repetition_with_the_same_key_writes_once(board, admin):
    headers = {"Idempotency-Key": "once"}
    first, second = [await board.as_("engineer").post("/agent/document", json=WORDS, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(await document_events(admin)) == 1


async def test_seeded_documents_have_their_versions_too(board, admin):
    rows = await admin.fetch(
        "SELECT d.slug, d.version, v.content = d.content AS same, v.author_kind FROM documents d "
        "LEFT JOIN document_versions v ON v.document_id = d.id AND v.version = d.version ORDER BY d.slug"
    )
    assert [tuple(row) for row in rows] == [(slug, 1, True, "system") for slug in ("briefing", "operating-manual", "repository")]


async def test_only_people_of_the_board_write_over_rest(board):
    for who in ("engineer", "orchestrator"):
        answer = await board.as_(who).post(DOCUMENTS, json=WORDS)
        assert refusal(answer) == (403, "persons_only")
        assert (await board.as_(who).get(DOCUMENTS)).status_code == 403
