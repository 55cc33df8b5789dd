"""Dependencies under real concurrency: what two calls at the same instant may not bring about together."""

import asyncio

import pytest

from tests.tasks.webs import brought, edit, finish, graph, ids, log, move, path, shown, told

ROUNDS = 6


def codes(answers) -> list[tuple[int, str | None]]:
    return sorted((answer.status_code, answer.json().get("error", {}).get("code")) for answer in answers)


async def events(board, task, kind: str) -> int:
    return len(await log(board, task, kind))


async def test_of_two_edges_that_close_a_cycle_together_one_is_made(board):
    for _ in range(ROUNDS):
        a, b = await board.task(), await board.task()
        answers = await asyncio.gather(edit(board, a, depends_on=[b["id"]]), edit(board, b, depends_on=[a["id"]]))
        assert codes(answers) == [(200, None), (409, "dependency_cycle")]


async def test_a_parent_and_a_dependency_that_close_a_cycle_together_are_not_both_made(board):
    for _ in range(ROUNDS):
        a, b = await board.task(), await board.task()
        answers = await asyncio.gather(edit(board, a, depends_on=[b["id"]]), edit(board, b, parent_id=a["id"]))
        assert codes(answers) == [(200, None), (200, None)]
        other = await board.task()
        await edit(board, b, parent_id=None)
        answers = await asyncio.gather(edit(board, other, parent_id=b["id"]), edit(board, other, depends_on=[a["id"]]))
        # B is not done before its sub-task, which waits for A, which waits for B.
        assert codes(answers) == [(200, None), (409, "dependency_cycle")]


@pytest.mark.parametrize("birth", [True, False])
async def test_edges_far_apart_that_close_a_cycle_together_are_not_both_made(board, birth):
    for _ in range(ROUNDS):
        a, c = await board.task(), await board.task()
        b, d = await board.task(depends_on=[c["id"]]), await board.task(depends_on=[a["id"]])
        # Neither call touches a task of the other: only the ways between them do.
        first = edit(board, a, depends_on=[b["id"]])
        between = {"title": "N", "parent_id": c["id"], "depends_on": [d["id"]]}
        second = board.person.post("/api/v1/tasks", json=between) if birth else edit(board, c, depends_on=[d["id"]])
        answers = await asyncio.gather(first, second)
        assert [code for _, code in codes(answers)] == [None, "dependency_cycle"]


