"""Random histories of commands: the ledger and a small model of their life never disagree."""

import asyncio
from collections import Counter
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.kernel.errors import InvalidTransition
from app.kernel.types import ActorKind, Principal, Role
from app.runtime import closings, control, ledger, letters
from app.runtime.closings import Failure
from app.runtime.rules.lifecycle import may_move
from app.runtime.schemas.commands import Cancel, Hold, Resume
from app.runtime.schemas.letters import Discard
from app.runtime.types import CommandState, ErrorClass
from tests import make
from tests.runtime.executor.model import ATTEMPTS, Command, Model

LANES = 2
SEEN = """
SELECT c.id, c.state, c.attempt, c.spent, c.lost, c.released, c.waited, d.state AS letter,
    (SELECT count(*) FROM runtime_alerts a WHERE a.fingerprint = 'dead_letter:' || c.id AND a.cleared_at IS NULL) AS alerts,
    (SELECT array_agg((t.completed_at IS NULL) ORDER BY t.attempt) FROM runtime_command_attempts t
     WHERE t.command_id = c.id) AS open,
    (c.retention_until IS NULL) = (c.finished_at IS NULL) AS is_kept
FROM runtime_commands c LEFT JOIN runtime_dead_letters d ON d.command_id = c.id WHERE c.account_id = $1
"""
LANES_SEEN = "SELECT id, state FROM runtime_lanes WHERE account_id = $1"
HISTORY = """SELECT entity_id, type, payload ->> 'state' AS state FROM events
WHERE account_id = $1 AND entity_kind = 'command' AND payload ->> 'state' IS NOT NULL ORDER BY seq"""
# What a lane put off is looked at again at once, so that no test waits for it.
LOOK_AGAIN = "UPDATE runtime_lanes SET ready_at = now() WHERE state = 'ready' AND account_id = $1"
# A run that never came by these would prove little.
MET = {"succeeded", "dead_lettered", "failed_terminal", "canceled", "lost", "halted", "replayed", "resolved", "fenced", "refused"}


class Ledger:
    """The real ledger; Hypothesis drives it from a thread of its own."""

    def __init__(self, desk, a_worker, met):
        self.desk, self._a_worker, self.met = desk, a_worker, met
        self._loop = asyncio.get_running_loop()

    def do(self, act):
        return asyncio.run_coroutine_threadsafe(act, self._loop).result()

    async def fresh(self):
        self.desk.account = await make.account(self.desk.admin)
        self.person = Principal(kind=ActorKind.PERSON, id=UUID(int=1), account_id=self.desk.account, name="Ada", role=Role.OWNER)

    async def by_hand(self, act):
        """Whether the move was allowed."""
        try:
            async with self.desk.database.transaction(self.desk.account, origin=make.ORIGIN) as tx:
                await act(tx)
        except InvalidTransition:
            return False
        return True

    async def die(self):
        """The worker dies, its commands are found, and another takes its place."""
        self.desk.lock_holders[-1].terminate()
        while await self.desk.admin.fetchval("SELECT count(*) FROM runtime_commands WHERE state = 'running'"):
            await ledger.reap(self.desk.pool)
            await asyncio.sleep(0.005)
        self.desk.worker = await self._a_worker()


