"""A board whose agents are woken through a real gateway, and workers in this process or in their own."""

import pytest

from tests import boards, gateways


@pytest.fixture
async def gateway():
    async with gateways.opened() as opened:
        yield opened


@pytest.fixture
async def board(urls, gateway):
    async with boards.in_own_task(lambda: boards.opened(urls[1], gateway_url=gateway.url)) as opened:
        yield opened


@pytest.fixture
async def worker(board):
    async with gateways.working(board.settings):
        yield


@pytest.fixture
async def crew(urls, tmp_path):
    made = gateways.Crew(urls[1], tmp_path)
    yield made
    await made.end()
