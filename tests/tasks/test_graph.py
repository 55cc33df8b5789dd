"""Dependencies and sub-tasks: what may be tied to what, what waits, and what is refused."""

import uuid

import pytest

from app.tasks.rules.graph import CHILDREN_MOST, DEPENDENTS_MOST
from tests import make
from tests.policies import desk
from tests.tasks.webs import brought, details, edit, finish, graph, ids, log, move, path, refusal, shown


async def test_the_graph_of_a_task_names_what_is_around_it(board):
    parent, first, second = [await board.task(title=title) for title in ("P", "A", "B")]
    task = await board.task(depends_on=[first["id"], second["id"], first["id"]], parent_id=parent["id"])
    child, dependent = await board.task(parent_id=task["id"]), await board.task(depends_on=[task["id"]])
    found = await graph(board, task)
    assert found["parent"] == {"id": parent["id"], "title": "P", "status": "inbox", "is_done": False}
    assert ids(found["dependencies"]) == {first["id"], second["id"]}
    assert (ids(found["children"]), ids(found["dependents"])) == ({child["id"]}, {dependent["id"]})
    assert (task["parent_id"], found["task_id"]) == (parent["id"], task["id"])
    assert (await log(board, task))[0]["payload"]["depends_on"] == [first["id"], second["id"]]


async def test_an_edit_replaces_dependencies_and_parent_and_says_what_changed(board):
    first, second, parent = [await board.task() for _ in range(3)]
    task = await board.task(depends_on=[first["id"]])
    changed = (await edit(board, task, depends_on=[second["id"]], parent_id=parent["id"])).json()
    assert (changed["version"], changed["parent_id"]) == (task["version"] + 1, parent["id"])
    payload = (await log(board, task, "updated"))[-1]["payload"]
    assert payload["fields"] == ["depends_on", "parent_id"]
    assert payload["depends_on"] == {"added": [second["id"]], "removed": [first["id"]]}
    assert payload["parent_id"] == {"from": None, "to": parent["id"]}
    again = await edit(board, task, depends_on=[second["id"]], parent_id=parent["id"])
    assert again.json()["version"] == changed["version"]
    alone = (await edit(board, task, depends_on=[], parent_id=None)).json()
    assert (alone["parent_id"], (await graph(board, task))["dependencies"]) == (None, [])


async def test_an_edit_that_does_not_name_them_leaves_the_edges(board):
    first, parent = await board.task(), await board.task()
    task = await board.task(depends_on=[first["id"]], parent_id=parent["id"])
    assert (await edit(board, task, title="B")).json()["parent_id"] == parent["id"]
    assert ids((await graph(board, task))["dependencies"]) == {first["id"]}


@pytest.mark.parametrize("tie", ["depends_on", "parent_id"])
async def test_a_foreign_task_is_an_absent_one(board, admin, tie):
    foreign, absent = uuid.uuid4(), uuid.uuid4()
    other = await make.account(admin)
    insert = """INSERT INTO tasks (account_id, id, title, description, status, priority, version, is_coordination,
        created_by_kind, created_at, updated_at) VALUES ($1, $2, 'F', '', 'inbox', 3, 1, false, 'system', now(), now())"""
    await admin.execute(insert, other, foreign)
    task = await board.task()
    answers = []
    for one in (str(foreign), str(absent)):
        wanted = {tie: [one] if tie == "depends_on" else one}
        for answer in (await edit(board, task, **wanted), await board.person.post("/api/v1/tasks", json={"title": "T"} | wanted)):
            assert refusal(answer) == (404, "not_found")
            error = answer.json()["error"]
            answers.append((error["message"].replace(one, ""), error["details"] | {"id": None}))
    assert all(answer == answers[0] for answer in answers)
    assert refusal(await board.person.get(f"/api/v1/tasks/{foreign}/graph")) == (404, "not_found")


async def test_more_than_fifty_dependencies_are_refused(board):
    answer = await board.person.post("/api/v1/tasks", json={"title": "T", "depends_on": [str(uuid.uuid4())] * 51})
    assert refusal(answer) == (422, "validation_failed")
    assert details(answer)["fields"][0]["field"] == "depends_on"


async def test_a_task_archived_before_it_was_done_is_no_dependency_and_one_archived_after_is(board):
    dropped, kept = await board.task(title="dropped"), await board.task()
    await move(board, dropped, "archived")
    await finish(board, kept)
    await move(board, kept, "archived")
    task = await board.task()
    answer = await edit(board, task, depends_on=[dropped["id"]])
    assert refusal(answer) == (409, "dependency_archived")
    assert details(answer)["dependencies"] == [{"id": dropped["id"], "title": "dropped", "status": "archived"}]
    assert (await edit(board, task, depends_on=[kept["id"]])).status_code == 200
    assert [one["is_done"] for one in (await graph(board, task))["dependencies"]] == [True]


