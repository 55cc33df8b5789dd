"""What becomes of worktrees: closed, kept, reopened, vanished, orphaned, and made by workers that die."""

import asyncio
import os
import shutil
import signal
import sys

from app.bootstrap import worktrees
from app.cli import worktree
from app.kernel.ids import new_id
from app.kernel.settings import ROOT
from app.runtime.service import Order, enqueue
from tests import make, remotes
from tests.bootstrap.worktrees.conftest import Yard, opened, path_of, working

EVENTS = "SELECT type, payload::jsonb AS payload FROM events WHERE type LIKE 'board:worktree:%' ORDER BY seq"


async def told(admin) -> list[str]:
    return [row["type"].rpartition(":")[2] for row in await admin.fetch(EVENTS)]


async def swept(yard: Yard, admin) -> None:
    async with yard.board.database.transaction(yard.board.account_id, origin=make.ORIGIN) as tx:
        command_id = enqueue(tx, Order(type="repository.sweep", idempotency_key=str(new_id()), payload={}), actor=None)
    ended = "SELECT state = 'succeeded' FROM runtime_commands WHERE id = $1"
    await make.until(lambda: admin.fetchval(ended, command_id))


async def repository(yard: Yard, **changed: object) -> None:
    items = (await yard.board.person.get("/api/v1/repositories")).json()["items"]
    answer = await yard.board.person.patch(f"/api/v1/repositories/{items[0]['id']}", json=changed)
    assert answer.is_success, answer.text


async def test_a_closed_task_loses_its_worktree_and_keeps_its_branch_and_what_was_not_committed(yard: Yard, admin):
    task, fence, here = await yard.begun()
    path = path_of(here)
    (path / "lamp.txt").write_text("mended\n")
    sha = (await yard.ask("git-commit", task, message="Mend it", fence=fence)).json()["sha"]
    (path / "half.txt").write_text("half done\n")
    await yard.close(task)
    gone = await yard.until(task, state="removed")
    assert not path.exists()
    assert gone["rescued"] == f"refs/callboard/rescued/{task['id']}-1"
    clone = yard.clone
    assert remotes.git("show", f"{gone['rescued']}:half.txt", directory=clone) == "half done"
    assert remotes.git("rev-parse", here["branch"], directory=clone) == sha
    refused = await yard.ask("git-status", task, who="orchestrator")
    assert refused.json()["error"]["details"]["reason"] == "removed"
    # Reopened and taken up again it goes on where it was.
    person = yard.board.person
    assert (await person.post(f"/api/v1/tasks/{task['id']}/reopen", json={})).is_success
    answer = await person.post(f"/api/v1/tasks/{task['id']}/status", json={"status": "in_progress", "reason": "More"})
    assert answer.is_success, answer.text
    await yard.board.claim("engineer", task["id"])
    again = await yard.until(task, state="ready")
    assert {name: again[name] for name in ("branch", "path", "head")} == {
        "branch": here["branch"],
        "path": str(path),
        "head": sha,
    }
    assert (path / "lamp.txt").exists()
    assert await told(admin) == ["ready", "removed", "ready"]
    # Kept, where the repository says so.
    await repository(yard, keep_worktrees=True)
    await yard.close(task)
    await yard.until(task, state="kept")
    assert (path / "lamp.txt").exists()
    looked = (await person.get(f"/api/v1/tasks/{task['id']}/worktree")).json()["worktree"]
    assert (looked["state"], looked["ahead"]) == ("kept", 1)


