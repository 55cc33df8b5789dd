"""What is said while the database's socket is not there, as between its end and its next start."""

import time
from uuid import uuid4

import asyncpg
import pytest

from app.accounts.identity import Identities
from app.kernel import db
from app.kernel.db import Database
from app.kernel.errors import Unavailable
from app.kernel.startup import CannotStart
from app.kernel.wake import Wakes
from tests import make


async def nobody():
    raise OSError


async def test_a_call_without_a_database_may_be_made_again_later(tmp_path):
    url, wakes = f"postgresql://nobody@/none?host={tmp_path}", Wakes(nobody)
    async with asyncpg.create_pool(url, min_size=0) as pool:
        database = Database(pool, pool, wakes=wakes, subscribers={})
        with pytest.raises(Unavailable):
            async with database.transaction(uuid4(), origin=make.ORIGIN):
                pass
        identities = Identities(pool, wakes=wakes, monotonic=time.monotonic, now=None)
        with pytest.raises(Unavailable):
            await identities.authenticate(f"cb_{'a' * 8}_{'b' * 43}")


async def test_a_process_that_starts_without_a_database_says_so_in_a_line(tmp_path):
    with pytest.raises(CannotStart, match="not reachable"):
        async with db.opened(f"postgresql://nobody@/none?host={tmp_path}", size=1, wakes=Wakes(nobody), subscribers={}):
            pass
