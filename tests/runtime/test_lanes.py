import asyncio
import random
from collections import Counter, defaultdict
from uuid import uuid4

from app.runtime.handlers import Failed
from app.runtime.types import ErrorClass
from app.runtime.worker import Worker
from tests import make

LANES = [uuid4() for _ in range(20)]
PRODUCERS, WORKERS, BATCHES = 8, 3, 25


async def test_order_is_kept_and_a_lane_never_runs_twice_at_once(urls, database, admin, account):
    running = Counter()
    overlaps = []
    seen = defaultdict(list)

    async def handle(attempt):
        lane = attempt.claim.lane_id
        running[lane] += 1
        if running[lane] > 1:
            overlaps.append(lane)
        try:
            await asyncio.sleep(random.uniform(0, 0.004))
            if random.random() < 0.03:
                raise Failed(ErrorClass.TRANSIENT, "by chance")
            seen[lane].append(attempt.claim.lane_seq)
            if random.random() < 0.3:
                async with attempt.transaction() as tx:
                    attempt.finish(tx)
        finally:
            running[lane] -= 1

    async def produce(name):
        for place in range(BATCHES):
            orders = [
                make.order(lane_id=lane, profile="critical_path", idempotency_key=f"{name}-{place}-{number}")
                for number, lane in enumerate(random.choices(LANES, k=3))
            ]
            await make.enqueued(database, account, *orders)
            await asyncio.sleep(random.uniform(0, 0.01))

    stop = asyncio.Event()
    crew = [Worker(database, urls[1], handlers={"test.noop": handle}, slots=10) for _ in range(WORKERS)]
    working = [asyncio.create_task(worker.run(stop)) for worker in crew]
    await asyncio.gather(*[produce(name) for name in range(PRODUCERS)])
    total = PRODUCERS * BATCHES * 3

    async def all_done():
        return await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE state = 'succeeded'") == total

    await make.until(all_done)
    stop.set()
    await asyncio.gather(*working)
    assert overlaps == []
    assert sum(map(len, seen.values())) == total
    for seqs in seen.values():
        assert seqs == list(range(1, len(seqs) + 1))
    assert sum(worker.fenced for worker in crew) == 0
    assert await admin.fetchval("SELECT bool_and(state = 'idle' AND done_seq = last_seq) FROM runtime_lanes")
