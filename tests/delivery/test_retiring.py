"""An agent that is taken off duty while it thinks."""

import asyncio

from tests import make
from tests.gateways import finds, hurry, says


async def test_what_a_retired_agent_answered_is_skipped_as_that_and_is_no_dead_letter(board, gateway, worker, admin):
    heard = asyncio.Event()
    gateway.script = [says("I begin.", once=heard)]
    await board.task(title="T", assignee_slugs=["engineer"])
    await make.until(finds(admin, "taken_at IS NOT NULL AND recipient_kind = 'agent'"))
    path = f"/api/v1/agents/{await board.agent_id('engineer')}"
    assert (await board.person.patch(path, json={"retired": True})).status_code == 200
    heard.set()
    is_skipped = finds(admin, "state = 'skipped' AND reason = 'agent_retired' AND recipient_kind = 'agent'")

    async def ended() -> bool:
        await hurry(admin)
        return await is_skipped()

    await make.until(ended)
    assert await admin.fetchval("SELECT count(*) FROM runtime_dead_letters") == 0
    assert await admin.fetchval("SELECT count(*) FROM messages") == 0
