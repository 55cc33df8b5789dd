"""What each switch does to agents and to deliveries, and that it lets them go again."""

from typing import Any
from uuid import UUID

import pytest

from app import main
from app.agentapi import functions
from app.kernel.types import ActorKind, Principal
from app.policies.types import READING
from tests import boards, gateways, make
from tests.gateways import finds, says, settled, thread
from tests.mcp.clients import called, connected
from tests.runtime.controls import desk

STOPPED = ("kill_switch", 403)


async def agent(board, slug="engineer"):
    identity = UUID(await board.agent_id(slug))
    return Principal(kind=ActorKind.AGENT, id=identity, account_id=board.account_id, name=slug, scopes=frozenset({"agent"}))


async def engaged(board, name, *, value=True):
    """Set it, and wait until the board's processes know."""
    await desk.set_(board, name, value)

    async def is_known():
        return board.database.controls.flag(board.account_id, name) is value

    await make.until(is_known)


def why(content: dict[str, Any]) -> str | None:
    """The reason of a refusal."""
    reason: str | None = content.get("error", {}).get("details", {}).get("reason")
    return reason


async def over_http(board, verb, **body):
    answer = await board.as_("engineer").post(f"/agent/{verb}", json=body)
    return why(answer.json()), answer.status_code


async def over_functions(board, verb, **body):
    who = await agent(board)
    outcome = await functions.invoke(board.database, main.VERBS, who, name=verb, arguments=body, origin=make.ORIGIN)
    return why(outcome.content), outcome.status


async def over_mcp(board, verb, **body):
    async with connected(board, "engineer") as client:
        is_refused, content = await called(client, verb.replace("-", "_"), **body)
    return why(content), 403 if is_refused and content["error"]["code"] == "forbidden" else 200


async def test_agents_change_nothing_while_their_switch_is_engaged_and_read_on(board):
    task = await board.task(assignee_slugs=["engineer"])
    about = {"task_id": task["id"]}
    ways = (over_http, over_functions, over_mcp)
    await engaged(board, "switch.agents")
    for ask in ways:
        await make.until(lambda ask=ask: is_stopped(board, ask, about))
        assert await ask(board, "task-message", **about, content="Hello") == STOPPED
        assert await ask(board, "task-why", **about) == (None, 200)
    assert (await board.as_("engineer").post("/agent/next", json={"wait": 0})).status_code == 200
    await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"title": "People go on"})
    await engaged(board, "switch.agents", value=False)
    for ask in ways:
        await make.until(lambda ask=ask: is_free(board, ask, about))


async def is_stopped(board, ask, about):
    return await ask(board, "task-claim", **about) == STOPPED


async def is_free(board, ask, about):
    return await ask(board, "task-claim", **about) == (None, 200)


def test_a_verb_reads_as_its_action_does():
    assert [verb.name for verb in main.VERBS if verb.reads is not (verb.action in READING)] == []


async def test_every_verb_that_changes_something_is_stopped(board):
    """Whatever its arguments: the switch comes before every other rule."""
    await engaged(board, "switch.agents")
    who = await agent(board)
    for verb in main.VERBS:
        outcome = await functions.invoke(board.database, [verb], who, name=verb.name, arguments={}, origin=make.ORIGIN)
        reason = why(outcome.content)
        if verb.reads:
            assert reason != "kill_switch", verb.name
        else:
            assert reason == "kill_switch" or outcome.status == 422, verb.name


async def test_what_would_be_decided_takes_the_switch_into_account(board):
    async def explained(action):
        asked = {"action": action, "agent_slug": "engineer"}
        return desk.ok(await board.person.post("/api/v1/policies/explain", json=asked))

    await engaged(board, "switch.agents")

    async def is_stopped():
        answer = await explained("documents.write")
        return (answer["decision"], answer["reason"]) == ("deny", "kill_switch")

    await make.until(is_stopped)
    assert (await explained("documents.read"))["decision"] == "allow"


