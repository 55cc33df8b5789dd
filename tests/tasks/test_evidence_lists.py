"""Lists of acceptance criteria: at birth, by edit, and who may change what."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from app.kernel.errors import Forbidden
from app.kernel.types import ActorKind, Principal
from app.tasks import service
from app.tasks.schemas import TaskEdit
from tests import make
from tests.tasks.test_evidence import CRITERIA, criteria_of, edit, error, last_event, person_says, say, started, task_of


async def test_a_task_has_its_criteria_from_birth_whoever_makes_it(board):
    by_person = await task_of(board)
    made = await board.as_("orchestrator").post("/agent/task-create", json={"title": "T", "acceptance_criteria": CRITERIA})
    assert made.status_code == 201, made.text
    for task in (by_person, made.json()):
        found = await criteria_of(board, task)
        assert [(one["position"], one["text"], one["verdict"]) for one in found] == [
            (number, text, None) for number, text in enumerate(CRITERIA, start=1)
        ]
    loaded = (await board.as_("writer").post("/agent/task-load", json={"task_id": by_person["id"]})).json()
    assert loaded["criteria"] == await criteria_of(board, by_person)


BAD_CRITERIA: list[Any] = [
    [f"{number}" for number in range(31)],
    [""],
    [" \n"],
    ["x" * 501],
    ["same", "same"],
    ["same", " same "],
    "text",
    [1],
    [None],
    None,
    ["nul \0"],
]


async def test_criteria_past_their_limits_are_refused_at_birth_and_by_edit(board, admin):
    task = await task_of(board)
    for wrong in BAD_CRITERIA:
        for answer in (
            await board.person.post("/api/v1/tasks", json={"title": "T", "acceptance_criteria": wrong}),
            await edit(board, task, wrong),
            await board.as_("orchestrator").post("/agent/task-create", json={"title": "T", "acceptance_criteria": wrong}),
        ):
            status, code, details = error(answer)
            assert (status, code) == (422, "validation_failed"), wrong
            assert details["fields"][0]["field"].startswith("acceptance_criteria"), answer.text
    assert [one["text"] for one in await criteria_of(board, task)] == CRITERIA
    assert await admin.fetchval("SELECT count(*) FROM tasks") == 1


async def test_thirty_criteria_of_five_hundred_characters_are_kept(board):
    long = [f"{number:03}" + "x" * 497 for number in range(30)]
    task = await task_of(board, long)
    assert [one["text"] for one in await criteria_of(board, task)] == long
    turned = await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"acceptance_criteria": long[::-1]})
    assert turned.status_code == 200, turned.text
    assert [one["text"] for one in await criteria_of(board, task)] == long[::-1]


async def test_a_new_list_keeps_the_verdict_of_what_it_repeats_and_forgets_what_it_rewords(board):
    task, fence = await started(board)
    for position in (1, 2, 3):
        assert (await say(board, "engineer", task, position, fence=fence)).status_code == 200
    before = {one["text"]: one for one in await criteria_of(board, task)}
    answer = await edit(board, task, ["It is documented", "It is tested well", "It builds", "It is small"])
    assert answer.status_code == 200, answer.text
    found = await criteria_of(board, task)
    assert [one["text"] for one in found] == ["It is documented", "It is tested well", "It builds", "It is small"]
    assert [one["position"] for one in found] == [1, 2, 3, 4]
    for one in (found[0], found[2]):
        assert one == before[one["text"]] | {"position": one["position"]}
    assert [found[1]["verdict"], found[3]["verdict"]] == [None, None]
    assert found[1]["id"] not in {one["id"] for one in before.values()}
    event = await last_event(board, task)
    assert (event["type"], event["payload"]["fields"]) == ("board:task:updated", ["acceptance_criteria"])
    assert event["payload"]["criteria"] == {"added": ["It is tested well", "It is small"], "removed": ["It is tested"]}
    assert answer.json()["version"] == event["sequence"]


async def test_the_same_list_again_writes_nothing(board, admin):
    task = await task_of(board)
    before = await admin.fetchval("SELECT count(*) FROM events")
    answer = await edit(board, task, [f" {text} " for text in CRITERIA])
    assert (answer.status_code, answer.json()["version"]) == (200, task["version"])
    assert await admin.fetchval("SELECT count(*) FROM events") == before
    assert (await edit(board, task, [])).status_code == 200
    assert await criteria_of(board, task) == []


async def test_a_title_is_edited_together_with_criteria(board):
    task = await task_of(board)
    answer = await edit(board, task, ["One"], title="Other")
    assert (answer.json()["title"], [one["text"] for one in await criteria_of(board, task)]) == ("Other", ["One"])


async def test_of_many_lists_at_once_one_stands_whole(board):
    task = await task_of(board)
    wanted = [[f"{number}-{place}" for place in range(3)] + CRITERIA[number % 3 :] for number in range(12)]
    answers = await asyncio.gather(*(edit(board, task, one) for one in wanted))
    assert {answer.status_code for answer in answers} == {200}
    found = await criteria_of(board, task)
    assert [one["text"] for one in found] in wanted
    assert [one["position"] for one in found] == list(range(1, len(found) + 1))


async def edited_by(board, slug, task, *wanted, **fields) -> None:
    """A new list by an agent, which has the service but no route for it."""
    me = Principal(kind=ActorKind.AGENT, id=UUID(await board.agent_id(slug)), account_id=board.account_id, name=slug)
    async with board.database.transaction(board.account_id, origin=make.ORIGIN) as tx:
        await service.edit(tx, me, UUID(task["id"]), TaskEdit(acceptance_criteria=list(wanted), **fields))


async def test_a_worker_adds_criteria_and_takes_none_away_that_others_measure_it_by(board):
    task, fence = await started(board)
    await edited_by(board, "engineer", task, "First of all", *CRITERIA, fence=fence)
    before = await criteria_of(board, task)
    assert [one["text"] for one in before] == ["First of all", *CRITERIA]
    for wanted in ([], CRITERIA[:2], ["It builds at times", *CRITERIA[1:]]):
        with pytest.raises(Forbidden, match="others set") as refused:
            await edited_by(board, "engineer", task, *wanted, fence=fence)
        assert refused.value.reason == "not_author"
    assert await criteria_of(board, task) == before


async def test_the_orchestrator_rewords_criteria_but_none_that_a_person_judged(board):
    task = await task_of(board)
    await edited_by(board, "orchestrator", task, *CRITERIA[:2])
    await person_says(board, task, 2, is_met=False)
    with pytest.raises(Forbidden, match="a person judged") as refused:
        await edited_by(board, "orchestrator", task, CRITERIA[0])
    assert refused.value.reason == "persons_only"
    assert (await edit(board, task, [CRITERIA[0]])).status_code == 200
