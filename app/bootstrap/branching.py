"""What agents do with the branch of a task: prepared in one transaction, done by git, and recorded in another."""

from itertools import takewhile
from typing import Any, cast
from uuid import UUID

import msgspec

from app.bootstrap import settling, working
from app.bootstrap.git import work
from app.bootstrap.outside import Outside
from app.bootstrap.queries import worktrees as queries
from app.bootstrap.types.vcs import Commit, Diff, Observed, Pushed
from app.bootstrap.vcs_schemas import (
    AgentGitCommit,
    AgentGitDiff,
    AgentGitPush,
    AgentGitStatus,
    ChangeView,
    GitCommitView,
    GitDiffView,
    GitPushView,
    GitStatusView,
)
from app.bootstrap.working import Desk
from app.events import service as events
from app.kernel.errors import IdempotencyInFlight, RequirementFailed
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies.verbs import Ran
from app.tasks import worktrees
from app.tasks.schemas.worktrees import CommitView
from app.tasks.types import Card
from app.tasks.worktrees import Settled

TASK_TRAILER = "Callboard-Task"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What git is asked, settled before it is."""

    desk: Desk
    message: str = ""
    paths: list[str] = []
    against_base: bool = False


class Found(msgspec.Struct, frozen=True, kw_only=True):
    seen: Observed
    diff: Diff | None = None
    commit: Commit | None = None
    pushed: Pushed | None = None


async def prepare_status(tx: Transaction, principal: Principal, body: AgentGitStatus) -> Job:
    return Job(desk=await working.read(tx, principal, body.task_id))


async def run_status(job: Job, outside: Outside) -> Found:
    return Found(seen=await working.asked(lambda: work.observe(outside.git, job.desk.tree)))


async def status(tx: Transaction, principal: Principal, ran: Ran) -> GitStatusView:
    job, found = _ran(ran)
    desk = await working.read(tx, principal, ran.body.task_id)
    _saw(tx, desk, found.seen)
    spot, counts = job.desk.spot, _counts(found.seen)
    return GitStatusView(
        task_id=spot.task_id,
        repository=spot.repository,
        branch=job.desk.tree.branch,
        path=str(job.desk.tree.path),
        gateway_path=spot.gateway_path,
        base_branch=spot.base_branch,
        base=found.seen.base,
        head=found.seen.head,
        commits=msgspec.convert(found.seen.commits, list[CommitView], from_attributes=True),
        changes=msgspec.convert(found.seen.changes, list[ChangeView], from_attributes=True),
        is_cut=found.seen.is_cut,
        **counts,
    )


async def prepare_diff(tx: Transaction, principal: Principal, body: AgentGitDiff) -> Job:
    paths = working.paths(body.paths)
    return Job(desk=await working.read(tx, principal, body.task_id), paths=paths, against_base=body.against_base)


async def run_diff(job: Job, outside: Outside) -> Found:
    tree, git = job.desk.tree, outside.git
    text = await working.asked(lambda: work.diff(git, tree, paths=job.paths, against_base=job.against_base))
    return Found(seen=await working.asked(lambda: work.observe(git, tree)), diff=text)


async def diff(tx: Transaction, principal: Principal, ran: Ran) -> GitDiffView:
    job, found = _ran(ran)
    _saw(tx, await working.read(tx, principal, ran.body.task_id), found.seen)
    shown = cast("Diff", found.diff)
    return GitDiffView(
        task_id=job.desk.spot.task_id,
        branch=job.desk.tree.branch,
        head=found.seen.head,
        text=shown.text,
        files=shown.files,
        is_cut=shown.is_cut,
    )


async def prepare_commit(tx: Transaction, principal: Principal, body: AgentGitCommit) -> Job:
    paths = working.paths(body.paths)
    _, _, desk, _ = await working.write(tx, principal, body.task_id, fence=body.fence)
    message = f"{body.message.strip()}\n\n{TASK_TRAILER}: {body.task_id}\n"
    return Job(desk=desk, message=message, paths=paths)


async def run_commit(job: Job, outside: Outside) -> Found:
    desk, git = job.desk, outside.git
    made = await working.asked(lambda: work.commit(git, desk.tree, message=job.message, author=desk.author, paths=job.paths))
    return Found(seen=await working.asked(lambda: work.observe(git, desk.tree)), commit=made)


async def commit(tx: Transaction, principal: Principal, ran: Ran) -> GitCommitView:
    """Record the commit; one that an earlier call made and did not come to record is this call's."""
    job, found = _ran(ran)
    card, _, desk, rule = await working.write(tx, principal, ran.body.task_id, fence=ran.body.fence)
    made = found.commit or await _unrecorded(tx, job, found.seen)
    _saw(tx, desk, found.seen)
    payload = {"sha": made.sha, "subject": made.subject, "branch": desk.tree.branch, "rule": rule}
    version = _record(tx, principal, card, "committed", payload | {"repository": desk.spot.repository})
    return GitCommitView(
        task_id=card.id,
        sha=made.sha,
        subject=made.subject,
        branch=desk.tree.branch,
        changes=len(found.seen.changes),
        task_version=version,
        **_counts(found.seen),
    )


