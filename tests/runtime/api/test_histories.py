"""Random hands and real workers on the same commands: every history is a path through the one table of moves."""

import asyncio
import random
from itertools import pairwise
from uuid import UUID

from app.runtime.rules.lifecycle import may_move
from app.runtime.types import CommandState
from tests import make
from tests.runtime.api import desk

MANY, HANDS, TURNS = 24, 4, 30
ENDS = {"succeeded", "dead_lettered", "canceled"}
WHERE_TO = ("held", "queued", "canceled", "running", "succeeded", "retry_scheduled")


async def steer(board, commands, chance: random.Random) -> set[int]:
    """One hand that does what comes to its mind."""
    codes = set()
    for _ in range(TURNS):
        command, verb = chance.choice(commands), chance.choice(("hold", "hold", "resume", "cancel", "transition"))
        body = {"to": chance.choice(WHERE_TO)} if verb == "transition" else {"reason": "by chance"}
        codes.add((await desk.ask(board, command, verb, **body)).status_code)
        await asyncio.sleep(chance.uniform(0, 0.01))
    return codes


def walked(events) -> list[tuple[CommandState, CommandState]]:
    """The moves that the events tell of; to ask a worker to stop is none."""
    told = [event for event in events if not event["type"].endswith(":cancel_requested")]
    states = [CommandState(event["payload"]["state"]) for event in told]
    return list(pairwise(states))


async def test_every_history_is_a_path_through_the_table(board, admin):
    chance = random.Random(7)
    payloads = [
        {"seconds": chance.choice((0, 0.05)), "fail_attempts": chance.choice((0, 1, 2)), "retry_after": 0.05} for _ in range(MANY)
    ]
    commands = [await desk.submitted(board, payload=payload, delay_seconds=chance.uniform(0, 0.5)) for payload in payloads]
    async with desk.working(board):
        hands = [steer(board, commands, random.Random(number)) for number in range(HANDS)]
        codes = set().union(*await asyncio.gather(*hands))

        async def is_settled():
            for command in commands:
                if await desk.status(board, command) == "held":
                    await desk.ask(board, command, "resume")
            return {await desk.status(board, command) for command in commands} <= ENDS

        await make.until(is_settled)
    assert codes == {200, 409}
    met = set()
    for command in commands:
        events = await desk.events_of(board, command)
        steps = walked(events)
        # What gives up passes failed_terminal in the same statement.
        wrong = [step for step in steps if not may_move(step[0], to=step[1]) and step != ("running", "dead_lettered")]
        assert wrong == [], events
        last = await admin.fetchval("SELECT state FROM runtime_commands WHERE id = $1", UUID(command["id"]))
        assert steps[-1][1] == last
        by_hand = [event for event in events if event["type"].rpartition(":")[2] in ("held", "resumed", "cancel_requested")]
        assert {event["actor_kind"] for event in by_hand} <= {"person"}
        assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
        met |= set(steps)
    assert met >= {("queued", "held"), ("held", "queued"), ("queued", "running"), ("running", "succeeded"), ("held", "canceled")}