@pytest.mark.parametrize("status", ["done", "archived"])
async def test_a_closed_task_comes_to_wait_for_nothing_and_takes_no_open_sub_task(board, status):
    closed, other = await board.task(), await board.task()
    await (finish(board, closed) if status == "done" else move(board, closed, "archived"))
    answers = [
        await edit(board, closed, depends_on=[other["id"]]),
        await edit(board, other, parent_id=closed["id"]),
        await board.person.post("/api/v1/tasks", json={"title": "T", "parent_id": closed["id"]}),
    ]
    assert [refusal(answer) for answer in answers] == [(409, "invalid_transition")] * 3
    assert details(answers[1])["parent"]["status"] == status


async def test_every_kind_of_cycle_is_refused_and_its_way_named(board):
    a, b, c = [await board.task(title=title) for title in "ABC"]
    assert (await edit(board, a, depends_on=[b["id"]])).status_code == 200
    assert (await edit(board, c, parent_id=b["id"])).status_code == 200

    async def way(task, **ties):
        answer = await edit(board, task, **ties)
        assert refusal(answer) == (409, "dependency_cycle")
        return [one["title"] for one in details(answer)["path"]]

    # A waits for B, and B is not done before its sub-task C.
    assert await way(a, depends_on=[b["id"], a["id"]]) == ["A", "A"]
    assert await way(a, parent_id=a["id"]) == ["A", "A"]
    assert await way(b, depends_on=[a["id"]]) == ["B", "A", "B"]
    assert await way(c, depends_on=[a["id"]]) == ["C", "A", "B", "C"]
    assert await way(a, parent_id=c["id"]) == ["A", "B", "C", "A"]
    assert await way(b, parent_id=c["id"]) == ["B", "C", "B"]
    answer = await board.person.post("/api/v1/tasks", json={"title": "N", "depends_on": [a["id"]], "parent_id": b["id"]})
    assert refusal(answer) == (409, "dependency_cycle")
    assert [one["title"] for one in details(answer)["path"]] == ["N", "A", "B", "N"]
    assert (await shown(board, c))["version"] == 2


async def test_an_edge_that_the_same_edit_removes_closes_no_cycle(board):
    a, b = await board.task(), await board.task()
    child = await board.task(parent_id=a["id"])
    # The sub-task leaves its parent, and depends on it from then on.
    assert (await edit(board, child, parent_id=None, depends_on=[a["id"]])).status_code == 200
    assert (await edit(board, a, depends_on=[b["id"]])).status_code == 200
    assert (await edit(board, a, depends_on=[])).status_code == 200
    assert (await edit(board, b, depends_on=[a["id"]])).status_code == 200


async def test_nobody_starts_what_waits(board):
    first = await board.task(title="first")
    task = await board.task(depends_on=[first["id"]], assignee_slugs=["engineer"])
    engineer = board.as_("engineer")
    answers = [
        await engineer.post("/agent/task-claim", json={"task_id": task["id"]}),
        await engineer.post("/agent/task-status", json={"task_id": task["id"], "status": "in_progress"}),
        await move(board, task, "in_progress"),
    ]
    for answer in answers:
        assert refusal(answer) == (409, "dependency_open")
        assert details(answer)["dependencies"] == [{"id": first["id"], "title": "first", "status": "inbox"}]
    await move(board, task, "blocked")
    assert refusal(await move(board, task, "in_progress")) == (409, "dependency_open")
    assert (await engineer.post("/agent/task-claim", json={})).json()["task"] is None
    await finish(board, first)
    assert (await move(board, task, "in_progress")).status_code == 200


async def test_a_task_is_not_born_started_while_it_waits(board):
    await desk.flags(board, "engineer", can_create_tasks=True)
    first = await board.task()
    body = {"title": "T", "status": "in_progress", "depends_on": [first["id"]]}
    assert refusal(await board.as_("engineer").post("/agent/task-create", json=body)) == (409, "dependency_open")
    await finish(board, first)
    assert (await board.as_("engineer").post("/agent/task-create", json=body)).status_code == 201


async def test_work_goes_on_when_a_dependency_is_found_on_the_way(board):
    first, task = await board.task(), await board.task(assignee_slugs=["engineer"])
    await brought(board, task, "in_progress")
    assert (await edit(board, task, depends_on=[first["id"]])).json()["status"] == "in_progress"
    assert (await move(board, task, "review")).status_code == 200
    assert (await move(board, task, "in_progress")).status_code == 200


