"""How many tasks an agent may hold at once, as it is set."""

import pytest

AGENTS = "/api/v1/agents"
NEW = {"slug": "painter", "name": "Painter", "role": "Painter"}


async def test_an_agent_holds_one_task_unless_told_otherwise(board):
    made = (await board.person.post(AGENTS, json=NEW)).json()
    assert made["capacity"] == 1
    assert {one["capacity"] for one in (await board.person.get(AGENTS)).json()["items"]} == {1}


@pytest.mark.parametrize("capacity", [1, 2, 20])
async def test_capacity_is_set_at_birth_and_later(board, capacity):
    made = (await board.person.post(AGENTS, json=NEW | {"capacity": capacity})).json()
    assert made["capacity"] == capacity
    other = f"{AGENTS}/{await board.agent_id('engineer')}"
    assert (await board.person.patch(other, json={"capacity": capacity})).json()["capacity"] == capacity
    # An edit of something else leaves it.
    assert (await board.person.patch(other, json={"name": "Builder"})).json()["capacity"] == capacity
    assert (await board.person.get(other)).json()["capacity"] == capacity


async def test_a_bad_capacity_is_refused_with_its_field(board, admin):
    engineer = f"{AGENTS}/{await board.agent_id('engineer')}"
    for value in (0, 21, -1, 10**20, 1.5, "2", True, None):
        for answer in (
            await board.person.post(AGENTS, json=NEW | {"capacity": value}),
            await board.person.patch(engineer, json={"capacity": value}),
        ):
            error = answer.json()["error"]
            assert (answer.status_code, error["details"]["fields"][0]["field"]) == (422, "capacity"), value
    assert await admin.fetchval("SELECT count(*) FROM agents WHERE capacity <> 1 OR slug = 'painter'") == 0


async def test_agents_do_not_set_their_own(board):
    answer = await board.as_("engineer").patch(f"{AGENTS}/{await board.agent_id('engineer')}", json={"capacity": 20})
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "persons_only")
