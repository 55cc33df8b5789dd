"""Clones as durable work: brought up to date when something changed, and looked after by the clock."""

import asyncio
import itertools
from typing import Any
from uuid import UUID

import msgspec
import structlog

from app.bootstrap import ordering, places, worktrees
from app.bootstrap.git import clones
from app.bootstrap.queries import repositories as queries
from app.bootstrap.rules import refs
from app.bootstrap.types.repositories import Facts, Sync
from app.bootstrap.types.vcs import Cloned, CloneState, GitError, Place, Progress, Trouble
from app.events import service as events
from app.kernel.transaction import Transaction
from app.observability.metrics import CLONE_FAILURES
from app.runtime import standing
from app.runtime.handlers import PASSING, Attempt, Failed
from app.runtime.taxonomy import command, tick
from app.runtime.types import ErrorClass, Idempotency, Queue

STANDING = ordering.STANDING
# How often progress is written, and in which steps of percent it is told in the log.
WRITE_SECONDS, STEP = 0.5, 25
# A later order is noticed even while nothing goes on.
LOOKS_A_WRITE = 4
# Trouble that may pass is met again with growing pauses, and after that by the sweep.
TRIES = 5
# Another process may be at it for as long as a clone takes.
BUSY_SECONDS, BUSY_TRIES = 15.0, 200
FRESH_SECONDS = 3_600.0
DEFECT = "this is a defect of the board: its log says what happened"

log = structlog.get_logger()


@command(
    ordering.SYNC,
    payload=Sync,
    owner="bootstrap",
    idempotency=Idempotency.ENTITY,
    # A clone may take as long as a run.
    profile="delivery",
    queue=Queue.OUTBOUND,
    started_by=("seeds", "POST /api/v1/repositories", "PATCH /api/v1/repositories/{id}", "repository.sweep"),
)
async def sync(attempt: Attempt) -> None:
    """Clone a repository, or bring its clone up to date."""
    wanted = msgspec.json.decode(attempt.claim.payload, type=Sync)
    syncing = await _started(attempt, wanted.repository_id)
    if syncing is None:
        return
    try:
        cloned = await syncing.ensured()
    except GitError as error:
        await syncing.degraded(error)
    except Exception:
        await syncing.write_degraded(GitError(Trouble.BROKEN, DEFECT))
        raise
    else:
        await (syncing.superseded() if cloned is None else syncing.synced(cloned))


@tick(ordering.SWEEP, owner="bootstrap")
async def sweep(attempt: Attempt) -> None:
    """Bring clones up to date that fell behind, and take away worktrees that nobody works in."""
    async with attempt.transaction() as tx:
        behind = [row["id"] for row in await tx.rows(queries.FALLEN_BEHIND, tx.account_id, FRESH_SECONDS)]
        if behind:
            await ordering.order(tx, behind, settings=attempt.database.outside.settings, actor=None)
    swept = await worktrees.sweep(attempt)
    async with attempt.transaction() as tx:
        await standing.lull(tx, STANDING, unless=queries.IS_ANY)
        attempt.finish(tx, {"clones": len(behind), "worktrees": swept})


async def _started(attempt: Attempt, repository_id: UUID) -> "_Syncing | None":
    """The sync that is to be done; None, and the command is over, where its repository is gone or a later one was ordered."""
    settings = attempt.database.outside.settings
    async with attempt.transaction() as tx:
        row = await tx.row(queries.FACTS, tx.account_id, repository_id)
        facts = ordering.facts_of(row) if row else None
        directory = str(places.directory(facts, places.roots(settings))) if facts else None
        before = await tx.value(queries.STARTED, tx.account_id, repository_id, attempt.claim.id, directory)
        if facts is None or before is None:
            attempt.finish(tx, {"outcome": "superseded"})
            return None
        syncing = _Syncing(attempt, facts)
        if before not in {CloneState.READY, CloneState.DEGRADED}:
            syncing.tell(tx, "syncing", phase="starting", percent=None)
    return syncing


