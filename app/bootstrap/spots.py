"""Loading where a task's work is done, and naming what is new there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from app.bootstrap import places
from app.bootstrap.queries import worktrees as queries
from app.bootstrap.rules import branches
from app.bootstrap.rules.branches import Naming, Subject
from app.bootstrap.types.vcs import GitError, Place, Trouble
from app.bootstrap.types.worktrees import Spot
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction

PROTECTED = "every name that its pattern gives is protected: change its branch prefix, or what is protected"


async def of_task(tx: Transaction, task_id: UUID) -> Spot | None:
    """The newest of the task's repository; None when it has no repository."""
    row = await tx.row(queries.WORK, tx.account_id, task_id)
    return None if row is None else read(row, task_id)


def read(row: Mapping[str, Any], task_id: UUID) -> Spot:
    fields = {name: row[name] for name in Spot.__struct_fields__ if name in row}
    base = row["clone_base"] or row["base_branch"]
    return msgspec.convert(
        fields
        | {
            "task_id": task_id,
            "repository": row["name"],
            "base_branch": base,
            "has_url": row["url"] is not None,
            "clone": row["clone_state"],
            "holder": row["holder"] if row["is_held"] else None,
            "agent": (row["holder"] if row["is_held"] else None) or row["assignee"],
            "path": None if row["path"] is None else Path(row["path"]),
            "is_live": row["id"] is not None and row["removed_at"] is None,
            "place": place(row),
        },
        Spot,
    )


def place(row: Mapping[str, Any]) -> Place | None:
    """The clone, once it is there."""
    if row["url"] is None or row["clone_head"] is None:
        return None
    return Place(
        url=row["url"],
        directory=Path(row["clone_directory"]),
        base_branch=row["clone_base"] or row["base_branch"],
        depth=row["clone_depth"],
        is_from_environment=row["is_from_environment"],
    )


def naming(spot: Spot) -> Naming:
    return Naming(
        prefix=spot.branch_prefix,
        pattern=spot.branch_pattern,
        base_branch=spot.base_branch,
        protected=spot.protected_branches,
        is_per_task=spot.branch_per_task,
    )


def _naming(spot: Spot, settings: Settings) -> Naming:
    """How a new branch is named: as the repository says, else as the environment does."""
    rules = naming(spot)
    return msgspec.structs.replace(
        rules,
        prefix=settings.repo_branch_prefix if rules.prefix is None else rules.prefix,
        pattern=rules.pattern or settings.repo_branch_pattern,
    )


async def named(tx: Transaction, spot: Spot, *, settings: Settings, earlier: str | None) -> Spot:
    """The spot with its branch and path: those it has, those it had before, or new ones; GitError where none may be used."""
    # One that could not be made so far may get a better name.
    if spot.branch_per_task and spot.branch and spot.path and spot.base:
        return spot
    rules = _naming(spot, settings)
    subject = Subject(id=spot.task_id, title=spot.title, agent=spot.agent)
    if spot.branch_per_task and earlier:
        before = msgspec.json.decode(earlier)
        if before["path"] and not branches.is_protected(before["branch"], rules):
            path = Path(before["path"])
            return msgspec.structs.replace(
                spot, branch=before["branch"], path=path, base=before["base"], gateway_path=places.seen(path, settings)
            )
    return await _fresh(tx, spot, rules, subject, settings=settings)


async def _fresh(tx: Transaction, spot: Spot, rules: Naming, subject: Subject, *, settings: Settings) -> Spot:
    await tx.value(queries.LOCK, tx.account_id, spot.repository_id)
    home = places.worktrees(settings) / spot.account_slug / spot.repository
    branches_taken: set[str] = set()
    names_taken: set[str] = set()
    while True:
        branch = branches.branch(rules, subject, taken=branches_taken)
        if branch is None:
            raise GitError(Trouble.PROTECTED, PROTECTED)
        path = home / branches.directory(rules, subject, taken=names_taken)
        taken = await tx.rows(queries.TAKEN, tx.account_id, spot.repository_id, spot.task_id, branch, str(path))
        if not taken or not rules.is_per_task:
            break
        branches_taken |= {row["branch"] for row in taken}
        names_taken |= {Path(row["path"]).name for row in taken if row["path"]}
    return msgspec.structs.replace(spot, branch=branch, path=path, gateway_path=places.seen(path, settings))
