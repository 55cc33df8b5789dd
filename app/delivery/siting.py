"""What a prompt says about the repository: its facts, and the branch and worktree of the task."""

from typing import Any

import msgspec

from app.agents.types import Adapter
from app.delivery import profiles
from app.delivery.types.prompts import RepositoryFacts, Site
from app.tasks import worktrees
from app.tasks.types import WorktreeState

_SITES = {
    WorktreeState.READY: Site.READY,
    WorktreeState.KEPT: Site.READY,
    WorktreeState.WANTED: Site.MAKING,
    WorktreeState.FAILED: Site.FAILED,
    WorktreeState.REMOVED: Site.LATER,
}


def facts(ground: Any, task: Any | None, *, executors: str | None) -> RepositoryFacts | None:
    """Those of the task's repository, else of the account's primary one, with paths as whoever runs the agent sees them."""
    recorded = (task and task["repository"]) or ground["repository"]
    if recorded is None:
        return None
    known = msgspec.json.decode(recorded)
    names = ("name", "url", "base_branch", "branch_prefix", "writable_dir")
    found = {name: known.get(name) for name in names} | {"notes": ground["notes"]}
    return RepositoryFacts(**found, **(_worktree(task, known, executors) if task else {}))


def _worktree(task: Any, known: dict[str, Any], executors: str | None) -> dict[str, Any]:
    worktree = worktrees.read(task["worktree"])
    if known.get("url") is None:
        return {"site": Site.OFF}
    if worktree is None:
        return {"site": Site.LATER}
    site = _SITES[worktree.state]
    if site is not Site.READY:
        return {"site": site, "problem": worktree.problem}
    # A program that the board starts itself is on its machine.
    is_here = profiles.read(executors, timeout_seconds=1)[0].adapter is Adapter.PROCESS
    path = worktree.path if is_here else worktree.gateway_path or worktree.path
    return {"site": site, "branch": worktree.branch, "worktree": path}


def is_on(task: Any | None) -> bool:
    """Whether there is anything to do with git in a turn about this task."""
    return task is not None and task["repository"] is not None and msgspec.json.decode(task["repository"]).get("url") is not None
