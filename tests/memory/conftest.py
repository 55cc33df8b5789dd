"""A board whose clock stands still until a test moves it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.kernel import clock, db
from tests import boards

START = datetime(2031, 1, 6, 8, 0, tzinfo=UTC)


@pytest.fixture
async def stopped(admin) -> Any:
    """The database's clock stands at START; answers the connection that moves it."""
    await clock.choose(admin, clock.SIMULATED, reader=db.AUTH_ROLE, at=START)
    return admin


@pytest.fixture
async def board(urls, stopped) -> AsyncIterator[boards.Board]:
    async with boards.in_own_task(lambda: boards.opened(urls[1], CALLBOARD_CLOCK="simulated")) as opened:
        yield opened
