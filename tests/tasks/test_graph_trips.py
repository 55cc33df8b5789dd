"""What waiting costs: a task that nobody waits for is finished in four round trips."""

from app.accounts.queries import AUTHENTICATE
from app.kernel import db
from tests import boards
from tests.kernel.test_sql import Counted
from tests.tasks.webs import brought, edit, move


async def sent_by(call) -> int:
    Counted.begin()
    answer = await call
    assert answer.status_code in (200, 201), answer.text
    return len([query for query in Counted.sent if query != AUTHENTICATE])


async def test_finishing_costs_one_more_round_trip_for_all_that_wait_together(urls, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with boards.opened(urls[1]) as board:
        alone, first = await board.task(), await board.task()
        for _ in range(3):
            await board.task(depends_on=[first["id"]])
        for task in (alone, first):
            await brought(board, task, "review")
        assert await sent_by(move(board, alone, "done")) == 4
        assert await sent_by(move(board, first, "done")) == 5
        # What changes nothing for those that wait asks nothing of them.
        assert await sent_by(move(board, first, "archived")) == 4
        assert await sent_by(board.person.post("/api/v1/tasks", json={"title": "T", "depends_on": [alone["id"]]})) == 5
        assert await sent_by(edit(board, first, title="B")) == 4