class Machine(RuleBasedStateMachine):
    def __init__(self, real):
        super().__init__()
        self.real, self.desk, self.model = real, real.desk, Model()
        self.lanes = [UUID(int=number + 1) for number in range(LANES)]
        real.do(real.fresh())

    def at(self, place, state=None):
        found = [each for each in self.model.commands if state is None or each.state == state]
        return found[place % len(found)] if found else None

    @rule(lane=st.none() | st.integers(0, LANES - 1), profile=st.sampled_from(sorted(ATTEMPTS)))
    def enqueue(self, lane, profile):
        order = make.order(profile=profile, lane_id=None if lane is None else self.lanes[lane])
        [command_id] = self.real.do(self.desk.enqueue(order))
        self.model.add(Command(command_id, lane, profile))

    @initialize()
    def some(self):
        for lane, profile in (
            (None, "standard_async"),
            (None, "critical_path"),
            (None, "best_effort"),
            (0, "manual_review"),
            (0, "delivery"),
        ):
            self.enqueue(lane, profile)

    @rule()
    def begin(self):
        self.begun(self.model.claimable(), self.real.do(self.desk.claim()))
        self.real.do(self.desk.admin.execute(LOOK_AGAIN, self.desk.account))
        self.begun(self.model.leasable(), self.real.do(self.desk.lease()))

    def begun(self, wanted, claims):
        found = {claim.id: claim for claim in claims}
        assert set(found) == {each.id for each in wanted}
        for each in wanted:
            self.model.start(each, found[each.id])
            assert found[each.id].budget_used == each.used

    @rule(place=st.integers(0, 9), is_with_effects=st.booleans())
    def succeed(self, place, is_with_effects):
        if each := self.at(place, "running"):
            self.real.do(self.desk.finish(each.claim) if is_with_effects else self.desk.succeed(each.claim))
            self.model.succeed(each)

    @rule(place=st.integers(0, 9), error=st.sampled_from(["transient", "rate_limited", "validation_failed", "validation_failed"]))
    def fail(self, place, error):
        if each := self.at(place, "running"):
            self.real.do(self.desk.fail(each.claim, Failure(error=ErrorClass(error), message="no")))
            self.model.fail(each, error)

    @rule()
    def die(self):
        self.real.do(self.real.die())
        for each in [each for each in self.model.commands if each.state == "running"]:
            self.real.met["lost"] += 1
            self.model.lose(each)

    @rule(place=st.integers(0, 9))
    def release(self, place):
        if each := self.at(place, "running"):
            closing = closings.released(each.claim, worker_id=self.desk.worker)
            assert self.real.do(ledger.close(self.desk.pool, [closing]))
            self.model.release(each)

    @rule(place=st.integers(0, 9))
    def stop(self, place):
        """The worker obeys a cancel."""
        unwanted = [each for each in self.model.commands if each.state == "running" and each.is_unwanted]
        if unwanted:
            each = unwanted[place % len(unwanted)]
            closing = closings.canceled(each.claim, worker_id=self.desk.worker)
            assert self.real.do(ledger.close(self.desk.pool, [closing]))
            self.model.stop(each)

    @rule(place=st.integers(0, 9))
    def come_late(self, place):
        """An attempt that is over says that it succeeded."""
        over = [each for each in self.model.commands if each.stale or (each.claim and each.state != "running")]
        if over:
            each = over[place % len(over)]
            claim = each.stale[-1] if each.state == "running" and each.stale else each.claim
            if claim is not each.claim or each.state != "running":
                assert self.real.do(self.desk.succeed(claim)) == set()
                self.real.met["fenced"] += 1

    @rule(place=st.integers(0, 9), wish=st.sampled_from(["cancel", "hold", "resume"]))
    def wish(self, place, wish):
        if each := self.at(place):
            asked = {"cancel": Cancel(reason="r"), "hold": Hold(reason="r"), "resume": Resume()}[wish]
            is_allowed = getattr(self.model, wish)(each)
            act = getattr(control, wish)
            assert self.real.do(self.real.by_hand(lambda tx: act(tx, self.real.person, each.id, asked))) is is_allowed
            self.real.met["refused"] += not is_allowed

    @rule(place=st.integers(0, 9), is_discarded=st.sampled_from([False, False, True]))
    def judge(self, place, is_discarded):
        """The verdict on a dead letter, if there is an open one."""
        given_up = [each for each in self.model.commands if each.letter == "open"]
        if not given_up and (each := self.at(place, "running")):
            self.fail(place, "validation_failed")
        elif given_up:
            each = given_up[place % len(given_up)]
            self.real.do(self.real.by_hand(lambda tx: self.verdict(tx, each, is_discarded)))
            (self.model.discard if is_discarded else self.model.replay)(each)
            self.real.met["replayed"] += not is_discarded

    async def verdict(self, tx, each, is_discarded):
        letter_id = await tx.value("SELECT id FROM runtime_dead_letters WHERE command_id = $1", each.id)
        if is_discarded:
            await letters.discard(tx, self.real.person, letter_id, Discard(reason="r"))
        else:
            await letters.replay(tx, self.real.person, letter_id)

    @invariant()
    def they_agree(self):
        rows = {row["id"]: row for row in self.real.do(self.desk.admin.fetch(SEEN, self.desk.account))}
        assert set(rows) == {each.id for each in self.model.commands}
        for each in self.model.commands:
            row = rows[each.id]
            assert tuple(row[name] for name in ("state", "attempt", "spent", "lost", "released", "waited")) == each.counts()
            assert row["is_kept"]
            assert (row["open"] or []) == [False] * (each.attempt - (each.state == "running")) + [True] * (
                each.state == "running"
            )
            if each.letter != "replaying" or each.state != "canceled":
                assert (row["letter"], row["alerts"]) == (each.letter, each.is_alarming)
            self.real.met[each.state] += 1
            self.real.met[str(each.letter)] += 1
        for row in self.real.do(self.desk.admin.fetch(LANES_SEEN, self.desk.account)):
            lane = self.lanes.index(UUID(int=row["id"].int))
            head = self.model.head(lane)
            assert (row["state"] == "halted") == (lane in self.model.halted)
            assert (row["state"] == "leased") == (head is not None and head.state == "running")
            self.real.met["halted"] += row["state"] == "halted"

    def teardown(self):
        was: dict[UUID, CommandState] = {}
        for row in self.real.do(self.desk.admin.fetch(HISTORY, self.desk.account)):
            state = CommandState(row["state"])
            before = was.get(row["entity_id"])
            assert before is None or before is state or is_legal(before, state), (before, state)
            was[row["entity_id"]] = state
        assert was == {each.id: each.state for each in self.model.commands}
        # Leave nothing for the next example's worker.
        self.real.do(
            self.desk.admin.execute(
                "UPDATE runtime_commands SET state = 'canceled', finished_at = now() WHERE account_id = $1", self.desk.account
            )
        )
        self.real.do(self.desk.admin.execute("UPDATE runtime_lanes SET state = 'idle' WHERE account_id = $1", self.desk.account))


def is_legal(before, state):
    if state is CommandState.DEAD_LETTERED:
        return may_move(before, to=CommandState.FAILED_TERMINAL)
    return may_move(before, to=state)


async def test_the_ledger_and_the_model_never_disagree(desk, a_worker):
    met: Counter[str] = Counter()
    real = Ledger(desk, a_worker, met)

    class Run(Machine):
        def __init__(self):
            super().__init__(real)

    run = settings(
        max_examples=24,
        stateful_step_count=40,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, Run, settings=run)
    assert {name for name, many in met.items() if many} >= MET, MET - set(met)
