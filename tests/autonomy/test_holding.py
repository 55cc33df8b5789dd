"""The fence of the moves that a decision makes: only what waits for an approval is released or ended by one."""

import pytest

from app.kernel.errors import InvalidTransition
from app.runtime import holding
from app.runtime.holding import Held
from tests import make

STATES = "SELECT state, held_by FROM runtime_commands ORDER BY id"


async def test_what_does_not_wait_for_an_approval_is_left_as_it_is(database, admin, account):
    ids = await make.enqueued(database, account, make.order(), make.order(held_by="operator"), make.order(held_by="approval"))
    plain, operators, waiting = (Held(id=one, type="test.noop", profile="standard_async", attempt=0) for one in ids)

    async def release(*commands: Held) -> None:
        async with database.transaction(account, origin=make.ORIGIN) as tx:
            for command in commands:
                holding.release(tx, command, actor=None)

    async def end(command: Held) -> None:
        async with database.transaction(account, origin=make.ORIGIN) as tx:
            holding.end(tx, command, actor=None, reason="r")

    for other in (plain, operators):
        with pytest.raises(InvalidTransition):
            await release(waiting, other)
        with pytest.raises(InvalidTransition):
            await end(other)
    found = [tuple(row) for row in await admin.fetch(STATES)]
    assert found == [("queued", None), ("held", "operator"), ("held", "approval")]
    await release(waiting)
    with pytest.raises(InvalidTransition):
        await release(waiting)
    with pytest.raises(InvalidTransition):
        await end(waiting)
    assert tuple((await admin.fetch(STATES))[2]) == ("queued", None)