async def test_a_ring_of_edges_made_at_once_stays_open_in_one_place(board):
    for _ in range(ROUNDS // 2):
        ring = [await board.task() for _ in range(5)]
        pairs = zip(ring, ring[1:] + ring[:1], strict=True)
        answers = await asyncio.gather(*(edit(board, one, depends_on=[other["id"]]) for one, other in pairs))
        assert codes(answers) == [(200, None)] * 4 + [(409, "dependency_cycle")]


async def test_the_last_two_dependencies_done_at_once_wake_once(board):
    for _ in range(ROUNDS):
        both = [await board.task() for _ in range(2)]
        task = await board.task(depends_on=[one["id"] for one in both], assignee_slugs=["engineer"])
        for one in both:
            await brought(board, one, "review")
        assert codes(await asyncio.gather(*(move(board, one, "done") for one in both))) == [(200, None)] * 2
        assert await told(board, task, "ready") == ["engineer"]
        assert await events(board, task, "ready") == 1


async def test_the_last_two_sub_tasks_done_at_once_wake_the_parent_once(board):
    for _ in range(ROUNDS):
        parent = await board.task()
        both = [await board.task(parent_id=parent["id"]) for _ in range(2)]
        for one in both:
            await brought(board, one, "review")
        assert codes(await asyncio.gather(*(move(board, one, "done") for one in both))) == [(200, None)] * 2
        assert await told(board, parent, "ready") == ["orchestrator"]


async def test_many_dependencies_done_at_once_wake_many_dependents_once_each(board):
    many = [await board.task() for _ in range(4)]
    tasks = [await board.task(depends_on=[one["id"] for one in many]) for _ in range(3)]
    for one in many:
        await brought(board, one, "review")
    assert codes(await asyncio.gather(*(move(board, one, "done") for one in many))) == [(200, None)] * 4
    assert [await events(board, task, "ready") for task in tasks] == [1, 1, 1]


@pytest.mark.parametrize("birth", [True, False])
async def test_a_dependency_added_while_it_is_finished_is_waited_for_or_done(board, birth):
    for _ in range(ROUNDS):
        first = await board.task()
        task = first if birth else await board.task(assignee_slugs=["engineer"])
        await brought(board, first, "review")
        if birth:
            body = {"title": "T", "depends_on": [first["id"]], "assignee_slugs": ["engineer"]}
            adding = board.person.post("/api/v1/tasks", json=body)
        else:
            adding = edit(board, task, depends_on=[first["id"]])
        added, done = await asyncio.gather(adding, move(board, first, "done"))
        assert (added.status_code // 100, done.status_code) == (2, 200)
        task = added.json()
        edge, end = (await log(board, task))[0 if birth else -1], (await log(board, first, "status_changed"))[-1]
        ready = await told(board, task, "ready")
        if birth:
            waited = edge["seq"] < end["seq"]
            assert ready == (["engineer"] if waited else [])
        assert (await move(board, task, "in_progress")).status_code == 200


async def test_the_last_dependency_removed_while_it_is_finished_wakes_once(board):
    for _ in range(ROUNDS):
        first = await board.task()
        task = await board.task(depends_on=[first["id"]], assignee_slugs=["engineer"])
        await brought(board, first, "review")
        answers = await asyncio.gather(edit(board, task, depends_on=[]), move(board, first, "done"))
        assert codes(answers) == [(200, None)] * 2
        assert await told(board, task, "ready") == ["engineer"]


@pytest.mark.parametrize("birth", [True, False])
async def test_a_parent_that_is_closed_while_it_gets_a_sub_task_refuses_one_of_both(board, birth):
    for _ in range(ROUNDS):
        parent, child = await board.task(), await board.task()
        await brought(board, parent, "review")
        body = {"title": "T", "parent_id": parent["id"]}
        adding = board.person.post("/api/v1/tasks", json=body) if birth else edit(board, child, parent_id=parent["id"])
        found = codes(await asyncio.gather(adding, move(board, parent, "done")))
        won = (201 if birth else 200, None)
        assert found in ([(200, None), (409, "invalid_transition")], [won, (409, "dependency_open")])
        status, children = (await shown(board, parent))["status"], (await graph(board, parent))["children"]
        assert (status == "done") == (children == [])


async def test_a_parent_archived_while_its_sub_task_is_finished_leaves_nothing_open(board):
    for _ in range(ROUNDS):
        parent = await board.task()
        children = [await board.task(parent_id=parent["id"]) for _ in range(2)]
        await brought(board, children[0], "review")
        answers = await asyncio.gather(move(board, parent, "archived", children="archive"), move(board, children[0], "done"))
        assert answers[0].status_code == 200
        assert codes(answers[1:])[0] in [(200, None), (409, "invalid_transition")]
        states = [(await shown(board, one))["status"] for one in (parent, *children)]
        assert states in (["archived", "done", "archived"], ["archived"] * 3)
        assert await told(board, parent, "ready") == []


async def test_a_start_while_a_dependency_is_reopened_is_refused_or_told(board):
    for _ in range(ROUNDS):
        first = await board.task()
        task = await board.task(depends_on=[first["id"]], assignee_slugs=["engineer"])
        await finish(board, first)
        start, reopened = await asyncio.gather(
            move(board, task, "in_progress"), board.person.post(path(first, "reopen"), json={})
        )
        assert reopened.status_code == 200
        heard = await told(board, task, "status_change", title="reopened what this waits for")
        assert (start.status_code, heard) in [(200, ["engineer"]), (409, [])]


async def test_edits_of_many_edges_at_once_never_leave_a_cycle(board):
    tasks = [await board.task() for _ in range(6)]
    for turn in range(2):
        wanted = [(one, tasks[(place * (turn + 2) + 1) % len(tasks)]) for place, one in enumerate(tasks)]
        edits = [
            edit(board, one, **({"depends_on": [other["id"]]} if place % 2 else {"parent_id": other["id"]}))
            for place, (one, other) in enumerate(wanted)
        ]
        assert {answer.status_code for answer in await asyncio.gather(*edits)} <= {200, 409}
    leads = {}
    for one in tasks:
        found = await graph(board, one)
        leads[one["id"]] = ids(found["dependencies"]) | ids(found["children"])
    while free := [one for one, ahead in leads.items() if not ahead & leads.keys()]:
        for one in free:
            del leads[one]
    assert leads == {}


async def test_a_sub_task_made_while_its_parent_is_archived_is_not_left_open_below_it(board):
    found = set()
    for turn in range(2 * ROUNDS):
        parent = await board.task()
        await board.task(parent_id=parent["id"])
        body = {"title": "T", "parent_id": parent["id"]}
        calls = [move(board, parent, "archived", children="archive"), board.person.post("/api/v1/tasks", json=body)]
        answers = await asyncio.gather(*(calls if turn % 2 else reversed(calls)))
        archived, made = answers if turn % 2 else reversed(answers)
        found.add((archived.status_code, made.status_code))
        is_archived = (await shown(board, parent))["status"] == "archived"
        open_ones = [one for one in (await graph(board, parent))["children"] if one["status"] == "inbox"]
        assert (is_archived, bool(open_ones)) in [(True, False), (False, True)]
    assert found <= {(200, 409), (200, 201), (503, 201)}
