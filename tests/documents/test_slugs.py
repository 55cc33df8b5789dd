"""A slug is one document's, however many are made at once."""

import asyncio

from tests.boards import OWNER
from tests.documents.desk import DOCUMENTS, listed, read, refusal, write, written


async def test_many_documents_of_one_title_made_at_once_get_names_of_their_own(board):
    crew = ("engineer", "writer", "reviewer", "orchestrator", OWNER)
    answers = await asyncio.gather(*(write(board, crew[number % len(crew)]) for number in range(16)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    slugs = [answer.json()["slug"] for answer in answers]
    assert len(set(slugs)) == 16
    assert slugs.count("release-plan") == 1
    assert all(slug.startswith("release-plan") for slug in slugs)


async def test_of_many_who_ask_for_one_slug_at_once_one_gets_it(board):
    answers = await asyncio.gather(*(write(board, "engineer", slug="plan") for _ in range(8)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200, *[409] * 7]
    losers = [answer.json()["error"] for answer in answers if answer.status_code == 409]
    assert {(error["code"], error["details"]["field"]) for error in losers} == {("duplicate", "slug")}


async def test_two_documents_renamed_alike_at_once_do_not_both_succeed(board):
    one, other = await written(board, "engineer", slug="a"), await written(board, "engineer", slug="b")
    answers = await asyncio.gather(
        *(board.person.patch(f"{DOCUMENTS}/{each['id']}", json={"slug": "c"}) for each in (one, other))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_of_many_edits_that_expect_one_version_one_wins(board, admin):
    made = await written(board, "engineer")

    async def edit(number: int):
        return await write(board, "engineer", document_id=made["id"], content=f"Edit {number}", expected_version=1)

    answers = await asyncio.gather(*(edit(number) for number in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 15]
    assert await admin.fetchval("SELECT count(*) FROM document_versions WHERE document_id = $1", made["id"]) == 2


async def test_edits_at_once_are_all_kept_as_versions(board, admin):
    made = await written(board, "engineer")
    answers = await asyncio.gather(
        *(write(board, "engineer", document_id=made["id"], content=f"Edit {number}") for number in range(8))
    )
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 10))
    texts = await admin.fetch("SELECT content FROM document_versions WHERE document_id = $1", made["id"])
    assert {row["content"] for row in texts} == {"First the tests.", *(f"Edit {number}" for number in range(8))}
    latest = (await read(board, document_id=made["id"])).json()
    assert latest["version"] == 9
    assert (await read(board, document_id=made["id"], version=9)).json()["content"] == latest["content"]


async def test_an_edit_that_meets_a_deletion_finds_nothing_or_comes_first(board, admin):
    for _ in range(5):
        made = await written(board, "engineer")
        edited, deleted = await asyncio.gather(
            write(board, "engineer", document_id=made["id"], content="Late."), board.person.delete(f"{DOCUMENTS}/{made['id']}")
        )
        assert deleted.status_code == 204
        assert edited.status_code in (200, 404)
        kept = await admin.fetchval("SELECT count(*) FROM document_versions WHERE document_id = $1", made["id"])
        assert kept == (2 if edited.status_code == 200 else 1)


async def test_a_slug_that_is_taken_is_refused_and_keeping_ones_own_is_not(board):
    made = await written(board, "engineer", slug="plan")
    assert refusal(await write(board, "engineer", slug="plan")) == (409, "slug")
    assert refusal(await write(board, "engineer", document_id=made["id"], slug="operating-manual")) == (409, "slug")
    assert (await written(board, "engineer", document_id=made["id"], slug="plan"))["version"] == 1
    assert (await read(board, slug=" @PLAN ")).json()["id"] == made["id"]
    assert (await listed(board))[0] == "plan"
