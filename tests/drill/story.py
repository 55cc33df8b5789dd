"""The fork drill: a fork starts with its own crew and two repositories, and its agents commit real files in their worktrees.

`python -m tests.drill.story` plays it and says how long each part took.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from app.kernel.settings import ROOT
from app.notifications.types import NotificationType
from tests.drill import fork
from tests.drill.board import TOKEN, TRUNK, Fork, Timings, awaited, running
from tests.drill.words import said, shipped

KINDS = [kind for kind in NotificationType if kind not in {"presence", "quarantine", "budget"}]
# Words of the board, whoever uses it.
COMMON = {"orchestrator", "reviewer"}


def play(directory: Path) -> dict[str, float]:
    """All of it below `directory`; seconds that each part took."""
    timings = Timings()
    with running(directory, timings) as (board, cloth, thread):
        awaited(lambda: _are_ready(board), "two clones")
        timings.took("clones")
        played = board.called("demo")
        assert "Done: all" in played, played
        timings.took("demo")
        _crew_at_work(board, cloth, thread, timings)
        _nothing_of_ours(board, directory, played)
        timings.took("looking for names")
    return timings.parts


def _are_ready(board: Fork) -> bool:
    found = board.get("/repositories")["items"]
    assert [one["name"] for one in found] == ["cloth", "thread"]
    return all(one["clone"] and one["clone"]["state"] == "ready" for one in found)


def _crew_at_work(board: Fork, cloth: Path, thread: Path, timings: Timings) -> None:
    """Two tasks of one repository and one of the other, each in a worktree of its own, then closed by a reviewer."""
    works = [
        Work(board, "weft", "cloth", {"hem.txt": "stitched\n"}),
        Work(board, "warp", "cloth", {"seam.txt": "straight\n"}),
        Work(board, "shuttle", "thread", {"spool.txt": "empty\n"}),
    ]
    timings.took("claims to worktrees")
    for work in works:
        work.commit()
    assert not (works[1].path / "hem.txt").read_text().startswith("stitched")
    assert not (works[0].path / "seam.txt").exists()
    assert len({work.path for work in works}) == len({work.branch for work in works}) == len(works)
    for work, remote in ((works[0], cloth), (works[2], thread)):
        work.push()
        for name, text in work.files.items():
            assert _git(remote, "show", f"{work.branch}:{name}") == text
        assert _git(remote, "show", f"{TRUNK}:{next(iter(work.files))}") != next(iter(work.files.values()))
    timings.took("commits and pushes")
    for work in works:
        work.close_by("selvedge")
    awaited(lambda: not any(work.path.exists() for work in works), "the end of the worktrees")
    timings.took("closed and removed")


class Work:
    """One agent's work on one task, from its assignment on."""

    def __init__(self, board: Fork, slug: str, repository: str, files: dict[str, str]) -> None:
        self.board, self.files = board, files
        self.agent = board.agent(slug)
        self.task = board.task(title=f"Weave with {slug}", repository=repository, assignee_slugs=[slug])
        self.fence = self.agent.does("task-claim", task_id=self.task)["lease"]["fence"]
        status = awaited(self._status, f"the worktree of {slug}")
        self.path, self.branch = Path(status["path"]), str(status["branch"])
        assert self.branch.startswith("bolt/")

    def _status(self) -> dict[str, Any] | None:
        answer = self.agent.call("git-status", task_id=self.task)
        return answer.json() if answer.is_success else None

    def commit(self) -> None:
        for name, text in self.files.items():
            (self.path / name).write_text(text)
        refused = self.agent.call("git-commit", task_id=self.task, message="Without a fence")
        assert refused.json()["error"]["code"] == "lease_required", refused.text
        done = self.agent.does("git-commit", task_id=self.task, message="Weave", fence=self.fence)
        assert (done["ahead"], done["files"]) == (1, len(self.files))

    def push(self) -> None:
        assert self.agent.does("git-push", task_id=self.task, fence=self.fence)["is_new"]

    def close_by(self, reviewer: str) -> None:
        self.agent.does("task-status", task_id=self.task, status="review", fence=self.fence)
        shown = self.board.get(f"/tasks/{self.task}/worktree")["worktree"]
        assert (shown["ahead"], shown["branch"]) == (1, self.branch)
        self.board.agent(reviewer).does("task-status", task_id=self.task, status="done")


def _nothing_of_ours(board: Fork, directory: Path, played: str) -> None:
    """No name of the shipped crew is in any prompt, file, page or log, and the token in none but the fork's own `.env`."""
    manuals = "".join((ROOT / "docs" / "runtime" / name).read_text().lower() for name in ("AGENTS.md", "HEARTBEAT.md"))
    ours = {word for word in shipped(ROOT / "seeds") - COMMON if word not in manuals}
    texts = {"demo": played, "log": board.log.read_text().replace("./callboard demo", "")}
    account = next(word.rstrip(",") for word in played.split() if word.startswith("demo-crew-"))
    for name in (fork.ACCOUNT_SLUG, account):
        texts |= _prompts(board, name)
        texts[f"events of {name}"] = str(board.get("/events", account=name, after=0, limit=200))
        texts[f"agents of {name}"] = str(board.get("/agents", account=name))
    for path in _files(directory / "data"):
        texts[str(path)] = path.read_text(errors="replace")
    found = {where: words for where, text in texts.items() if (words := said(ours, text.lower()))}
    assert found == {}, found
    assert [where for where, text in texts.items() if TOKEN in text] == []
    facts = ("trunk", "bolt/", "cloth")
    prompts = [text for where, text in texts.items() if where.startswith("prompt of mill")]
    assert prompts
    assert all(fact in text for text in prompts for fact in facts)


def _prompts(board: Fork, account: str) -> dict[str, str]:
    """What was sent, and what each agent would be sent."""
    found = {}
    for one in board.get("/deliveries", account=account, limit=200)["items"]:
        # Not all of them came to a prompt.
        if (answer := board.person(account).get(f"/deliveries/{one['id']}/prompt")).is_success:
            found[f"sent to {account} {one['id']}"] = answer.text
    task = board.get("/tasks", account=account)["items"][0]["id"]
    for slug in (fork.LEADER, fork.WORKERS[0], fork.REVIEWERS[0]):
        for kind in KINDS:
            asked = {"agent_slug": slug, "type": kind} | ({} if kind == "wakeup" else {"task_id": task})
            answer = board.person(account).post("/deliveries/preview", json=asked)
            assert answer.is_success, answer.text
            assert answer.json()["problems"] == []
            found[f"prompt of {account} {slug} {kind}"] = f"{answer.json()['instructions']}\n{answer.json()['input']}"
    return found


def _files(data: Path) -> list[Path]:
    """What the board wrote, but for the database's own files and git's."""
    inner = {"postgres", "pgdata", "database", ".git"}
    return [path for path in data.rglob("*") if path.is_file() and not inner & set(path.relative_to(data).parts)]


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fork-drill-") as directory:
        Path(directory).chmod(0o755)
        for part, seconds in play(Path(directory)).items():
            print(f"{seconds:6.2f} s  {part}")


if __name__ == "__main__":
    main()
