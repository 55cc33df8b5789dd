from uuid import UUID

import pytest

from app.kernel import db
from app.kernel.ids import new_id
from app.runtime.queries import workers as queries
from tests.runtime.executor.desk import Desk


@pytest.fixture
def lock_holders():
    return []


@pytest.fixture
async def a_worker(urls, lock_holders):
    """Registers living workers; `lock_holders` are their connections."""

    async def register() -> UUID:
        worker_id = new_id()
        connection = await db.direct(urls[1], role=db.RUNTIME_ROLE)
        lock_holders.append(connection)
        key = worker_id.int & (2**62 - 1)
        await connection.execute(queries.LOCK, key)
        await connection.execute(queries.REGISTER, worker_id, key, "here", 1, "", 50)
        return worker_id

    yield register
    for connection in lock_holders:
        connection.terminate()


@pytest.fixture
async def desk(database, admin, account, a_worker, lock_holders):
    return Desk(database, admin, account, await a_worker(), lock_holders)
