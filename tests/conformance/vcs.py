"""Cases of working with the branch of a task, in worktrees of one clone that all worlds share."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from app.bootstrap.git import clones, trees
from app.bootstrap.types.vcs import Place, Tree
from app.tasks import worktrees
from app.tasks.types import WorktreeState
from app.tasks.worktrees import Settled
from tests import make, remotes
from tests.conformance.steps import Case, Step, held, is_now, task
from tests.conformance.worlds import World

REPOSITORY = """
INSERT INTO repositories (account_id, id, name, url, base_branch, is_primary)
VALUES ($1, gen_random_uuid(), 'lamps', $2, 'trunk', true)
RETURNING id
"""
CLONE = """
INSERT INTO repository_clones (account_id, repository_id, state, directory, head, base_branch, changed_at)
VALUES ($1, $2, 'ready', $3, $4, 'trunk', callboard_now()) RETURNING 1
"""
WORKTREE = "SELECT id FROM task_worktrees WHERE account_id = $1 AND task_id = $2"
NEW_FILE = {"lamp.txt": "mended\n"}


@cache
def yard() -> tuple[tempfile.TemporaryDirectory[str], Place]:
    """The clone; it goes when this process ends."""
    home = tempfile.TemporaryDirectory(prefix="callboard-conformance-")
    bare = remotes.bare(Path(home.name) / "origin.git")
    return home, Place(url=remotes.url_of(bare), directory=Path(home.name) / "clone", base_branch="trunk")


def branch(who: str = "engineer", **files: str) -> Step:
    """A task in the hands of somebody, with its worktree and these files in it."""

    async def step(world: World) -> None:
        home, place = yard()
        git = world.database.outside.git
        if not place.directory.exists():
            await clones.ensure(git, place, report=lambda _: None)
        head = remotes.head(Path(home.name) / "origin.git")
        async with world.database.transaction(world.account_id, origin=make.ORIGIN) as tx:
            repository_id = await tx.value(REPOSITORY, tx.account_id, place.url)
            await tx.value(CLONE, tx.account_id, repository_id, str(place.directory), head)
        await held(who)(world)
        task_id = world.things["task"]
        tree = Tree(clone=place.directory, path=Path(home.name) / task_id, branch=f"task/{task_id}", base_branch="trunk")
        made = await trees.make(git, place, tree, reason="held")
        async with world.database.transaction(world.account_id, origin=make.ORIGIN) as tx:
            worktree_id = await tx.value(WORKTREE, tx.account_id, task_id)
            at: dict[str, Any] = {"branch": tree.branch, "path": str(tree.path), "base": made.base, "head": made.head}
            worktrees.settle(tx, Settled(id=worktree_id, state=WorktreeState.READY, **at))
        for name, content in (NEW_FILE | files).items():
            (tree.path / name).write_text(content)

    return step


COMMIT = {"task_id": "{task}", "message": "Mend it", "fence": "{fence}"}
CASES = (
    Case(verb="git-status", name="of its own task", given=(branch(),), sends={"task_id": "{task}"}, says={"ahead": 0}),
    Case(
        verb="git-status",
        name="of another",
        who="writer",
        given=(branch(),),
        sends={"task_id": "{task}"},
        refused="forbidden",
        says={"reason": "not_assigned"},
    ),
    Case(
        verb="git-diff",
        name="by who leads",
        who="orchestrator",
        given=(branch(),),
        sends={"task_id": "{task}", "paths": ["lamp.txt"]},
        says={"files": 1},
    ),
    Case(
        verb="git-diff",
        name="out of the worktree",
        given=(task("engineer"),),
        sends={"task_id": "{task}", "paths": ["../lamp.txt"]},
        refused="validation_failed",
        field="paths[0]",
    ),
    Case(
        verb="git-commit",
        name="one key is one commit",
        given=(branch(),),
        sends=COMMIT,
        key="k1",
        says={"ahead": 1, "changes": 0, "subject": "Mend it"},
    ),
    Case(
        verb="git-commit",
        name="a stale fence",
        given=(held(),),
        sends=COMMIT | {"fence": 999},
        refused="lease_lost",
        then=is_now(status="in_progress"),
    ),
    Case(
        verb="git-commit", name="no fence", given=(held(),), sends={"task_id": "{task}", "message": "x"}, refused="lease_required"
    ),
    Case(
        verb="git-push",
        name="what is committed",
        given=(branch(),),
        sends={"task_id": "{task}", "fence": "{fence}"},
        says={"is_new": True, "ahead": 0},
    ),
    Case(
        verb="git-push",
        name="version control is off",
        given=(held(),),
        sends={"task_id": "{task}", "fence": "{fence}"},
        refused="requirement_failed",
        says={"requirement": "vcs", "reason": "disabled"},
    ),
)
