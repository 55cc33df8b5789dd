"""A gateway that is away for an hour, on the simulated clock: nothing is given up, and all of it arrives afterwards, in order."""

from tests import boards, gateways
from tests.gateways import refuses, says, thread
from tests.runtime.clock.conftest import simulated  # noqa: F401 a fixture
from tests.runtime.clock.worlds import MINUTE, World, working

COUNTED = "SELECT count(*) FROM runtime_dead_letters"
STATES = "SELECT DISTINCT state FROM notifications WHERE recipient_kind = 'agent'"


async def test_an_hour_without_the_gateway_loses_nothing_and_everything_is_said_once(simulated, admin):  # noqa: F811
    async with gateways.opened(lambda asked: says(f"Answer to {asked.key}")) as gateway:

        def opened():
            return boards.opened(simulated[1], gateway_url=gateway.url, CALLBOARD_CLOCK="simulated")

        async with boards.in_own_task(opened) as board, working(board):
            world = World(board)
            await gateway.shut()
            tasks = [await board.task(title=f"Task {number}") for number in range(3)]
            await world.advance(30 * MINUTE)
            for task in tasks:
                path = f"/api/v1/tasks/{task['id']}/messages"
                assert (await board.person.post(path, json={"content": "Are you there?"})).status_code == 201
            gateway.script = [refuses(503)] * 3
            await gateway.open()
            await world.advance(29 * MINUTE)
            await gateway.shut()
            await world.advance(MINUTE)
            assert await admin.fetchval(COUNTED) == 0
            await gateway.open()
            await world.advance(20 * MINUTE)
            assert [row["state"] for row in await admin.fetch(STATES)] == ["delivered"]
            assert await admin.fetchval(COUNTED) == 0
            for task in tasks:
                said = [one["content"] for one in await thread(board, task["id"]) if one["author_kind"] == "agent"]
                assert len(said) == len(set(said)) == 2
