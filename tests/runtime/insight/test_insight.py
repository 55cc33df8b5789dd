"""The numbers of the runtime against a history that is known by hand."""

from uuid import uuid4

import pytest

from app.kernel import db
from app.kernel.ids import new_id
from app.runtime import closings, ledger
from app.runtime.closings import Failure
from app.runtime.queries import workers
from app.runtime.types import ErrorClass
from tests import make

BROKEN = Failure(error=ErrorClass.VALIDATION, message="never")
PASSING = Failure(error=ErrorClass.TRANSIENT, message="again")


@pytest.fixture
async def worker(urls):
    worker_id = new_id()
    connection = await db.direct(urls[1], role=db.RUNTIME_ROLE)
    await connection.execute(workers.LOCK, worker_id.int & (2**62 - 1))
    await connection.execute(workers.REGISTER, worker_id, worker_id.int & (2**62 - 1), "here", 1, "", 50)
    yield worker_id
    connection.terminate()


async def finished(board, worker, *, succeeds: int, fails: int = 0, retried: int = 0) -> None:
    """`retried` of those that succeed do so at their second attempt."""
    await make.enqueued(board.database, board.account_id, *[make.order() for _ in range(succeeds + fails)])
    pool, wanted = board.database.runtime, dict.fromkeys(range(4), 200)
    claims = [claim for claim, _ in await ledger.claim_commands(pool, worker, wanted=wanted)]
    assert len(claims) == succeeds + fails
    good, bad = claims[:succeeds], claims[succeeds:]
    ends = [closings.failed(claim, PASSING, worker_id=worker, jitter=0) for claim in good[:retried]]
    ends += [closings.succeeded(claim, worker_id=worker) for claim in good[retried:]]
    await ledger.close(pool, [*ends, *[closings.failed(claim, BROKEN, worker_id=worker, jitter=0) for claim in bad]])
    again = [claim for claim, _ in await ledger.claim_commands(pool, worker, wanted=wanted)]
    await ledger.close(pool, [closings.succeeded(claim, worker_id=worker) for claim in again])


async def slo(board) -> dict[str, tuple[float | None, str]]:
    answer = await board.person.get("/api/v1/admin/runtime/slo?hours=1")
    assert answer.status_code == 200, answer.text
    return {one["name"]: (one["value"], one["standing"]) for one in answer.json()["objectives"]}


async def test_objectives_equal_the_numbers_made_by_hand(board, worker, admin):
    assert (await slo(board))["reliability"] == (None, "no_data")
    await finished(board, worker, succeeds=19, fails=1)
    found = await slo(board)
    assert found["reliability"] == (95.0, "breach")
    assert found["trace_coverage"] == (100.0, "ok")
    assert found["dead_letter_rate"] == (5.0, "breach")
    assert found["replay_success"] == (None, "no_data")
    await admin.execute("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events WHERE type = 'runtime:command:succeeded')")
    assert (await slo(board))["trace_coverage"] == (95.0, "breach")


async def test_key_numbers_are_held_against_the_saved_baseline(board, worker, admin):
    await finished(board, worker, succeeds=10, retried=5)
    saved = await board.person.post("/api/v1/admin/runtime/kpi/baseline", json={"hours": 1})
    assert saved.status_code == 201
    assert saved.json()["values"]["reprocessing"] == 50.0
    await finished(board, worker, succeeds=15)
    now = (await board.person.get("/api/v1/admin/runtime/kpi?hours=1")).json()
    assert (now["values"]["reprocessing"], now["baseline"]["reprocessing"]) == (20.0, 50.0)
    assert now["improvement"]["reprocessing"] == pytest.approx(0.6)
    assert now["is_reached"] == {"reprocessing": True}


async def test_an_orphan_is_found_and_named(board, admin):
    async def orphans():
        return (await board.person.get("/api/v1/admin/runtime/orphans")).json()["items"]

    assert await orphans() == []
    await make.enqueued(board.database, board.account_id, make.order())
    await admin.execute("UPDATE runtime_commands SET type = 'gone.type' WHERE type = 'test.noop'")
    held = make.order(held_by="pause:type:test.noop")
    await make.enqueued(board.database, board.account_id, held)
    assert sorted(one["what"] for one in await orphans()) == [
        "held for a pause that is gone",
        "waiting command of a type that nobody declares",
    ]


@pytest.mark.parametrize("path", ["slo", "kpi", "orphans"])
async def test_only_operators_see_how_the_runtime_does(board, path):
    assert (await board.as_("engineer").get(f"/api/v1/admin/runtime/{path}")).status_code == 403
    assert (await board.client(None).get(f"/api/v1/admin/runtime/{path}")).status_code == 401


async def test_another_accounts_commands_do_not_count(board, worker, admin):
    other = await make.account(admin)
    await make.enqueued(board.database, other, make.order(idempotency_key=uuid4().hex))
    for claim, _ in await ledger.claim_commands(board.database.runtime, worker, wanted={0: 9, 1: 9, 2: 9, 3: 9}):
        await ledger.close(board.database.runtime, [closings.failed(claim, BROKEN, worker_id=worker, jitter=0)])
    assert (await slo(board))["reliability"] == (None, "no_data")