async def test_a_sweep_mends_what_vanished_and_takes_away_what_nobody_knows(yard: Yard, admin):
    task, _, here = await yard.begun()
    other, _, there = await yard.begun(who="writer", title="Another")
    clone = yard.clone
    await asyncio.to_thread(shutil.rmtree, here["path"])
    stray = path_of(here).parent / "stray"
    await asyncio.to_thread(remotes.git, "worktree", "add", "-b", "stray", stray, "trunk", directory=clone)
    (stray / "found.txt").write_text("found\n")
    elsewhere = yard.bare.parent / "elsewhere"
    await asyncio.to_thread(remotes.git, "worktree", "add", "-b", "elsewhere", elsewhere, "trunk", directory=clone)
    await swept(yard, admin)
    await yard.until(task, state="ready", problem=None)
    assert (path_of(here) / "README.md").exists()
    assert not stray.exists()
    (rescued,) = remotes.git("for-each-ref", "--format=%(refname)", "refs/callboard/rescued", directory=clone).splitlines()
    assert remotes.git("show", f"{rescued}:found.txt", directory=clone) == "found"
    assert elsewhere.exists()
    assert path_of(there).exists()
    assert (await yard.shown(other))["state"] == "ready"
    # The terminal shows the same.
    async with yard.board.database.transaction(yard.board.account_id, origin=make.ORIGIN) as tx:
        lines = [worktree._shown(row) for row in await worktrees.listed(tx)]
    assert f"{there['branch']}: ready, held by writer, 0 ahead, 0 behind, 0 dirty; task {other['id']} Another" in lines[1]
    assert lines[1].endswith(there["path"])


async def test_a_commit_that_was_made_and_not_recorded_is_answered_to_the_repeated_call(yard: Yard, admin):
    task, fence, here = await yard.begun()
    (path_of(here) / "lamp.txt").write_text("mended\n")
    # What was done by git cannot be written.
    await admin.execute("ALTER TABLE events ADD CONSTRAINT nothing CHECK (type <> 'board:task:committed')")
    assert (await yard.ask("git-commit", task, message="Mend it", fence=fence, key="c1")).status_code == 500
    await admin.execute("ALTER TABLE events DROP CONSTRAINT nothing")
    made = remotes.git("rev-parse", "HEAD", directory=path_of(here))
    await yard.ask("git-status", task)
    for key in ("c1", "c1"):
        answer = (await yard.ask("git-commit", task, message="Mend it", fence=fence, key=key)).json()
        assert (answer["sha"], answer["ahead"]) == (made, 1)
    assert await admin.fetchval("SELECT count(*) FROM events WHERE type = 'board:task:committed'") == 1
    answer = await yard.ask("git-commit", task, message="Mend it", fence=fence, key="c2")
    assert answer.json()["error"]["details"]["requirement"] == "changes"


async def test_agents_may_share_one_branch_for_each_of_them(urls, tmp_path, admin):
    async with opened(urls[1], tmp_path, REPO_BRANCH_PER_TASK="false", REPO_BRANCH_PREFIX="crew/") as yard:
        answer = await yard.board.person.patch(f"/api/v1/agents/{await yard.board.agent_id('engineer')}", json={"capacity": 2})
        assert answer.is_success, answer.text
        (repository,) = (await yard.board.person.get("/api/v1/repositories")).json()["items"]
        # What a repository leaves open is as the environment says.
        await yard.board.person.patch(f"/api/v1/repositories/{repository['id']}", json={"branch_prefix": None})
        one, fence, here = await yard.begun(title="One")
        two, _, there = await yard.begun(title="Two")
        assert (here["branch"], here["path"]) == (there["branch"], there["path"])
        assert here["branch"] == "crew/engineer"
        await yard.close(one)
        await yard.until(one, state="removed")
        assert path_of(there).exists()
        # Whoever takes a task over works on a branch of its own.
        person = yard.board.person
        await person.post(f"/api/v1/tasks/{two['id']}/assign", json={"assignee_slugs": ["writer"], "replace": True})
        await yard.board.claim("writer", two["id"])
        await yard.until(two, state="ready", branch="crew/writer")
        assert fence


