"""Finding tasks by their words, for the orchestrator and for people."""

import random
from typing import Any
from uuid import UUID

SEARCH = "/api/v1/tasks/search"


async def found(board, query: str, **fields: Any) -> list[str]:
    """The titles that the orchestrator finds, best first."""
    answer = await board.as_("orchestrator").post("/agent/task-search", json={"query": query} | fields)
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json()["items"]]


async def move(board, task, status: str, **fields: Any) -> None:
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": status} | fields)
    assert answer.status_code == 200, answer.text


async def filled(admin, account_id: UUID, count: int, *, title: str, description: str = "", status: str = "inbox") -> None:
    """Many tasks at once, older than any that is made afterwards."""
    await admin.execute(
        """INSERT INTO tasks (account_id, id, title, description, status, priority, labels, version, is_coordination,
               created_by_kind, lease_fence, created_at, updated_at)
           SELECT $1, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $3 || ' ' || n, $4, $5, 3, '{}', 1, false,
               'system', 0, now(), now() FROM generate_series(1, $2) AS n""",
        account_id,
        count,
        title,
        description,
        status,
    )
    await admin.execute(
        """INSERT INTO task_texts (account_id, task_id, title, title_key, words, is_open, is_archived)
           SELECT account_id, id, title, task_title_key(title), task_words(title, description, blocked_reason),
               status NOT IN ('done', 'archived'), status = 'archived' FROM tasks t
           WHERE account_id = $1 AND NOT EXISTS (SELECT FROM task_texts x WHERE x.account_id = $1 AND x.task_id = t.id)""",
        account_id,
    )


async def test_a_title_counts_more_than_a_description_and_that_more_than_a_blocked_reason(board):
    await board.task(title="Sweep the yard", description=" ".join(["lantern"] * 50))
    blocked = await board.task(title="Paint the wall", assignee_slugs=["engineer"])
    await move(board, blocked, "blocked", blocked_reason="the lantern is gone")
    await board.task(title="Repair the lantern")
    await board.task(title="Light the lantern", description="The lantern of the gate.")
    answer = await board.as_("orchestrator").post("/agent/task-search", json={"query": "lantern"})
    hits = [(item["title"], int(item["score"])) for item in answer.json()["items"]]
    assert hits == [("Light the lantern", 5), ("Repair the lantern", 3), ("Sweep the yard", 2), ("Paint the wall", 1)]


async def test_a_hit_tells_what_is_needed_to_choose_it(board):
    await board.task(title="Repair the lantern", description="It flickers at night.", assignee_slugs=["engineer"], priority=2)
    answer = await board.as_("orchestrator").post("/agent/task-search", json={"query": "flickering"})
    hit = answer.json()["items"][0]
    assert (hit["status"], hit["priority"], hit["blocked_reason"], hit["snippet"]) == (
        "assigned",
        2,
        None,
        "It flickers at night.",
    )
    assert [one["slug"] for one in hit["assignees"]] == ["engineer"]
    assert set(hit) == {"id", "title", "status", "priority", "blocked_reason", "assignees", "updated_at", "score", "snippet"}


WORDS = [
    ("parser", ["Parse lists in app/tasks/parser.py"]),
    ("parse list", ["Parse lists in app/tasks/parser.py"]),
    ("tasks/parser.py", ["Parse lists in app/tasks/parser.py"]),
    ("parse_lists", ["Parse lists in app/tasks/parser.py"]),
    ("parser or re-open", ["Re-open the valve", "Parse lists in app/tasks/parser.py"]),
    ("open -valve", []),
    ("open valve", ["Re-open the valve"]),
    ('"the valve open"', []),
    ('"open the valve"', ["Re-open the valve"]),
    ("--valve", ["Re-open the valve"]),
    ("VALVE", ["Re-open the valve"]),
    ("größe", ["Größe der Ölpumpe prüfen"]),
    ("it's valve's", ["Re-open the valve"]),
    ("nothing like this", []),
]


async def test_words_are_found_in_any_form_and_paths_by_their_parts(board):
    for title in ("Parse lists in app/tasks/parser.py", "Re-open the valve", "Größe der Ölpumpe prüfen"):
        await board.task(title=title)
    for query, titles in WORDS:
        assert await found(board, query) == titles, query


async def test_what_is_changed_on_a_card_is_found_and_what_was_there_before_is_not(board):
    task = await board.task(title="Repair the lantern", description="at the gate")
    await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"title": "Repair the bell"})
    assert (await found(board, "lantern"), await found(board, "bell gate")) == ([], ["Repair the bell"])
    await board.person.patch(f"/api/v1/tasks/{task['id']}", json={"description": "at the tower"})
    assert (await found(board, "gate"), await found(board, "bell tower")) == ([], ["Repair the bell"])


async def test_a_blocked_reason_is_found_while_it_holds(board):
    task = await board.task(assignee_slugs=["engineer"])
    await move(board, task, "blocked", blocked_reason="waits for copper")
    assert await found(board, "copper") == ["A task"]
    await move(board, task, "in_progress")
    assert await found(board, "copper") == []


async def test_a_task_that_is_born_blocked_is_found_by_its_reason(board):
    await board.task(assignee_slugs=["engineer"], status="blocked", blocked_reason="waits for copper")
    assert await found(board, "copper") == ["A task"]


async def test_the_archive_is_searched_on_demand_only(board):
    task = await board.task(title="Repair the lantern")
    await move(board, task, "archived")
    assert await found(board, "lantern") == []
    assert await found(board, "lantern", include_archived=True) == ["Repair the lantern"]
    assert (await board.person.post(f"/api/v1/tasks/{task['id']}/restore", json={})).status_code == 200
    assert await found(board, "lantern") == ["Repair the lantern"]


