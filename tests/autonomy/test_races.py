"""Many at once: one decision, and every voice once."""

import asyncio
from collections import Counter
from uuid import UUID

from tests.autonomy import desk
from tests.boards import OWNER
from tests.runtime.api.desk import COMMANDS

VOTERS = 16
ENDS = "SELECT count(*) FROM events WHERE entity_id = $1 AND type IN ('autonomy:approval:approved', 'autonomy:approval:denied')"
MOVES = """SELECT count(*) FROM events WHERE entity_id = $1
    AND type IN ('runtime:command:resumed', 'runtime:command:canceled')"""


async def hired(board) -> list[str]:
    return [await desk.hire(board, f"voter{number}") for number in range(VOTERS)]


async def outcomes(board, approval, *votes) -> Counter:
    answers = await asyncio.gather(*(desk.say(board, who, verb, approval) for who, verb in votes))
    codes = [one.json()["state"] if one.status_code == 200 else one.json()["error"]["code"] for one in answers]
    return Counter(codes)


async def settled_once(admin, approval) -> None:
    assert await admin.fetchval(ENDS, UUID(approval["id"])) == 1
    assert await admin.fetchval(MOVES, UUID(approval["command_id"])) == 1


async def test_of_sixteen_who_decide_at_once_one_does(board, admin):
    voters = await hired(board)
    for verbs in (["approve"], ["approve", "deny"]):
        approval = await desk.held(board)
        found = await outcomes(board, approval, *((who, verbs[n % len(verbs)]) for n, who in enumerate(voters)))
        assert found["invalid_transition"] == VOTERS - 1
        state = (await desk.detail(board, approval))["state"]
        assert found[state] == 1
        assert len((await desk.detail(board, approval))["votes"]) == 1
        assert (await desk.command_of(admin, approval))[0] == {"approved": "queued", "denied": "canceled"}[state]
        await settled_once(admin, approval)


async def test_a_quorum_of_eight_takes_eight_of_sixteen(board, admin):
    voters = await hired(board)
    approval = await desk.held(board, quorum=8)
    found = await outcomes(board, approval, *((who, "approve") for who in voters))
    assert found == {"pending": 7, "approved": 1, "invalid_transition": 8}
    assert len((await desk.detail(board, approval))["votes"]) == 8
    await settled_once(admin, approval)


async def test_a_voice_cast_sixteen_times_at_once_counts_once(board):
    await hired(board)
    approval = await desk.held(board, quorum=2)
    found = await outcomes(board, approval, *(("voter0", "approve") for _ in range(VOTERS)))
    assert found == {"pending": 1, "duplicate": VOTERS - 1}


async def test_a_vote_and_a_cancel_of_the_command_meet_without_a_deadlock(board, admin):
    voters = await hired(board)
    for _ in range(4):
        approval = await desk.held(board)
        path = f"{COMMANDS}/{approval['command_id']}/cancel"
        votes = [desk.say(board, who, "approve", approval) for who in voters[:4]]
        cancels = [board.as_(who).post(path, json={"reason": "r"}) for who in (OWNER, "voter5")]
        answers = await asyncio.gather(*votes, *cancels)
        assert {answer.status_code for answer in answers} <= {200, 409}, [answer.text for answer in answers]
        state = (await desk.detail(board, approval))["state"]
        assert (state, (await desk.command_of(admin, approval))[0]) in {("approved", "canceled"), ("canceled", "canceled")}