async def _unrecorded(tx: Transaction, job: Job, seen: Observed) -> Commit:
    """The last commit of the branch where it is what was asked for and no event tells of it."""
    last = seen.commits[0] if seen.commits else None
    is_asked = last is not None and (last.subject, last.author) == (_subject(job.message), job.desk.author.name)
    if last is None or not is_asked or await tx.value(queries.IS_RECORDED, tx.account_id, job.desk.spot.task_id, last.sha):
        raise RequirementFailed("there is nothing to commit: no file differs from the branch", requirement="changes")
    return last


def _subject(message: str) -> str:
    """The first paragraph as one line, as git shows it."""
    lines = takewhile(str.strip, message.splitlines())
    return " ".join(line.rstrip() for line in lines)


async def prepare_push(tx: Transaction, principal: Principal, body: AgentGitPush) -> Job:
    _, _, desk, _ = await working.write(tx, principal, body.task_id, fence=body.fence)
    return Job(desk=desk)


async def run_push(job: Job, outside: Outside) -> Found:
    desk, git = job.desk, outside.git
    pushed = await working.asked(lambda: work.push(git, desk.place, desk.tree))
    return Found(seen=await working.asked(lambda: work.observe(git, desk.tree)), pushed=pushed)


async def push(tx: Transaction, principal: Principal, ran: Ran) -> GitPushView:
    _, found = _ran(ran)
    card, _, desk, rule = await working.write(tx, principal, ran.body.task_id, fence=ran.body.fence)
    pushed = cast("Pushed", found.pushed)
    is_news = pushed.head != desk.spot.pushed_head
    _saw(tx, desk, found.seen, pushed_head=pushed.head)
    version = card.version
    if is_news:
        payload = {"head": pushed.head, "branch": desk.tree.branch, "repository": desk.spot.repository, "rule": rule}
        version = _record(tx, principal, card, "pushed", payload)
    return GitPushView(
        task_id=card.id,
        branch=desk.tree.branch,
        head=pushed.head,
        is_new=is_news,
        ahead=found.seen.ahead,
        behind=found.seen.behind,
        task_version=version,
    )


def _ran(ran: Ran) -> tuple[Job, Found]:
    if ran.found is None:
        # Its answer was there a moment ago and has just been forgotten.
        raise IdempotencyInFlight("the stored answer of this key is gone; call again")
    return ran.prepared, ran.found


def _saw(tx: Transaction, desk: Desk, seen: Observed, *, pushed_head: str | None = None) -> None:
    spot = desk.spot
    settled = Settled(id=cast("UUID", spot.id), problem=spot.problem, pushed_head=pushed_head)
    settling.saw(settled, seen)
    worktrees.settle(tx, settled)


def _record(tx: Transaction, principal: Principal, card: Card, what: str, payload: dict[str, Any]) -> int:
    worktrees.touch(tx, card.id)
    version = card.version + 1
    events.record(tx, f"board:task:{what}", entity=("task", card.id), sequence=version, actor=principal, payload=payload)
    return version


def _counts(seen: Observed) -> dict[str, int]:
    names = ("ahead", "behind", "unpushed", "files", "insertions", "deletions")
    return {name: getattr(seen, name) for name in names}
