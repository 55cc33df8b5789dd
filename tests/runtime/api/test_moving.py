"""An operator's hand on commands: cancel, hold, resume, and every move that it may not make."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.kernel.wake import CONTROL
from app.runtime.rules.lifecycle import MOVES
from app.runtime.types import CommandEnded, CommandState
from tests import make
from tests.policies import desk as people
from tests.runtime.api import desk


async def put(admin, command, state, held_by=None):
    """Bring a command into a state, however it may have got there."""
    sql = "UPDATE runtime_commands SET state = $2, held_by = $3 WHERE id = $1"
    await admin.execute(sql, UUID(command["id"]), state, held_by)


async def row_of(admin, command):
    return await admin.fetchrow("SELECT * FROM runtime_commands WHERE id = $1", UUID(command["id"]))


@pytest.mark.parametrize("state", ["queued", "retry_scheduled", "held"])
async def test_what_waits_is_canceled_at_once(board, admin, monkeypatch, state):
    heard = desk.heard(monkeypatch, CommandEnded)
    command = await desk.submitted(board)
    await put(admin, command, state, "approval" if state == "held" else None)
    ended = await desk.moved(board, command, "cancel", reason="not needed")
    assert (ended["status"], ended["held_by"], ended["finished_at"] is None) == ("canceled", None, False)
    kept = await admin.fetchval("SELECT retention_until - finished_at FROM runtime_commands")
    assert kept.days == 30
    event = (await desk.events_of(board, command))[-1]
    assert (event["type"], event["actor_kind"], event["source"]) == ("runtime:command:canceled", "person", "http")
    assert (event["payload"]["from"], event["payload"]["reason"]) == (state, "not needed")
    assert [(str(one.command_id), one.reason, str(one.actor.id)) for one in heard] == [
        (command["id"], "not needed", event["actor_id"])
    ]


async def test_to_cancel_twice_is_to_cancel_once(board):
    command = await desk.submitted(board)
    first = await desk.moved(board, command, "cancel", reason="a")
    assert await desk.moved(board, command, "cancel", reason="b") == first
    assert len(await desk.events_of(board, command)) == 2


async def test_what_ended_is_not_moved_any_more(board, admin):
    command = await desk.submitted(board)
    for state in ("succeeded", "failed_terminal", "dead_lettered", "replay_requested"):
        await put(admin, command, state)
        for verb in ("cancel", "hold", "resume"):
            assert await desk.refused(board, command, verb, reason="r") == "invalid_transition"
        assert await desk.status(board, command) == state
    assert len(await desk.events_of(board, command)) == 1


async def test_what_runs_is_asked_to_stop(board, admin):
    command = await desk.submitted(board)
    await put(admin, command, "running")
    heard: list[frozenset[str]] = []
    board.database.wakes.on_heard(lambda channel, subjects: heard.append(subjects) if channel == CONTROL else None)
    asked = await desk.moved(board, command, "cancel", reason="too slow")
    assert (asked["status"], asked["cancel_requested_at"] is None) == ("running", False)
    assert await desk.moved(board, command, "cancel", reason="again") == asked
    kinds = [event["type"] for event in await desk.events_of(board, command)]
    assert kinds == ["runtime:command:created", "runtime:command:cancel_requested"]

    async def is_heard():
        return any(str(board.account_id) in subjects for subjects in heard)

    await make.until(is_heard)


async def test_a_held_command_does_not_run_until_it_is_resumed(board):
    command = await desk.submitted(board, delay_seconds=0.2)
    held = await desk.moved(board, command, "hold", reason="look first")
    assert (held["status"], held["held_by"]) == ("held", "operator")
    assert await desk.moved(board, command, "hold", reason="again") == held
    async with desk.working(board):
        other = await desk.submitted(board, delay_seconds=0.5)

        async def is_done():
            return await desk.status(board, other) == "succeeded"

        await make.until(is_done)
        assert await desk.status(board, command) == "held"
        resumed = await desk.moved(board, command, "resume")
        assert (resumed["status"], resumed["held_by"], resumed["run_at"]) == ("queued", None, command["run_at"])

        async def is_run():
            return await desk.status(board, command) == "succeeded"

        await make.until(is_run)
    kinds = [event["type"].rpartition(":")[2] for event in await desk.events_of(board, command)]
    assert kinds == ["created", "held", "resumed", "started", "succeeded"]
    with pytest.raises(AssertionError):
        await desk.moved(board, command, "resume")


async def test_a_hand_lifts_its_own_hold_and_a_pauses_but_no_approvals(board, admin):
    command = await desk.submitted(board)
    for held_by, code in (("operator", 200), ("pause:queue:inbound", 200), ("approval", 409)):
        await put(admin, command, "held", held_by)
        answer = await desk.ask(board, command, "resume")
        assert (answer.status_code, await desk.status(board, command)) == (code, "queued" if code == 200 else "held")


async def test_an_operator_may_keep_what_a_pause_holds(board, admin):
    command = await desk.submitted(board)
    await put(admin, command, "held", "pause:all:")
    assert (await desk.moved(board, command, "hold", reason="mine"))["held_by"] == "operator"
    await put(admin, command, "held", "approval")
    assert await desk.refused(board, command, "hold", reason="mine") == "invalid_transition"
    assert (await row_of(admin, command))["held_by"] == "approval"


async def test_the_tail_of_a_lane_waits_for_its_held_head_and_passes_its_canceled_one(board, admin):
    lane = uuid4()
    made = await make.enqueued(
        board.database, board.account_id, *[make.order(type="test.lane", lane_id=lane, delay_seconds=0.3) for _ in range(4)]
    )
    first, second, third, last = [{"id": str(identity)} for identity in made]
    await desk.moved(board, first, "cancel", reason="skip it")
    await desk.moved(board, third, "hold", reason="stop here")
    async with desk.working(board):

        async def states():
            return [await desk.status(board, one) for one in (first, second, third, last)]

        async def is_at_the_third():
            return await states() == ["canceled", "succeeded", "held", "queued"]

        await make.until(is_at_the_third)
        # The lane is looked at each second; nothing passes the command that is held.
        await asyncio.sleep(1.2)
        assert await states() == ["canceled", "succeeded", "held", "queued"]
        await desk.moved(board, third, "resume")

        async def is_through():
            return await states() == ["canceled", "succeeded", "succeeded", "succeeded"]

        await make.until(is_through)


async def test_a_lane_goes_on_at_once_when_the_head_that_it_waits_for_is_canceled(board, admin):
    lane = uuid4()
    orders = [make.order(type="test.lane", lane_id=lane, delay_seconds=seconds) for seconds in (3600, 0)]
    head, tail = [{"id": str(one)} for one in await make.enqueued(board.database, board.account_id, *orders)]
    async with desk.working(board):

        async def is_put_off():
            return await admin.fetchval("SELECT ready_at > callboard_now() + interval '1 h' * 0.9 FROM runtime_lanes")

        await make.until(is_put_off)
        await desk.moved(board, head, "cancel", reason="skip it")

        async def is_done():
            return await desk.status(board, tail) == "succeeded"

        await make.until(is_done)


SAFE = {
    ("queued", "held"),
    ("retry_scheduled", "held"),
    ("held", "queued"),
    ("retry_scheduled", "queued"),
    ("held", "canceled"),
    ("queued", "canceled"),
    ("retry_scheduled", "canceled"),
    ("running", "canceled"),
    # These stand already.
    ("held", "held"),
    ("canceled", "canceled"),
}


async def test_every_other_move_by_hand_is_a_conflict_and_leaves_no_trace(board, admin):
    command = await desk.submitted(board)
    for state in CommandState:
        for to in CommandState:
            await put(admin, command, state, "operator" if state is CommandState.HELD else None)
            before, told = await row_of(admin, command), await admin.fetchval("SELECT count(*) FROM events")
            answer = await desk.ask(board, command, "transition", to=to)
            if (state.value, to.value) in SAFE:
                assert answer.status_code == 200, (state, to, answer.text)
                assert state is to or to in MOVES[state]
                await admin.execute("UPDATE runtime_commands SET cancel_requested_at = NULL, finished_at = NULL")
                continue
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition"), (state, to)
            assert await row_of(admin, command) == before
            assert await admin.fetchval("SELECT count(*) FROM events") == told


async def test_a_retry_that_is_queued_by_hand_is_due_now(board, admin):
    command = await desk.submitted(board, delay_seconds=3600)
    await put(admin, command, "retry_scheduled")
    await desk.moved(board, command, "transition", to="queued")
    assert await admin.fetchval("SELECT run_at <= callboard_now() FROM runtime_commands")


WORDLESS: list[tuple[str, dict[str, str]]] = [
    ("cancel", {}),
    ("cancel", {"reason": " "}),
    ("hold", {}),
    ("transition", {}),
    ("transition", {"to": "elsewhere"}),
    ("resume", {"reason": ""}),
    ("cancel", {"reason": "r", "actor": "me"}),
]


async def test_a_hand_must_say_what_it_does_and_why(board):
    command = await desk.submitted(board)
    for verb, body in WORDLESS:
        assert (await desk.ask(board, command, verb, **body)).status_code == 422
    assert len(await desk.events_of(board, command)) == 1


async def test_a_command_of_another_account_is_no_command(board, admin):
    other = await make.account(admin)
    [foreign] = await make.enqueued(board.database, other, make.order())
    for identity in (foreign, uuid4(), "nothing"):
        command = {"id": identity}
        answers = [await desk.ask(board, command, verb, reason="r") for verb in ("cancel", "hold", "resume")]
        answers += [await desk.ask(board, command, "transition", to="canceled")]
        answers += [await board.person.get(f"{desk.COMMANDS}/{identity}{part}") for part in ("", "/attempts", "/trace")]
        assert {answer.status_code for answer in answers} == {404}
    assert await admin.fetchval("SELECT state FROM runtime_commands WHERE id = $1", foreign) == "queued"


async def test_of_two_hands_at_once_each_move_is_made_once(board, admin):
    other = board.as_(await people.person(board, admin, "admin"))
    command = await desk.submitted(board)
    path = f"{desk.COMMANDS}/{command['id']}/cancel"
    answers = await asyncio.gather(*[client.post(path, json={"reason": "r"}) for client in (board.person, other) * 5])
    assert {answer.status_code for answer in answers} == {200}
    assert [event["type"] for event in await desk.events_of(board, command)].count("runtime:command:canceled") == 1
