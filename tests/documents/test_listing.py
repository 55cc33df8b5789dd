"""Pages of documents."""

import pytest

from tests.documents.desk import DOCUMENTS, LISTED, listed, written

SEEDED = {"briefing", "operating-manual", "repository"}


async def test_a_page_shows_the_latest_change_first_and_no_content(board):
    for name in ("a", "b", "c"):
        await written(board, "engineer", slug=name)
    assert (await listed(board))[:3] == ["c", "b", "a"]
    first = (await board.person.get(DOCUMENTS)).json()["items"][2]
    await written(board, "engineer", document_id=first["id"], content="Later.")
    assert (await listed(board))[:3] == ["a", "c", "b"]
    answer = (await board.person.get(DOCUMENTS)).json()
    assert all("content" not in one for one in answer["items"])
    assert answer["limit"] == 50
    assert answer["items"] == (await board.as_("writer").post(LISTED, json={})).json()["items"]


async def test_documents_are_found_by_task_and_by_type(board):
    task = await board.task()
    await written(board, "engineer", slug="a", task_id=task["id"], type="deliverable")
    await written(board, "engineer", slug="b", task_id=task["id"])
    await written(board, "engineer", slug="c", type="deliverable")
    assert await listed(board, task_id=task["id"]) == ["b", "a"]
    assert await listed(board, type="deliverable") == ["c", "a"]
    assert await listed(board, task_id=task["id"], type="deliverable") == ["a"]
    assert set(await listed(board, type="reference")) == SEEDED
    over_rest = (await board.person.get(f"{DOCUMENTS}?task_id={task['id']}&type=note")).json()
    assert [one["slug"] for one in over_rest["items"]] == ["b"]


@pytest.mark.parametrize("filters", [{}, {"type": "note"}, {"task_id": True}])
async def test_pages_hold_every_document_once(board, filters):
    task = await board.task()
    filters = {name: task["id"] if value is True else value for name, value in filters.items()}
    made = [(await written(board, "engineer", slug=f"d{number}", task_id=task["id"]))["slug"] for number in range(7)]
    found, cursor = [], None
    for _ in range(20):
        page = (await board.as_("writer").post(LISTED, json=filters | {"limit": 2, "cursor": cursor})).json()
        found += [one["slug"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert [slug for slug in found if slug not in SEEDED] == made[::-1]
    assert len(found) == len(set(found))


async def test_documents_of_one_moment_are_paged_all_the_same(board, admin):
    for number in range(5):
        await written(board, "engineer", slug=f"d{number}")
    await admin.execute("UPDATE documents SET updated_at = '2030-01-01 00:00:00.123456+00'")
    found, cursor = [], None
    for _ in range(8):
        page = (await board.person.get(DOCUMENTS, params={"limit": 1} | ({"cursor": cursor} if cursor else {}))).json()
        found += [one["slug"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert (sorted(found), cursor) == (sorted([*SEEDED, *(f"d{number}" for number in range(5))]), None)


@pytest.mark.parametrize(("asked", "served"), [(9999, 200), (0, 1), (-5, 1), (10**30, 200), (None, 50)])
async def test_a_limit_is_clamped_and_said(board, asked, served):
    page = (await board.as_("writer").post(LISTED, json={"limit": asked})).json()
    assert (page["limit"], len(page["items"])) == (served, min(3, served))
    if asked is not None:
        assert (await board.person.get(f"{DOCUMENTS}?limit={asked}")).json()["limit"] == served
