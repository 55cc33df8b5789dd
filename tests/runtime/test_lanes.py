import asyncio
import random
from collections import Counter, defaultdict
from uuid import UUID, uuid4

from app.runtime.handlers import Failed
from app.runtime.types import ErrorClass
from app.runtime.worker import Worker
from tests import make

LANES = [uuid4() for _ in range(20)]
PRODUCERS, WORKERS, BATCHES, BATCH = 8, 3, 25, 3
TOTAL = PRODUCERS * BATCHES * BATCH


class Witness:
    """A handler that sees which lanes run at the same time, and in which order."""

    def __init__(self):
        self.running: Counter[UUID] = Counter()
        self.overlaps: list[UUID] = []
        self.seen: dict[UUID, list[int]] = defaultdict(list)

    async def handle(self, attempt):
        lane = attempt.claim.lane_id
        self.running[lane] += 1
        if self.running[lane] > 1:
            self.overlaps.append(lane)
        try:
            await self.work(attempt)
        finally:
            self.running[lane] -= 1
        # Once the finish is committed the lane is another worker's, however long this handler lives on.
        if random.random() < 0.3:
            async with attempt.transaction() as tx:
                attempt.finish(tx)

    async def work(self, attempt):
        await asyncio.sleep(random.uniform(0, 0.004))
        if random.random() < 0.03:
            raise Failed(ErrorClass.TRANSIENT, "by chance")
        self.seen[attempt.claim.lane_id].append(attempt.claim.lane_seq)


async def produce(database, account):
    for _ in range(BATCHES):
        orders = [make.order(lane_id=lane, profile="critical_path") for lane in random.choices(LANES, k=BATCH)]
        await make.enqueued(database, account, *orders)
        await asyncio.sleep(random.uniform(0, 0.01))


async def test_order_is_kept_and_a_lane_never_runs_twice_at_once(urls, database, admin, account):
    witness = Witness()
    stop = asyncio.Event()
    crew = [Worker(database, urls[1], handlers={"test.noop": witness.handle}, slots=10) for _ in range(WORKERS)]
    working = [asyncio.create_task(worker.run(stop)) for worker in crew]
    await asyncio.gather(*[produce(database, account) for _ in range(PRODUCERS)])

    async def all_done():
        return await admin.fetchval("SELECT count(*) FROM runtime_commands WHERE state = 'succeeded'") == TOTAL

    await make.until(all_done)
    stop.set()
    await asyncio.gather(*working)
    assert witness.overlaps == []
    assert sum(map(len, witness.seen.values())) == TOTAL
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in witness.seen.values())
    assert sum(worker.fenced for worker in crew) == 0
    assert await admin.fetchval("SELECT bool_and(state = 'idle' AND done_seq = last_seq) FROM runtime_lanes")
