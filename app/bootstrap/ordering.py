"""Ordering that clones are brought up to date: one sync of a repository is awaited at a time, and the last order counts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.bootstrap import places
from app.bootstrap.queries import repositories as queries
from app.bootstrap.types import Action, Kind, Record, Step
from app.bootstrap.types.repositories import Facts
from app.events import service as events
from app.kernel.ids import new_id
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.runtime import hurrying, standing
from app.runtime.rules.schedules import Timing
from app.runtime.service import Order, enqueue
from app.runtime.standing import Standing
from app.runtime.types import CommandState, Misfire

SYNC = "repository.sync"
SWEEP = "repository.sweep"
STANDING = Standing(
    name="repositories",
    command_type=SWEEP,
    times=Timing(interval_seconds=600, misfire=Misfire.RUN_ONCE),
    asleep="there is no repository",
    begins_awake=True,
)
ON_ITS_WAY = {CommandState.HELD, CommandState.QUEUED, CommandState.RUNNING, CommandState.RETRY_SCHEDULED}


async def order(
    tx: Transaction, repository_ids: Sequence[UUID], *, settings: Settings, actor: Principal | None, is_afresh: bool = False
) -> int:
    """Have these synced; one on its way is enough unless their facts changed (`is_afresh`). Answers how many there are."""
    await tx.rows(queries.LOCK_SOME, tx.account_id, list(repository_ids))
    rows = await tx.rows(queries.AWAITED, tx.account_id, list(repository_ids))
    waiting = []
    for row in rows:
        facts, state = facts_of(row), row["command_state"]
        directory = str(places.directory(facts, places.roots(settings)))
        if facts.url is None or (state in ON_ITS_WAY and not is_afresh):
            waiting += [row["command_id"]] if state == CommandState.RETRY_SCHEDULED else []
            continue
        payload = {"repository_id": str(facts.id)}
        command_id = enqueue(tx, Order(type=SYNC, idempotency_key=f"{facts.id}:{new_id()}", payload=payload), actor=actor)
        write = queries.CLONES_AFRESH if is_afresh else queries.CLONES_AWAITED
        tx.put(write, {"id": facts.id, "directory": directory, "command_id": command_id})
    if waiting:
        hurrying.hurry(tx, waiting)
    if rows:
        await standing.rouse(tx, STANDING)
    await tx.flush()
    return len(rows)


async def after_load(tx: Transaction, steps: Sequence[Step], *, settings: Settings) -> list[str]:
    """Have all repositories synced, as at every start; answers what was changed beside the seeds, a line each."""
    seeded = [step for step in steps if step.record.kind is Kind.REPOSITORY]
    followed = await _follow(tx, [step.record for step in seeded if step.action is Action.KEEP])
    afresh = {step.id for step in seeded if step.writes} | followed.keys()
    everyone = [row["id"] for row in await tx.rows(queries.WITH_ADDRESS, tx.account_id)]
    if afresh:
        await order(tx, list(afresh), settings=settings, actor=None, is_afresh=True)
    if rest := [one for one in everyone if one not in afresh]:
        await order(tx, rest, settings=settings, actor=None)
    return [f"  repository {name}: follows the environment's address" for name in followed.values()]


async def _follow(tx: Transaction, kept: Sequence[Record]) -> dict[UUID, str]:
    """Point the environment's repository to its address and directory, although a person has changed other facts of it."""
    wanted = {record.key: record.fields for record in kept if record.fields["is_from_environment"]}
    rows = await tx.rows(queries.FROM_ENVIRONMENT, tx.account_id, list(wanted)) if wanted else []
    found = {}
    for row in rows:
        place = (wanted[row["name"]]["url"], wanted[row["name"]]["writable_dir"])
        if place == (row["url"], row["writable_dir"]):
            continue
        found[row["id"]] = row["name"]
        tx.write(queries.FOLLOW, tx.account_id, row["id"], *place, expect=1)
        payload, entity = {"name": row["name"], "fields": ["url", "writable_dir"]}, ("repository", row["id"])
        events.record(tx, "board:repository:updated", entity=entity, sequence=row["version"] + 1, actor=None, payload=payload)
        await tx.flush()
    return found


def facts_of(row: Any) -> Facts:
    return msgspec.convert(dict(row), Facts)