class _Syncing:
    """One sync of one repository, as long as no later one is ordered."""

    def __init__(self, attempt: Attempt, facts: Facts) -> None:
        self.attempt = attempt
        self.facts = facts
        self.progress: Progress | None = None

    async def ensured(self) -> Cloned | None:
        """What git made of the clone; progress is written meanwhile, and None where a later order ended this one."""
        outside = self.attempt.database.outside
        place = _checked(self.facts, places.place_of(self.facts, outside.settings))
        work = asyncio.create_task(clones.ensure(outside.git, place, report=self._heard))
        telling = asyncio.create_task(self._telling())
        try:
            await asyncio.wait({work, telling}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else telling.result()
        finally:
            for task in (work, telling):
                task.cancel()
            await asyncio.gather(work, telling, return_exceptions=True)

    async def superseded(self) -> None:
        async with self.attempt.transaction() as tx:
            self.attempt.finish(tx, {"outcome": "superseded"})

    async def synced(self, cloned: Cloned) -> None:
        remark = f"the address has changed: the earlier clone is in {cloned.aside.name}" if cloned.aside else cloned.remark
        about = (cloned.head, cloned.base_branch, remark)
        async with self.attempt.transaction() as tx:
            is_news = await tx.value(queries.SYNCED, *self._key(tx), *about)
            if is_news:
                told = {"head": cloned.head, "base_branch": cloned.base_branch, "remark": remark}
                self.tell(tx, "synced", **told, is_new=cloned.is_new, has_moved=cloned.has_moved)
            if is_news is not None:
                await worktrees.awaited(tx, self.facts.id)
            self.attempt.finish(tx, {"outcome": "superseded" if is_news is None else "synced", "head": cloned.head})

    async def degraded(self, error: GitError) -> None:
        """Write what is wrong; what may pass is tried again, anything else waits for a person and is no failed command."""
        waited = self.attempt.claim.waited
        if error.trouble is Trouble.BUSY and waited < BUSY_TRIES:
            raise Failed(ErrorClass.UNAVAILABLE, str(error), retry_after=BUSY_SECONDS)
        if error.may_pass and waited < TRIES:
            if await self.write_degraded(error):
                raise Failed(ErrorClass.UNAVAILABLE, str(error))
            return
        await self.write_degraded(error, finishes=True)

    async def write_degraded(self, error: GitError, *, finishes: bool = False) -> bool:
        """Whether this sync is still the one that counts; the log is told only what it does not know."""
        about = (CloneState.DEGRADED, error.trouble, error.setting, error.advice)
        async with self.attempt.transaction() as tx:
            is_news = await tx.value(queries.DEGRADED, *self._key(tx), *about)
            if is_news:
                told = {"trouble": error.trouble, "setting": error.setting, "advice": error.advice}
                self.tell(tx, "degraded", **told)
            if finishes or is_news is None:
                self.attempt.finish(tx, {"outcome": "superseded" if is_news is None else "degraded", "trouble": error.trouble})
        if is_news is not None:
            CLONE_FAILURES.labels(error.trouble).inc()
            log.warning("repository_degraded", repository=self.facts.name, trouble=error.trouble, setting=error.setting)
        return is_news is not None

    def tell(self, tx: Transaction, action: str, **about: Any) -> None:
        entity, payload = ("repository", self.facts.id), {"name": self.facts.name, **about}
        events.record(tx, f"board:repository:{action}", entity=entity, sequence=self.facts.version, actor=None, payload=payload)

    def _heard(self, progress: Progress) -> None:
        # It may be called from another thread, and much more often than anybody wants to read.
        self.progress = progress

    async def _telling(self) -> None:
        """Write progress from time to time; ends when a later sync is ordered."""
        written, told = None, None
        for look in itertools.count(1):
            await asyncio.sleep(WRITE_SECONDS)
            progress = self.progress or Progress("starting")
            if progress == written and look % LOOKS_A_WRITE:
                continue
            step = (progress.phase, (progress.percent or 0) // STEP)
            try:
                async with self.attempt.transaction() as tx:
                    if not await tx.value(queries.PROGRESSED, *self._key(tx), progress.phase, progress.percent):
                        return
                    if step != told and self.progress is not None:
                        self.tell(tx, "progress", phase=progress.phase, percent=progress.percent)
            except PASSING as error:
                log.info("progress_not_written", repository=self.facts.name, error=type(error).__name__)
            else:
                written, told = progress, step

    def _key(self, tx: Transaction) -> tuple[UUID, UUID, UUID]:
        return tx.account_id, self.facts.id, self.attempt.claim.id


def _checked(facts: Facts, place: Place) -> Place:
    """The place, or GitError where a fact could not even be said to git."""
    problem = facts.base_branch and refs.branch_problem(facts.base_branch)
    if problem:
        key = "REPO_BASE_BRANCH" if facts.is_from_environment else "base_branch"
        raise GitError(Trouble.NO_BRANCH, f"the base branch {problem}: name a branch that the repository has", setting=key)
    return place
