"""Working in worktrees: two tasks on one repository, commits, pushes, and who may do what."""

from typing import Any

from app.kernel import db
from tests import make, remotes
from tests.bootstrap.worktrees.conftest import Yard, opened, path_of
from tests.kernel.test_sql import Counted
from tests.tasks.test_graph_trips import sent_by


async def test_two_tasks_work_in_worktrees_of_their_own_and_nothing_leaks(yard: Yard):
    one, fence, here = await yard.begun(title="Mend the lamp")
    two, _, there = await yard.begun(who="writer", title="Write of lamps")
    assert here["branch"] != there["branch"]
    assert here["path"] != there["path"]
    assert here["branch"].endswith("-mend-the-lamp")
    (path_of(here) / "lamp.txt").write_text("mended\n")
    assert not (path_of(there) / "lamp.txt").exists()
    status = (await yard.ask("git-status", one)).json()
    assert [(change["letter"], change["path"]) for change in status["changes"]] == [("?", "lamp.txt")]
    assert (await yard.ask("git-status", two, who="writer")).json()["changes"] == []
    diff = (await yard.ask("git-diff", one)).json()
    assert "+mended" in diff["text"]
    answer = await yard.ask("git-commit", one, message="Mend it\n\nIt was dark.", fence=fence, key="c1")
    made = answer.json()
    assert answer.status_code == 200, made
    assert (made["subject"], made["ahead"], made["changes"], made["files"]) == ("Mend it", 1, 0, 1)
    said = remotes.git("log", "-1", "--format=%an|%ae|%B", directory=path_of(here))
    assert said.startswith("Engineer|engineer@agents.callboard.invalid|Mend it\n\nIt was dark.")
    assert f"Callboard-Task: {one['id']}" in said
    again = await yard.ask("git-commit", one, message="Mend it\n\nIt was dark.", fence=fence, key="c1")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (made, "true")
    nothing = await yard.ask("git-commit", one, message="Mend it", fence=fence)
    assert (nothing.status_code, nothing.json()["error"]["details"]["requirement"]) == (422, "changes")
    await pushes(yard, one, fence, here, made["sha"])


async def pushes(yard: Yard, one: dict[str, Any], fence: int, here: dict[str, Any], sha: str) -> None:
    pushed = (await yard.ask("git-push", one, fence=fence)).json()
    assert (pushed["head"], pushed["is_new"]) == (sha, True)
    assert (await yard.ask("git-push", one, fence=fence)).json()["is_new"] is False
    assert remotes.shown(yard.bare, "lamp.txt", branch=here["branch"]) == "mended"
    shown = await yard.shown(one)
    assert (shown["head"], shown["pushed_head"], shown["ahead"], shown["unpushed"]) == (sha, sha, 1, 0)
    assert [commit["subject"] for commit in shown["commits"]] == ["Mend it"]
    loaded = (await yard.ask("task-load", one)).json()
    assert loaded["worktree"] == shown
    events = (await yard.board.person.get(f"/api/v1/tasks/{one['id']}/events")).json()["items"]
    assert [event["type"].rpartition(":")[2] for event in events][-2:] == ["committed", "pushed"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))


async def test_files_are_changed_by_who_holds_the_task_and_its_lock_and_seen_by_those_around_it(yard: Yard):
    task, fence, here = await yard.begun()
    (path_of(here) / "lamp.txt").write_text("mended\n")
    refused = {}
    for name, who, body in (
        ("no fence", "engineer", {}),
        ("stale fence", "engineer", {"fence": 999}),
        ("a stranger", "writer", {}),
        ("escaping", "engineer", {"fence": fence, "paths": ["../x"]}),
        ("absolute", "engineer", {"fence": fence, "paths": ["/etc/passwd"]}),
    ):
        answer = await yard.ask("git-commit", task, who=who, message="Mine", **body)
        refused[name] = (answer.status_code, answer.json()["error"]["code"])
    assert refused == {
        "no fence": (409, "lease_required"),
        "stale fence": (409, "lease_lost"),
        "a stranger": (403, "forbidden"),
        "escaping": (422, "validation_failed"),
        "absolute": (422, "validation_failed"),
    }
    assert (await yard.ask("git-status", task, who="writer")).status_code == 403
    assert (await yard.ask("git-status", task, who="orchestrator")).status_code == 200
    assert await yard.lock(here) == "locked held by engineer"
    # The lease ends, and with it what its fence allows; the next holder goes on in the same worktree.
    answer = await yard.board.as_("engineer").post("/agent/task-release", json={"task_id": task["id"], "fence": fence})
    assert answer.status_code == 200, answer.text
    assert (await yard.ask("git-commit", task, message="Mine", fence=fence)).json()["error"]["code"] == "lease_lost"
    assert (await yard.ask("git-commit", task, message="Mine")).json()["error"]["code"] == "lease_required"
    await yard.board.person.post(f"/api/v1/tasks/{task['id']}/assign", json={"assignee_slugs": ["writer"], "replace": True})
    await make.until(lambda: yard.is_locked(here, ""))
    fence = await yard.board.claim("writer", task["id"])
    await make.until(lambda: yard.is_locked(here, "locked held by writer"))
    assert {name: (await yard.until(task, state="ready"))[name] for name in ("path", "branch")} == {
        "path": here["path"],
        "branch": here["branch"],
    }
    made = await yard.ask("git-commit", task, who="writer", message="Mine now", fence=fence, paths=["lamp.txt"])
    assert made.json()["changes"] == 0
    # A reviewer looks, and what is closed stays as it is.
    assert (
        await yard.board.as_("writer").post(
            "/agent/task-status", json={"task_id": task["id"], "status": "review", "fence": fence}
        )
    ).status_code == 200
    assert (await yard.ask("git-diff", task, who="reviewer", against_base=True)).json()["files"] == 1
    assert (await yard.ask("git-commit", task, who="writer", message="Late")).json()["error"]["code"] == "lease_required"


async def test_a_claim_in_a_repository_costs_four_round_trips(urls, tmp_path, monkeypatch):
    monkeypatch.setattr(db, "_Connection", Counted)
    async with opened(urls[1], tmp_path, works=False) as yard:
        task = await yard.board.task(assignee_slugs=["engineer"])
        # Whoever is seen for the first time is noted once.
        answer = (await yard.ask("git-status", task)).json()["error"]
        assert (answer["code"], answer["details"]) == ("requirement_failed", {"requirement": "vcs", "reason": "unclaimed"})
        looked = (await yard.board.person.get(f"/api/v1/tasks/{task['id']}/worktree")).json()
        assert (looked["worktree"], "nobody has claimed" in looked["remark"]) == (None, True)
        assert await sent_by(yard.board.as_("engineer").post("/agent/task-claim", json={"task_id": task["id"]})) == 4
        assert (await yard.shown(task))["state"] == "wanted"
        refused = await yard.ask("git-status", task)
        assert (refused.json()["error"]["details"]["reason"], refused.headers["Retry-After"]) == ("not_ready", "3")
