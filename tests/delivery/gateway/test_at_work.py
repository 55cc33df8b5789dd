"""Profiles that an admin made, through which agents of a real board are woken by a real worker."""

from pathlib import Path

import msgspec
import pytest

from tests import boards, gateways, make
from tests.delivery.gateway.programs import ProcessWorld

PROFILES = "/api/v1/executor-profiles"


@pytest.fixture
async def board(urls, tmp_path):
    (tmp_path / "limited.sh").write_text("cat > /dev/null; echo 'rate limit reached' >&2; exit 1")
    commands = f"limited=/bin/sh {tmp_path}/limited.sh; echo=/bin/cat; where=/bin/pwd"
    async with boards.in_own_task(lambda: boards.opened(urls[1], CALLBOARD_EXECUTOR_COMMANDS=commands)) as opened:
        yield opened


async def settled(admin):
    """Wait until no gateway agent is still to be told anything; those that pull ask when they like."""

    async def done():
        await gateways.hurry(admin)
        return await admin.fetchval(
            """SELECT count(*) = 0 FROM notifications n JOIN agents a ON a.id = n.recipient_id
            WHERE n.state = 'queued' AND a.reach = 'gateway'"""
        )

    await make.until(done)


async def run_by(board, slug, **profile):
    made = await board.person.post(PROFILES, json=profile)
    assert made.status_code == 201, made.text
    wanted = {"reach": "gateway", "profile": profile["name"]}
    assert (await board.person.patch(f"/api/v1/agents/{await board.agent_id(slug)}", json=wanted)).status_code == 200


async def test_a_limited_command_hands_the_run_to_the_next_profile_which_calls_tools_and_answers(board, admin, tmp_path):
    call = {"name": "document", "arguments": {"title": "Notes", "content": "Seen.", "type": "note", "task_id": "$task_id"}}
    steps = [{"on": "assignment", "text": "Understood."}, {"round": 0, "calls": [call]}, {"round": 1, "text": "I wrote it down."}]
    scripted = {"name": "scripted", "adapter": "scripted", "settings": {"steps": steps}}
    assert (await board.person.post(PROFILES, json=scripted)).status_code == 201
    limited = {
        "name": "limited",
        "adapter": "process",
        "settings": {"command": "limited", "input": "json"},
        "failover": ["scripted"],
    }
    await run_by(board, "engineer", **limited)
    await run_by(board, "writer", name="echo", adapter="process", settings={"command": "echo"})
    async with gateways.working(board.settings):
        task = await board.task(title="Look at the lamp", assignee_slugs=["engineer"])
        other = await board.task(title="Say it again", assignee_slugs=["writer"])
        await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "Please write it down."})
        await settled(admin)
    said = {message["content"] for message in await gateways.thread(board, task["id"])}
    assert said == {"Please write it down.", "Understood.", "I wrote it down."}
    (echoed,) = await gateways.thread(board, other["id"])
    assert "Say it again" in echoed["content"]
    events = await admin.fetch("SELECT payload::text FROM events WHERE type = 'delivery:round:failed_over'")
    told = [msgspec.json.decode(row[0]) for row in events]
    assert {(one["from"], one["to"], one["reason"]) for one in told} == {("limited", "scripted", "rate_limited")}
    documents = (await board.person.get("/api/v1/documents", params={"task_id": task["id"]})).json()["items"]
    assert {document["title"] for document in documents} == {"Notes"}


async def test_a_command_runs_in_the_worktree_of_its_task_else_in_the_workspace_of_its_agent(board, admin, tmp_path):
    await run_by(board, "writer", name="where", adapter="process", settings={"command": "where"})
    # Where the board itself writes it, since that may happen meanwhile.
    worktree, workspace = tmp_path / "worktree", Path(board.settings.workspaces_dir) / "demo" / "writer"
    for place in (worktree, workspace):
        place.mkdir(parents=True)
    await admin.execute(
        """INSERT INTO agent_workspaces (account_id, agent_id, state, path, files)
        SELECT account_id, id, 'synced', $2::text, 0 FROM agents WHERE id = $1""",
        await board.agent_id("writer"),
        str(workspace),
    )
    await admin.execute(
        "INSERT INTO repositories (account_id, id, name, is_primary, version) VALUES ($1, gen_random_uuid(), 'lamps', true, 1)",
        board.account_id,
    )
    tasks = [await board.task(title=f"Lamp {number}", assignee_slugs=["writer"]) for number in range(3)]
    for task, state in zip(tasks, ("ready", "removed", "wanted"), strict=True):
        await admin.execute(
            """INSERT INTO task_worktrees (account_id, id, task_id, repository_id, state, path, removed_at)
            SELECT account_id, gen_random_uuid(), $1, id, $2::text, $3::text,
                CASE WHEN $2::text = 'removed' THEN callboard_now() END FROM repositories""",
            task["id"],
            state,
            str(worktree),
        )
    async with gateways.working(board.settings):
        await settled(admin)
    said = [(await gateways.thread(board, task["id"]))[0]["content"] for task in tasks]
    assert said == [str(worktree), str(workspace), str(workspace)]


async def test_a_stopped_task_ends_the_command_that_works_on_it(board, admin, tmp_path, urls):
    world = ProcessWorld(tmp_path)
    script = tmp_path / "hangs.sh"
    script.write_text(f"(setsid sleep {world.mark} &) ; sleep {world.mark} & sleep {world.mark}")
    commands = f"hangs=/bin/sh {script}"
    settings = boards.settings_for(urls[1], CALLBOARD_EXECUTOR_COMMANDS=commands)
    board._application.app.state.settings = settings
    await run_by(board, "engineer", name="hangs", adapter="process", settings={"command": "hangs"})
    async with gateways.working(settings):
        task = await board.task(assignee_slugs=["engineer"])
        await world.begun()
        stopped = await board.person.post(f"/api/v1/tasks/{task['id']}/messages", json={"content": "/stop"})
        assert stopped.status_code in (200, 201), stopped.text

        async def gone():
            return not world.left()

        await make.until(gone, seconds=10)
        await settled(admin)
    assert (await board.person.get(f"/api/v1/tasks/{task['id']}")).json()["status"] == "blocked"
