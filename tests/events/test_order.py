import asyncio
import random

from app.events import queries
from app.events import service as events
from app.kernel.ids import new_id
from tests import make

WRITERS, TRANSACTIONS = 16, 25


async def test_a_follower_never_skips_while_many_write(urls, account, subscribers):
    async with make.opened(urls[1], subscribers=subscribers, size=WRITERS + 2) as database:
        read: list[int] = []
        written = asyncio.Event()

        async def write(name):
            for place in range(TRANSACTIONS):
                async with database.transaction(account, origin=make.ORIGIN) as tx:
                    for number in range(random.randint(1, 3)):
                        about = {"writer": name, "place": place, "number": number}
                        events.record(tx, "test:thing:changed", entity=("thing", new_id()), actor=None, payload=about)
                    if random.random() < 0.3:
                        # The number is given last, whatever came before it.
                        await tx.value("SELECT pg_sleep($1)", random.uniform(0, 0.01))

        async def follow():
            cursor = 0
            while True:
                is_last = written.is_set()
                async with database.transaction(account, origin=make.ORIGIN) as tx:
                    rows = await tx.rows(queries.AFTER, account, cursor, None, 50)
                read.extend(row["seq"] for row in rows)
                cursor = read[-1] if read else 0
                if is_last and not rows:
                    return
                await asyncio.sleep(0)

        following = asyncio.create_task(follow())
        await asyncio.gather(*[write(name) for name in range(WRITERS)])
        written.set()
        await asyncio.wait_for(following, 20)
    assert len(read) >= WRITERS * TRANSACTIONS
    assert read == list(range(1, len(read) + 1))


async def test_an_undone_transaction_leaves_no_gap(database, account):
    async def undone():
        async with database.transaction(account, origin=make.ORIGIN) as tx:
            events.record(tx, "test:thing:changed", entity=("thing", new_id()), actor=None, payload={})
            await tx.flush()
            raise ZeroDivisionError

    for _ in range(3):
        try:
            await undone()
        except ZeroDivisionError:
            await make.enqueued(database, account, make.order())
    async with database.transaction(account, origin=make.ORIGIN) as tx:
        rows = await tx.rows(queries.AFTER, account, 0, None, 50)
    assert [row["seq"] for row in rows] == [1, 2, 3]