async def test_a_parent_is_not_done_before_its_sub_tasks(board):
    parent = await board.task(assignee_slugs=["engineer"])
    child = await board.task(title="child", parent_id=parent["id"])
    await brought(board, parent, "review")
    answer = await move(board, parent, "done")
    assert refusal(answer) == (409, "dependency_open")
    assert details(answer)["children"] == [{"id": child["id"], "title": "child", "status": "inbox"}]
    closing = await board.as_("reviewer").post("/agent/task-status", json={"task_id": parent["id"], "status": "done"})
    assert refusal(closing) == (409, "dependency_open")
    await finish(board, child)
    assert (await move(board, parent, "done")).status_code == 200


async def test_an_open_sub_task_does_not_come_back_under_a_closed_parent(board):
    parent = await board.task(assignee_slugs=["engineer"])
    done, dropped = await board.task(parent_id=parent["id"]), await board.task(parent_id=parent["id"])
    await finish(board, done)
    await move(board, dropped, "archived")
    await finish(board, parent)
    for task, verb in ((done, "reopen"), (dropped, "restore")):
        answer = await board.person.post(path(task, verb), json={})
        assert refusal(answer) == (409, "invalid_transition")
        assert details(answer)["parent"]["id"] == parent["id"]
    await board.person.post(path(parent, "reopen"), json={})
    assert (await board.person.post(path(done, "reopen"), json={})).status_code == 200
    assert refusal(await move(board, parent, "done")) == (409, "dependency_open")


async def test_who_may_not_edit_a_task_gives_it_no_sub_tasks(board):
    await desk.flags(board, "engineer", can_create_tasks=True)
    parent, own = await board.task(assignee_slugs=["writer"]), await board.task(assignee_slugs=["engineer"])
    engineer = board.as_("engineer")
    answer = await engineer.post("/agent/task-create", json={"title": "T", "parent_id": parent["id"]})
    assert (refusal(answer), details(answer)["reason"]) == ((403, "forbidden"), "not_assigned")
    for slug, under in (("engineer", own), ("orchestrator", parent)):
        made = await board.as_(slug).post("/agent/task-create", json={"title": f"For {slug}", "parent_id": under["id"]})
        assert (made.status_code, made.json()["parent_id"]) == (201, under["id"])


TASKS = """INSERT INTO tasks (account_id, id, title, description, status, priority, version, is_coordination, created_by_kind,
    created_at, updated_at, parent_id)
    SELECT $1, gen_random_uuid(), 'many', '', 'inbox', 3, 1, false, 'system', now(), now(), $2::uuid
    FROM generate_series(1, $3) RETURNING id"""


async def test_a_task_has_only_so_many_sub_tasks_and_dependents(board, admin):
    crowded, task = await board.task(), await board.task()
    made = await admin.fetch(TASKS, board.account_id, crowded["id"], max(CHILDREN_MOST, DEPENDENTS_MOST))
    edges = "INSERT INTO task_dependencies (account_id, task_id, depends_on_id, created_at) VALUES ($1, $2, $3, now())"
    await admin.executemany(edges, [(board.account_id, row["id"], task["id"]) for row in made])
    answers = [
        (await board.person.post("/api/v1/tasks", json={"title": "T", "parent_id": crowded["id"]}), "children"),
        (await edit(board, task, parent_id=crowded["id"]), "children"),
        (await board.person.post("/api/v1/tasks", json={"title": "T", "depends_on": [task["id"]]}), "dependents"),
    ]
    for answer, requirement in answers:
        assert (refusal(answer), details(answer)["requirement"]) == ((422, "requirement_failed"), requirement)
    found = await graph(board, task)
    assert len(found["dependents"]) == DEPENDENTS_MOST


async def test_a_graph_too_large_to_check_is_not_made_larger(board, admin):
    made = await admin.fetch(TASKS, board.account_id, None, 110)
    await admin.execute(
        """INSERT INTO task_dependencies (account_id, task_id, depends_on_id, created_at)
        SELECT $1, a.id, b.id, now() FROM unnest($2::uuid[]) a (id), unnest($2::uuid[]) b (id) WHERE a.id > b.id""",
        board.account_id,
        [row["id"] for row in made],
    )
    task, last = await board.task(), str(max(row["id"] for row in made))
    answer = await edit(board, task, depends_on=[last])
    assert (refusal(answer), details(answer)["requirement"]) == ((422, "requirement_failed"), "graph_size")
    # Nothing waits for a task that is just made, so nothing has to be checked.
    assert (await board.person.post("/api/v1/tasks", json={"title": "T", "depends_on": [last]})).status_code == 201
