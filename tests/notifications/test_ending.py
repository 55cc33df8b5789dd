"""What waits for agents comes to one end, whoever takes it or nobody, and is forgotten in time."""

import msgspec

from app.notifications import ending
from tests import gateways, make
from tests.notifications.talk import emptied, fetch, say, waiting

STATES = "SELECT type, state, reason, ended_at IS NOT NULL AS has_ended FROM notifications WHERE recipient_id = $1 ORDER BY id"
SCHEDULE = "SELECT is_enabled, disabled_reason FROM runtime_schedules WHERE name = 'expiry'"
RESULT = "SELECT state, result FROM runtime_commands WHERE id = $1"
AGE = "UPDATE notifications SET created_at = created_at - interval '{}'"


async def move(board, task, status: str, **body) -> None:
    answer = await board.person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": status} | body)
    assert answer.status_code == 200, answer.text


async def ends(admin, board, who: str) -> list[tuple]:
    rows = await admin.fetch(STATES, await board.agent_id(who))
    assert all(row["has_ended"] == (row["state"] != "queued") for row in rows)
    return [(row["type"], row["state"], row["reason"]) for row in rows]


async def ran(board, admin, kind: str) -> dict:
    """The result of a command that a worker runs."""
    (command_id,) = await make.enqueued(board.database, board.account_id, make.order(type=kind))

    async def has_ended():
        row = await admin.fetchrow(RESULT, command_id)
        assert row["state"] in ("queued", "running", "succeeded")
        return row["state"] == "succeeded"

    async with gateways.working(board.settings):
        await make.until(has_ended)
    result: dict = msgspec.json.decode((await admin.fetchrow(RESULT, command_id))["result"])
    return result


async def test_what_waits_about_a_task_ends_when_it_is_archived_but_for_a_persons_call(board, admin):
    parent = await board.task(assignee_slugs=["engineer"])
    child = await board.task(title="A part", assignee_slugs=["writer"], parent_id=parent["id"])
    offered = await fetch(board, "engineer")
    await say(board, parent, "Hear me.")
    await say(board, parent, "@engineer come here.")
    await move(board, parent, "archived", children="archive")
    # What was offered and not acknowledged is not offered again.
    assert await ends(admin, board, "engineer") == [
        ("assignment", "skipped", "task_archived"),
        ("thread_update", "skipped", "task_archived"),
        ("mention", "queued", "mentioned"),
    ]
    assert await ends(admin, board, "writer") == [("assignment", "skipped", "task_archived")]
    assert [notice["body"] for notice in await emptied(board, "engineer")] == ["@engineer come here."]
    assert await fetch(board, "engineer", offered["id"]) == {}
    assert (await ends(admin, board, "engineer"))[0][1] == "skipped"
    assert child["parent_id"] == parent["id"]


async def test_what_waits_for_an_agent_ends_when_it_is_retired(board, admin):
    task = await board.task(assignee_slugs=["engineer", "writer"])
    await say(board, task, "Hear me.")
    agent = f"/api/v1/agents/{await board.agent_id('engineer')}"
    assert (await board.person.patch(agent, json={"retired": True})).status_code == 200
    skipped = ("skipped", "agent_retired")
    assert await ends(admin, board, "engineer") == [("assignment", *skipped), ("thread_update", *skipped)]
    assert {state for _, state, _ in await ends(admin, board, "writer")} == {"queued"}
    assert (await board.person.patch(agent, json={"retired": False})).status_code == 200
    assert await waiting(admin, board, "engineer") == []


async def test_what_is_not_acknowledged_for_a_day_expires_and_a_younger_one_waits(board, admin):
    task = await board.task(assignee_slugs=["engineer", "writer"])
    taken = await fetch(board, "engineer")
    await admin.execute(AGE.format("1 day"))
    await say(board, task, "Still there?")
    people = "SELECT count(*) FROM notifications WHERE recipient_kind = 'person' AND state <> 'queued'"
    # `next` goes on offering it until the sweep has ended it.
    assert await ran(board, admin, ending.EXPIRE) == {"expired": 2}
    for who in ("engineer", "writer"):
        assert (await ends(admin, board, who))[:2] == [
            ("assignment", "expired", "expired"),
            ("thread_update", "queued", "person_wrote"),
        ]
    assert await admin.fetchval(people) == 0
    assert await admin.fetchval("SELECT attempts FROM notifications WHERE id = $1", taken["id"]) == 1
    told = "SELECT count(*) FROM events WHERE type = 'notify:notification:ended' AND payload ->> 'state' = 'expired'"
    assert await admin.fetchval(told) == 2
    # Acknowledging comes too late, and says nothing of the thread.
    assert (await fetch(board, "engineer", taken["id"]))["body"] == "Still there?"
    assert (await ends(admin, board, "engineer"))[0][1] == "expired"


