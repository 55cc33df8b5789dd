"""How often approvals go to the database; BEGIN and COMMIT count."""

from uuid import UUID

import pytest

from app.kernel import db
from tests import boards
from tests.autonomy import desk
from tests.kernel.test_sql import Counted, sent_by


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)


async def test_a_vote_takes_four_round_trips_and_reading_as_few(counted, urls):
    async with boards.opened(urls[1]) as board:
        await desk.hire(board, "ada")
        made = [await desk.held(board) for _ in range(6)]
        about = UUID((await board.task())["id"])
        targeted = [await desk.held(board, target_kind="task", target_id=about) for _ in range(2)]
        waiting = iter([*made, *targeted])

        async def voted(verb: str):
            return await desk.say(board, "ada", verb, next(waiting))

        found = {
            "approve": await sent_by(lambda: voted("approve")),
            "deny": await sent_by(lambda: voted("deny")),
            "cancel": await sent_by(lambda: voted("cancel")),
            "approve with a target": await sent_by(lambda: voted("approve")),
            "list": await sent_by(lambda: board.as_("ada").get(desk.APPROVALS)),
            "mine": await sent_by(lambda: board.as_("ada").get(desk.APPROVALS, params={"mine": "true"})),
            "one": await sent_by(lambda: board.as_("ada").get(f"{desk.APPROVALS}/{made[0]['id']}")),
            "delegations": await sent_by(lambda: board.as_("ada").get(desk.DELEGATIONS)),
        }
    assert found == {
        "approve": 4,
        "deny": 4,
        "cancel": 4,
        "approve with a target": 5,
        "list": 3,
        "mine": 3,
        "one": 4,
        "delegations": 3,
    }