async def test_a_repository_that_cannot_be_cloned_is_said_and_made_good_later(urls, tmp_path):
    nowhere = tmp_path / "nowhere.git"
    async with opened(urls[1], tmp_path, REPO_URL=remotes.url_of(nowhere)) as yard:
        task = await yard.board.task(assignee_slugs=["engineer"])
        await yard.board.claim("engineer", task["id"])

        async def refused() -> bool:
            answer = await yard.ask("git-status", task)
            return answer.json()["error"]["details"]["reason"] in {"degraded", "failed"}

        await make.until(refused)
        await asyncio.to_thread(remotes.bare, nowhere)
        items = (await yard.board.person.get("/api/v1/repositories")).json()["items"]
        assert (await yard.board.person.post(f"/api/v1/repositories/{items[0]['id']}/sync")).is_success
        await yard.until(task, state="ready", problem=None)


async def test_where_every_name_is_protected_no_branch_is_made(urls, tmp_path, admin):
    async with opened(urls[1], tmp_path, REPO_PROTECTED_BRANCHES="task/*") as yard:
        task = await yard.board.task(assignee_slugs=["engineer"])
        await yard.board.claim("engineer", task["id"])
        failed = await yard.until(task, state="failed")
        assert "protected" in failed["problem"]
        why = (await yard.ask("task-why", task)).json()
        (obstacle,) = [one for one in why["also"] if one["waits_for"] == "worktree_failed"]
        assert (obstacle["details"]["problem"], [who["kind"] for who in obstacle["who"]]) == (failed["problem"], ["person"])
        await repository(yard, protected_branches=[])
        assert (await yard.board.person.post(f"/api/v1/tasks/{task['id']}/worktree")).is_success
        ready = await yard.until(task, state="ready")
        # What becomes protected later is not committed to.
        await repository(yard, protected_branches=[ready["branch"]])
        fence = await yard.board.claim("engineer", task["id"])
        answer = (await yard.ask("git-push", task, fence=fence)).json()["error"]
        assert answer["details"]["reason"] == "protected"
        assert await told(admin) == ["failed", "ready"]


HOLDING = """#!/bin/sh
if [ -e "{place}/hold" ]; then
    case " $* " in *" read-tree "*) echo $$ > "{place}/new"; /bin/mv "{place}/new" "{place}/held"; exec /bin/sleep 60;; esac
fi
exec "{git}" "$@"
"""


async def test_a_worker_killed_while_it_makes_a_worktree_is_healed_by_the_next(urls, tmp_path, admin):
    place = tmp_path / "bin"
    place.mkdir()
    wrapper = place / "git"
    wrapper.write_text(HOLDING.format(place=place, git=shutil.which("git")))
    wrapper.chmod(0o755)
    async with opened(urls[1], tmp_path, works=False) as yard:
        settings = {"DATABASE_URL": urls[1], "REPO_URL": remotes.url_of(yard.bare), "CALLBOARD_DATA_DIR": str(tmp_path / "data")}
        environment = settings | {"PATH": f"{place}:{os.environ['PATH']}", "CALLBOARD_LOG_LEVEL": "error"}
        command = (sys.executable, "-m", "app", "worker")
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)
        await make.until(lambda: admin.fetchval("SELECT state = 'ready' FROM repository_clones"))
        (place / "hold").touch()
        task = await yard.board.task(assignee_slugs=["engineer"])
        await yard.board.claim("engineer", task["id"])
        await make.until(lambda: asyncio.to_thread((place / "held").exists))
        process.kill()
        await process.wait()
        # A git that outlives it holds the clone's lock as long as it runs.
        os.kill(int((place / "held").read_text()), signal.SIGKILL)
        (place / "hold").unlink()
        assert (await yard.shown(task))["state"] == "wanted"
        async with working(yard.board):
            here = await yard.until(task, state="ready", problem=None)
        assert (path_of(here) / "README.md").read_text() == "A repository.\n"
        assert (await yard.ask("git-status", task)).json()["changes"] == []
        assert await admin.fetchval("SELECT lost FROM runtime_commands WHERE type = 'worktree.settle'") == 1
        assert await told(admin) == ["ready"]