async def test_a_stored_answer_is_not_given_again_while_the_switch_is_engaged(board):
    task = await board.task(assignee_slugs=["engineer"])
    client, headers = board.as_("engineer"), {"Idempotency-Key": "once"}
    asked = {"task_id": task["id"], "content": "Hello"}
    assert (await client.post("/agent/task-message", json=asked, headers=headers)).status_code in {200, 201}
    await engaged(board, "switch.agents")

    async def is_refused():
        return (await client.post("/agent/task-message", json=asked, headers=headers)).status_code == 403

    await make.until(is_refused)


async def test_the_switch_of_one_account_stops_no_other(board, urls):
    async with boards.opened(urls[1], account_slug="other") as other:
        task = await other.task(assignee_slugs=["engineer"])
        await engaged(board, "switch.agents")
        answer = await other.as_("engineer").post("/agent/task-claim", json={"task_id": task["id"]})
        assert answer.status_code == 200


async def test_without_the_feature_agents_do_not_use_mcp(board):
    await engaged(board, "feature.mcp", value=False)
    call = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

    async def is_refused():
        answer = await board.as_("engineer").post("/mcp", json=call)
        return answer.status_code == 403 and answer.json()["error"]["details"]["reason"] == "feature_off"

    await make.until(is_refused)
    await engaged(board, "feature.mcp", value=True)

    async def is_let_in():
        return (await board.as_("engineer").post("/mcp", json=call)).status_code == 200

    await make.until(is_let_in)


@pytest.fixture
async def gateway():
    async with gateways.opened(lambda _: says("Here I am.")) as opened:
        yield opened


@pytest.fixture
async def woken(urls, gateway):
    """A board whose agents are woken through the gateway."""
    async with boards.in_own_task(lambda: boards.opened(urls[1], gateway_url=gateway.url)) as opened:
        yield opened


async def none_is_queued(admin):
    return not await finds(admin, "state = 'queued' AND recipient_kind = 'agent'")()


async def test_nothing_is_sent_while_deliveries_are_stopped_and_all_of_it_afterwards(woken, gateway, admin):
    await engaged(woken, "switch.deliveries")
    async with gateways.working(woken.settings):
        task = await woken.task()

        async def waits():
            return (await desk.pauses(woken))["type:delivery.send"]["waiting_lanes"] > 0

        await make.until(waits)
        assert gateway.asked == []
        await engaged(woken, "switch.deliveries", value=False)
        await make.until(lambda: none_is_queued(admin))
    assert [message["content"] for message in await thread(woken, task["id"])] == ["Here I am."]


async def test_a_delivery_that_is_under_way_is_not_sent_any_more(woken, gateway, admin):
    """The pause is taken away behind the board's back, as for a worker that claimed before it came."""
    await engaged(woken, "switch.deliveries")
    await admin.execute("DELETE FROM runtime_pauses")
    async with gateways.working(woken.settings):
        await woken.task()

        async def waited():
            return await admin.fetchval("SELECT waited FROM runtime_commands WHERE type = 'delivery.send'")

        await make.until(waited)
    assert gateway.asked == []
    assert "switch.deliveries" in await admin.fetchval(
        "SELECT last_error_message FROM runtime_commands WHERE type = 'delivery.send'"
    )


async def test_a_stopped_agent_is_not_woken_and_what_it_answered_is_kept(woken, gateway, admin):
    async with gateways.working(woken.settings):
        gateway.answering = lambda asked: says("Here I am.", delay=0.7)
        task = await woken.task()

        async def is_asked():
            return gateway.asked

        await make.until(is_asked)
        await engaged(woken, "switch.agents")

        async def waits():
            return await admin.fetchval("SELECT waited FROM runtime_commands WHERE type = 'delivery.send'")

        await make.until(waits)
        assert await thread(woken, task["id"]) == []
        await engaged(woken, "switch.agents", value=False)
        await settled(admin)
    assert [message["content"] for message in await thread(woken, task["id"])] == ["Here I am."]
    assert len(gateway.asked) == 1