async def test_sub_tasks_that_are_archived_with_their_parent_leave_the_search_too(board):
    parent = await board.task(title="Build the tower")
    await board.task(title="Hang the bell", parent_id=parent["id"])
    await move(board, parent, "archived", children="archive")
    assert (await found(board, "bell"), await found(board, "bell", include_archived=True)) == ([], ["Hang the bell"])


async def test_the_hidden_coordination_thread_is_searched_on_demand_only(board, admin):
    task = await board.task(title="Talk of the lantern")
    await admin.execute("UPDATE tasks SET is_coordination = true WHERE id = $1", UUID(task["id"]))
    assert await found(board, "lantern") == []
    assert await found(board, "lantern", include_coordination=True) == ["Talk of the lantern"]


async def test_a_plain_move_writes_no_text(board, admin):
    task = await board.task(assignee_slugs=["engineer"])
    written = "SELECT xmin::text FROM task_texts WHERE task_id = $1"
    before = await admin.fetchval(written, UUID(task["id"]))
    for status in ("in_progress", "review", "in_progress", "review"):
        await move(board, task, status)
    assert await admin.fetchval(written, UUID(task["id"])) == before
    await move(board, task, "done")
    assert await admin.fetchval(written, UUID(task["id"])) != before


async def test_a_limit_is_clamped_and_reported(board, admin):
    await filled(admin, board.account_id, 120, title="Lantern")
    for asked, served in ((None, 20), (0, 1), (-5, 1), (1, 1), (100, 100), (9999, 100), (10**30, 100)):
        body = {"query": "lantern"} | ({} if asked is None else {"limit": asked})
        answer = await board.as_("orchestrator").post("/agent/task-search", json=body)
        assert (answer.json()["limit"], len(answer.json()["items"])) == (served, served)


async def test_when_more_match_than_are_ranked_the_answer_says_so_and_shows_the_newest(board, admin):
    await filled(admin, board.account_id, 1000, title="Old lantern")
    answer = (await board.as_("orchestrator").post("/agent/task-search", json={"query": "lantern"})).json()
    assert answer["is_complete"] is True
    for title in ("New lantern", "Newest lantern"):
        await board.task(title=title)
    answer = (await board.as_("orchestrator").post("/agent/task-search", json={"query": "lantern", "limit": 2})).json()
    assert answer["is_complete"] is False
    assert [item["title"] for item in answer["items"]] == ["Newest lantern", "New lantern"]


async def test_a_query_that_can_find_nothing_is_refused(board):
    await board.task(title="Bell")
    for query in ("", "   ", "\n", "x" * 401, "the", "-lantern", "!!!", '"', "or", "a\x00b", 5, None):
        answer = await board.as_("orchestrator").post("/agent/task-search", json={"query": query})
        assert answer.status_code == 422, query
        assert [field["field"] for field in answer.json()["error"]["details"]["fields"]] == ["query"], query


async def test_whatever_is_typed_is_a_query_or_refused(board):
    await board.task(title="Lantern")
    chosen, letters = random.Random(5), "ab \"'\\-!&|():*<>@%_,.;{}$§€漢\U0001f600\n\té" + "or"
    for _ in range(120):
        text = "".join(chosen.choices(letters, k=chosen.randint(1, 40)))
        answer = await board.as_("orchestrator").post("/agent/task-search", json={"query": text})
        assert answer.status_code in (200, 422), (text, answer.text)


async def test_only_the_orchestrator_searches_among_agents(board):
    await board.task(title="Lantern")
    for slug in ("engineer", "reviewer"):
        answer = await board.as_(slug).post("/agent/task-search", json={"query": "lantern"})
        assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "orchestrator_required")
    await board.person.patch("/api/v1/account", json={"orchestrator_agent_id": None})
    answer = await board.as_("orchestrator").post("/agent/task-search", json={"query": "lantern"})
    assert (answer.status_code, answer.json()["error"]["details"]["reason"]) == (403, "orchestrator_unset")
    assert (await board.as_("orchestrator").get(f"{SEARCH}?q=lantern")).status_code == 403


async def test_people_search_too(board):
    task = await board.task(title="Repair the lantern")
    answer = await board.person.get(SEARCH, params={"q": "lanterns", "limit": "9999"})
    assert ([item["title"] for item in answer.json()["items"]], answer.json()["limit"]) == (["Repair the lantern"], 100)
    await move(board, task, "archived")
    assert (await board.person.get(SEARCH, params={"q": "lantern"})).json()["items"] == []
    asked = {"q": "lantern", "include_archived": "true", "include_coordination": "false"}
    assert len((await board.person.get(SEARCH, params=asked)).json()["items"]) == 1


BROKEN: list[tuple[dict[str, str], str]] = [
    ({}, "q"),
    ({"q": ""}, "q"),
    ({"q": "  "}, "q"),
    ({"q": "x" * 401}, "q"),
    ({"q": "the"}, "q"),
    ({"q": "a\x00"}, "q"),
    ({"q": "a", "limit": "many"}, "limit"),
    ({"q": "a", "include_archived": "perhaps"}, "include_archived"),
]


async def test_a_search_of_people_names_what_is_wrong_with_it(board):
    for params, field in BROKEN:
        answer = await board.person.get(SEARCH, params=params)
        assert answer.status_code == 422, params
        assert [one["field"] for one in answer.json()["error"]["details"]["fields"]] == [field], params


async def test_the_longest_description_is_kept(board):
    for description in ("word " * 20_000, "".join(f"{n:x} " for n in range(20_000))[:100_000], "x" * 100_000):
        await board.task(title="Lantern " * 250, description=description)
    assert len(await found(board, "lantern")) == 3
