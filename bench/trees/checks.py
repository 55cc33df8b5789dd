"""What is found wrong with repositories after a storm, each with how often."""

import json
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.trees import facts
from bench.trees.crew import Kept, Yard
from tests.remotes import git

SHOWN = 4


async def wrong(admin: Any, yard: Yard, remotes: dict[str, Path], trees: Path) -> dict[str, Any]:
    """Only what is wrong."""
    found: dict[str, Any] = {name: await admin.fetchval(sql, timeout=60) for name, sql in facts.FACTS.items()}
    found["dead letters"] = [dict(row) for row in await admin.fetch(facts.LETTERS)]
    found["two tasks on the same files, by events"] = await _overlapping(admin)
    rows = [dict(row) for row in await admin.fetch(facts.WORKTREES)]
    found |= _on_disk(rows, trees)
    clones = {row["repository"]: Path(row["directory"]) for row in rows}
    found |= _committed(yard, rows, clones) | _pushed(yard, remotes)
    found["files left uncommitted that are nowhere"] = _forgotten(yard, rows, clones)
    for name, clone in clones.items():
        said = git("fsck", "--full", "--no-dangling", "--no-progress", directory=clone, check=False)
        found[f"fsck of the clone {name}"] = said.splitlines()
        found[f"fsck of the remote {name}"] = git("fsck", "--no-dangling", directory=remotes[name], check=False).splitlines()
    found["requests that broke"] = yard.broken
    return {name: value if isinstance(value, int) else [len(value), *value[:SHOWN]] for name, value in found.items() if value}


def _on_disk(rows: list[dict[str, Any]], trees: Path) -> dict[str, Any]:
    live = {row["path"]: row for row in rows if row["is_live"] and row["path"]}
    there = {str(path) for path in trees.glob("*/*/*") if path.is_dir()}
    known = defaultdict(set)
    for row in rows:
        known[row["directory"]] |= {row["path"]} if row["is_live"] else set()
    listed = {
        directory: {
            line.removeprefix("worktree ")
            for line in git("worktree", "list", "--porcelain", directory=Path(directory)).splitlines()
            if line.startswith("worktree ")
        }
        - {directory}
        for directory in known
    }
    return {
        "directories that no task knows": sorted(there - live.keys()),
        "worktrees without their directory": [f"{row['state']} {path}" for path, row in live.items() if path not in there],
        "worktrees that git and the board see otherwise": [one for each in known for one in sorted(listed[each] ^ known[each])],
        "desks and half made clones left": [str(path) for path in trees.parent.glob("repos/**/.*.cloning")],
    }


def _log(clone: Path, branch: str, base: str) -> list[tuple[str, str, str]]:
    """(commit, subject, task) of what a branch has beside its base."""
    form = "%H%x00%s%x00%(trailers:key=Callboard-Task,valueonly,separator=%x2C)"
    text = git("log", f"--format={form}", f"refs/heads/{branch}", "--not", f"refs/remotes/origin/{base}", directory=clone)
    return [(sha, subject, task) for sha, subject, task in (line.split("\x00") for line in text.splitlines())]


def _committed(yard: Yard, rows: list[dict[str, Any]], clones: dict[str, Path]) -> dict[str, Any]:
    branches = {(row["repository"], row["branch"]): (row["task_id"], row["base_branch"]) for row in rows if row["branch"]}
    logs = {(name, branch): _log(clones[name], branch, base) for (name, branch), (_, base) in branches.items()}
    subjects = Counter(subject for log in logs.values() for _, subject, _ in log)
    shas = {key: {sha for sha, _, _ in log} for key, log in logs.items()}
    strange, files = [], []
    for (name, branch), log in logs.items():
        task_id, base = branches[name, branch]
        strange += [f"{branch}: {sha} of {task}" for sha, _, task in log if task != str(task_id)]
        spec = f"refs/remotes/origin/{base}...refs/heads/{branch}"
        changed = git("diff", "--name-only", spec, directory=clones[name]).splitlines()
        files += [f"{branch}: {path}" for path in changed if str(task_id) not in path]
    lost = [one.path for one in yard.commits if one.sha not in shas.get((one.repository, one.branch), set())]
    return {
        "acknowledged commits that are not on their branch": lost,
        "commits that are there twice": [subject for subject, count in subjects.items() if count > 1],
        "commits with other content": [one.path for one in yard.commits if not _is_written(one, clones[one.repository])],
        "commits of one task on the branch of another": strange,
        "files of one task on the branch of another": files,
    }


def _is_written(one: Kept, clone: Path) -> bool:
    return git("show", f"{one.sha}:{one.path}", directory=clone, check=False) == one.content.strip()


def _forgotten(yard: Yard, rows: list[dict[str, Any]], clones: dict[str, Path]) -> list[str]:
    """Files that are neither in a worktree nor on a branch nor rescued."""
    refs = ("refs/heads", "refs/callboard")
    known = {
        name: {
            ref: set(git("ls-tree", "-r", "--name-only", ref, directory=clone).splitlines())
            for ref in git("for-each-ref", "--format=%(refname)", *refs, directory=clone).splitlines()
        }
        for name, clone in clones.items()
    }
    places = {str(row["task_id"]): Path(row["path"]) for row in rows if row["is_live"] and row["path"]}
    return [
        one.path
        for one in yard.left
        if not any(one.path in paths for paths in known[one.repository].values())
        and not (one.task_id in places and (places[one.task_id] / one.path).is_file())
    ]


def _pushed(yard: Yard, remotes: dict[str, Path]) -> dict[str, Any]:
    tips: dict[tuple[str, str], set[str]] = {}
    for one in yard.pushes:
        if (one.repository, one.branch) not in tips:
            listed = git("rev-list", f"refs/heads/{one.branch}", directory=remotes[one.repository], check=False)
            tips[one.repository, one.branch] = set(listed.split())
    return {
        "acknowledged pushes that are not at the remote": [
            one.sha for one in yard.pushes if one.sha not in tips[one.repository, one.branch]
        ]
    }


async def _overlapping(admin: Any) -> list[str]:
    """Claims of files that another task had under a live lease, in the order of commits; times are of beginnings."""
    areas = defaultdict(set)
    for row in await admin.fetch(facts.FILES):
        areas[row["task_id"]].add((row["repository_id"], row["area"]))
    found, held = [], dict[Any, datetime]()
    for row in await admin.fetch(facts.HOLDS):
        task, said = row["task_id"], json.loads(row["payload"])
        held.pop(task, None)
        if (said.get("lease") or {}).get("kind") != "work" or not said.get("reserved"):
            continue
        rivals = [one for one, until in held.items() if until > row["at"] and areas[one] & areas[task]]
        found += [f"{row['seq']}: {task} beside {one}" for one in rivals]
        held[task] = datetime.fromisoformat(said["lease"]["until"])
    return found
