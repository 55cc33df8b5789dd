"""A gateway that is back is not kept waiting by the pauses of the time when it was away."""

from app.delivery import presence
from tests import gateways, make
from tests.gateways import finds, says
from tests.make import ORIGIN

AWAY = """INSERT INTO gateway_presence (account_id, profile_id, state, interval_seconds, until)
    SELECT account_id, id, 'offline', 30, now() FROM executor_profiles
    ON CONFLICT (account_id, profile_id) DO UPDATE SET state = 'offline', until = now()"""
LATER = (
    "UPDATE runtime_commands SET run_at = now() + interval '1 h' WHERE type = 'delivery.send'",
    "UPDATE runtime_lanes SET ready_at = now() + interval '1 h'",
)


async def test_what_waits_goes_out_as_soon_as_the_gateway_is_back(board, gateway, admin):
    await gateway.shut()
    async with gateways.working(board.settings):
        await board.task()
        await make.until(finds(admin, "type = 'delivery.send' AND state = 'retry_scheduled'", table="runtime_commands"))
        for statement in (AWAY, *LATER):
            await admin.execute(statement)
        gateway.answering = lambda _: says("Here.")
        await gateway.open()
        for _ in range(2):
            async with board.database.transaction(board.account_id, origin=ORIGIN) as tx:
                await presence.heard(tx, "default", interval=30)
        await make.until(finds(admin, "state = 'delivered'"))
    assert await admin.fetchval("SELECT count(*) FROM events WHERE type = 'delivery:gateway:online'") == 1
