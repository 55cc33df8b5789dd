"""A thread is in the order in which it was written, whatever ids the processes that wrote it gave."""

from uuid import UUID

import pytest

from app.kernel import ids
from app.messages import service


@pytest.fixture
async def task(board):
    return await board.task(assignee_slugs=["engineer"])


async def test_a_thread_whose_ids_run_backwards_is_paged_in_the_order_of_its_writing(board, admin, monkeypatch, task):
    # As if each message came from a process whose clock is a little behind the one before.
    late = iter([UUID(int=ids.new_id().int - (number << 90)) for number in range(5)])
    monkeypatch.setattr(service, "new_id", lambda: next(late))
    written = []
    for number in range(5):
        said = await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": f"Message {number}."})
        assert said.status_code == 201, said.text
        written.append(said.json()["id"])
    assert written == sorted(written, reverse=True)
    thread = f"/api/v1/tasks/{task['id']}/messages?limit=2"
    newest, cursor = list[str](), ""
    while cursor is not None:
        page = (await board.person.get(thread + (f"&cursor={cursor}" if cursor else ""))).json()
        newest += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert newest == written[::-1]
    oldest, asked = list[str](), {"task_id": task["id"], "limit": 2}
    while True:
        page = (await board.as_("orchestrator").post("/agent/task-thread", json=asked)).json()
        oldest += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
    assert oldest == written
    loaded = (await board.as_("engineer").post("/agent/task-load", json={"task_id": task["id"], "message_limit": 3})).json()
    assert ([item["id"] for item in loaded["thread"]], loaded["omitted"]) == (written[2:], 2)
    # Behind a place that is not in the thread there is nothing.
    assert (await board.person.get(f"{thread}&cursor={task['id']}")).json()["items"] == []
    positions = await admin.fetch("SELECT id::text FROM messages ORDER BY position")
    assert [row["id"] for row in positions] == written
