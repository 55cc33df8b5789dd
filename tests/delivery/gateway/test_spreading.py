"""Many requests at once go through small pools, and each pool knows when a request is over, however it ended."""

import asyncio

import httpx
import pytest

from app.delivery.gateway.spreading import EACH, Spread
from tests import gateways, make
from tests.gateways import hangs, says

MANY = 3 * EACH + 1


def inside(spread: Spread) -> list[int]:
    return [pool.inside for pool in spread._pools]


async def test_no_pool_holds_more_than_it_may_and_all_are_free_afterwards():
    spread, held = Spread(), asyncio.Event()
    async with gateways.opened(lambda _: says("Yes.", once=held)) as gateway, httpx.AsyncClient(transport=spread) as client:
        asked = [asyncio.create_task(client.post(gateway.url, content=b"{}", headers=HEADERS)) for _ in range(MANY)]
        await make.until(lambda: asyncio.sleep(0, len(gateway.asked) == MANY))
        assert inside(spread) == [EACH, EACH, EACH, 1]
        held.set()
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
        assert inside(spread) == [0, 0, 0, 0]
        await client.post(gateway.url, content=b"{}", headers=HEADERS)
        assert len(spread._pools) == 4


@pytest.mark.parametrize("ending", ["cancelled", "refused", "unread"])
async def test_a_request_that_ends_otherwise_gives_its_place_back(ending):
    spread = Spread()
    answering = hangs() if ending == "cancelled" else says("Yes.")
    async with gateways.opened(lambda _: answering) as gateway, httpx.AsyncClient(transport=spread) as client:
        if ending == "refused":
            await gateway.shut()
            with pytest.raises(httpx.ConnectError):
                await client.post(gateway.url, content=b"{}", headers=HEADERS)
        elif ending == "cancelled":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.post(gateway.url, content=b"{}", headers=HEADERS), 0.1)
        else:
            async with client.stream("POST", gateway.url, content=b"{}", headers=HEADERS) as response:
                assert inside(spread) == [1]
                await response.aclose()
                await response.aclose()
        assert inside(spread) == [0]


HEADERS = {"x-openclaw-agent-id": "one", "x-openclaw-session-key": "one"}