async def test_the_sweep_comes_when_something_may_be_overdue_and_sleeps_while_nobody_fetches(board, admin):
    assert tuple(await admin.fetchrow(SCHEDULE)) == (True, None)
    due = "SELECT extract(epoch FROM fires_at - callboard_now()) / 3600 FROM runtime_schedules WHERE name = 'expiry'"
    assert await ran(board, admin, ending.EXPIRE) == {"expired": 0}
    assert 23.9 < await admin.fetchval(due) <= 24
    await board.task(assignee_slugs=["engineer"])
    await admin.execute(AGE.format("20 hours"))
    await ran(board, admin, ending.EXPIRE)
    assert 3.9 < await admin.fetchval(due) <= 4
    await admin.execute(AGE.format("239 minutes"))
    await ran(board, admin, ending.EXPIRE)
    assert 0.2 < await admin.fetchval(due) <= 0.25
    await emptied(board, "engineer")
    await admin.execute("UPDATE agents SET retired_at = callboard_now()")
    await ran(board, admin, ending.EXPIRE)
    assert tuple(await admin.fetchrow(SCHEDULE)) == (False, "nobody fetches notifications")
    hired = await board.person.post("/api/v1/agents", json={"slug": "new", "name": "New", "role": "Worker"})
    assert hired.status_code == 201, hired.text
    assert tuple(await admin.fetchrow(SCHEDULE)) == (True, None)


HANGING = (
    """INSERT INTO deliveries (account_id, notification_id, session_id, prompt, template_version, template_source, digest, size,
        silences, seen, rendered_at) SELECT n.account_id, n.id, s.id, '', 'v', 'built_in', 'd', 0, 0, 0, callboard_now()
        FROM notifications n JOIN agent_sessions s ON s.agent_id = n.recipient_id AND s.kind = 'system' WHERE n.id = $1""",
    """INSERT INTO delivery_rounds (account_id, notification_id, ask, round, profile, adapter, request, sends, sent_at)
        SELECT account_id, id, 0, 0, 'default', 'responses', '', 1, callboard_now() FROM notifications WHERE id = $1""",
    """INSERT INTO delivery_calls (account_id, notification_id, ask, round, index, call_id, name, arguments, status, result,
        called_at) SELECT account_id, id, 0, 0, 0, 'c', 'n', '{}', 200, '{}', callboard_now() FROM notifications WHERE id = $1""",
)
LEFT = " + ".join(f"(SELECT count(*) FROM {table})" for table in ("deliveries", "delivery_rounds", "delivery_calls"))


async def test_what_ended_long_ago_is_forgotten_with_what_hangs_on_it(board, admin):
    task = await board.task(assignee_slugs=["engineer", "writer"])
    await say(board, task, "Not read by anybody.", who="engineer")
    (old,) = await emptied(board, "engineer")
    for statement in HANGING:
        await admin.execute(statement, old["id"])
    assert await admin.fetchval(f"SELECT {LEFT}") == 3
    await admin.execute(AGE.format("91 days"))
    await board.task(title="Young", assignee_slugs=["engineer"])
    await emptied(board, "engineer")
    result = await ran(board, admin, "runtime.retention")
    assert result["deleted"]["notifications"] == 2
    assert await admin.fetchval(f"SELECT {LEFT}") == 0
    left = await admin.fetch("SELECT recipient_kind, state FROM notifications ORDER BY id")
    # An agent's that waits comes to an end first.
    assert [tuple(row) for row in left if row["state"] == "queued" and row["recipient_kind"] == "agent"] != []
    assert await ends(admin, board, "engineer") == [("assignment", "delivered", "assigned")]
