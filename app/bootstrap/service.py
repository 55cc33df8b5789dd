"""Loading seeds into an account, and finding those whom a token is for."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.accounts import queries as account_queries
from app.accounts import service as accounts
from app.agents import gateways, liveness, sessions, waking
from app.bootstrap import files, furnishing_orders, ordering, queries, rules, syncing
from app.bootstrap.types import Action, Kind, Present, Record, Report, Seeds, Step
from app.events import service as events
from app.kernel.db import Database, retried
from app.kernel.errors import Fenced, Overloaded
from app.kernel.ids import new_id
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Origin, Role
from app.kernel.wake import IDENTITY
from app.notifications import ending
from app.policies.types import AccountPolicy
from app.runtime import retention, standing
from app.runtime.queries import everywhere
from app.usage import service as usage

ATTEMPTS = 3
TOKEN_NAME = "first"  # noqa: S105
WRITES = {
    Kind.PERSON: queries.PEOPLE,
    Kind.PROFILE: queries.PROFILES,
    Kind.SKILL: queries.SKILLS,
    Kind.IDENTITY: queries.IDENTITIES,
    Kind.AGENT: queries.AGENTS,
    Kind.DOCUMENT: queries.DOCUMENTS,
    Kind.REPOSITORY: queries.REPOSITORIES,
}

Key = tuple[str, str]


async def load(
    database: Database, *, settings: Settings, directory: Path, account_slug: str | None = None, gateway_url: str | None = None
) -> Report:
    """Bring the account of the seeds to what they say, except where a person has changed it since."""
    seeds = await asyncio.to_thread(files.read, directory, settings=settings, account_slug=account_slug, gateway_url=gateway_url)
    for _ in range(ATTEMPTS):
        try:
            return await _attempt(database, seeds, settings)
        except Fenced:
            # Another process made one of the rows first; what it made is read again.
            continue
        except asyncpg.UniqueViolationError as error:
            raise CannotStart(
                f"the seeds in {directory} clash with a row of the board ({error.constraint_name}); change one of them"
            ) from error
    raise CannotStart(f"account {seeds.slug} kept changing while its seeds were loaded; try again")


async def principal(database: Database, account_slug: str, name: str) -> tuple[UUID, ActorKind, UUID]:
    """The account, kind and id of an agent by its slug or a person by e-mail address."""
    account_id = await _account_id(database, account_slug)
    if account_id is None:
        raise CannotStart(f"there is no account {account_slug}")
    async with database.transaction(account_id, origin=_origin()) as tx:
        row = await tx.row(account_queries.PRINCIPAL, account_id, name)
    if row is None:
        raise CannotStart(f"account {account_slug} has no agent with the slug {name} and no person with that e-mail address")
    return account_id, ActorKind(row["kind"]), row["id"]


async def _attempt(database: Database, seeds: Seeds, settings: Settings) -> Report:
    async def once() -> Report:
        found = await _account_id(database, seeds.slug)
        async with database.transaction(found or new_id(), origin=_origin()) as tx:
            return await _loaded(tx, seeds, settings, is_new=found is None)

    report: Report = await retried(once)
    return report


async def _loaded(tx: Transaction, seeds: Seeds, settings: Settings, *, is_new: bool) -> Report:
    present, loaded = ({}, {}) if is_new else await _known(tx, seeds)
    steps = [_step(tx, record, present=present, loaded=loaded) for record in seeds.records]
    ids = {(step.record.kind.value, step.record.key): step.id for step in steps}
    for step in steps:
        if step.writes:
            await _write(tx, step, ids=ids)
        if step.must_remember:
            tx.put(queries.RECORDS, {"kind": step.record.kind, "key": step.record.key, "digest": step.digest})
    if is_new:
        await _add_schedules(tx)
    else:
        # Seeds may bring agents that fetch their work.
        await standing.rouse(tx, ending.STANDING)
        await standing.soon(tx, waking.STANDING)
    await tx.flush()
    await gateways.rouse_if_used(tx)
    try:
        followed = await ordering.after_load(tx, steps, settings=settings)
    except Overloaded:
        # A full queue is no reason not to start: the sweep orders what it did not take.
        followed = ["  repositories: synced later, since a queue of the account is full"]
    return Report(
        account_id=tx.account_id,
        lines=rules.report(seeds.slug, steps, left=sorted(loaded.keys() - ids.keys()), is_new=is_new) + followed,
        credentials=list(_credentials(tx, steps)) if is_new else [],
    )


async def _add_schedules(tx: Transaction) -> None:
    """What the board does by the clock in every account."""
    now = await tx.value(queries.NOW)
    # Whether anybody is to be woken it finds out at its first tick.
    awake = msgspec.structs.replace(waking.STANDING, asleep=None)
    rooms = (retention.STANDING, liveness.STANDING, gateways.STANDING, ending.STANDING, usage.STANDING)
    for schedule in (*rooms, syncing.STANDING, furnishing_orders.STANDING, awake):
        standing.add(tx, schedule, now=now)


async def _known(tx: Transaction, seeds: Seeds) -> tuple[dict[Key, Present], dict[Key, str]]:
    """What the account holds, read after its rows are locked, so that nobody edits one between look and write."""
    await tx.value(queries.LOCK, tx.account_id)
    documents = [record.key for record in seeds.records if record.kind is Kind.DOCUMENT]
    rows = await tx.rows(queries.PRESENT, tx.account_id, documents)
    loaded = await tx.rows(queries.LOADED, tx.account_id)
    return {(row["kind"], row["key"]): _present(row) for row in rows}, {
        (row["kind"], row["key"]): row["digest"] for row in loaded
    }


def _present(row: Any) -> Present:
    return Present(id=row["id"], sequence=row["sequence"], digest=rules.digest(msgspec.json.decode(row["fields"])))


def _step(tx: Transaction, record: Record, *, present: dict[Key, Present], loaded: dict[Key, str]) -> Step:
    key = (record.kind.value, record.key)
    digest, now = rules.digest(record.fields), present.get(key)
    fresh = tx.account_id if record.kind is Kind.ACCOUNT else new_id()
    return Step(
        record=record,
        action=rules.action(digest, loaded=loaded.get(key), present=now.digest if now else None),
        id=now.id if now else fresh,
        sequence=now.sequence if now else 0,
        digest=digest,
        loaded=loaded.get(key),
    )


async def _write(tx: Transaction, step: Step, *, ids: dict[Key, UUID]) -> None:
    record, is_new = step.record, step.action is Action.CREATE
    if record.kind is Kind.ACCOUNT:
        await _write_account(tx, step, ids=ids)
    else:
        row = {"id": step.id, "key": record.key, **record.fields}
        if record.kind is Kind.AGENT:
            row["profile_id"] = ids.get((Kind.PROFILE, record.fields["profile"]))
            skills = [ids[Kind.SKILL, slug] for slug in record.fields["skills"]]
            tx.put(queries.AGENT_SKILLS, {"id": step.id, "skill_ids": skills})
        tx.put(WRITES[record.kind], row)
    # An e-mail address stays out of the log, which agents and other readers see.
    payload = {"handle": record.fields["handle"]} if record.kind is Kind.PERSON else {"key": record.key}
    kind = f"board:{record.kind}:{'created' if is_new else 'updated'}"
    events.record(tx, kind, entity=(record.kind.value, step.id), sequence=step.sequence + 1, actor=None, payload=payload)
    if is_new and record.kind is Kind.AGENT:
        sessions.of_agent(tx, step.id)
    if not is_new:
        tx.wake(IDENTITY, tx.account_id)


async def _write_account(tx: Transaction, step: Step, *, ids: dict[Key, UUID]) -> None:
    fields = step.record.fields
    policy = msgspec.convert({**fields, "orchestrator_agent_id": ids.get((Kind.AGENT, fields["orchestrator"]))}, AccountPolicy)
    settings = msgspec.json.encode(policy).decode()
    if step.action is Action.UPDATE:
        tx.write(account_queries.CHANGE_ACCOUNT, tx.account_id, fields["name"], settings, expect=1)
    elif await tx.value(queries.CREATE_ACCOUNT, tx.account_id, step.record.key, fields["name"], settings) is None:
        raise Fenced(f"account {step.record.key} exists already")


def _credentials(tx: Transaction, steps: Iterable[Step]) -> Iterable[tuple[str, str]]:
    for step in steps:
        is_owner = step.record.kind is Kind.PERSON and step.record.fields["role"] == Role.OWNER
        if is_owner or step.record.kind is Kind.AGENT:
            kind = ActorKind.PERSON if is_owner else ActorKind.AGENT
            _, token = accounts.issue_token(tx, principal_kind=kind, principal_id=step.id, name=TOKEN_NAME, created_by=None)
            yield step.record.key, token


async def accounts_called(database: Database, slug: str | None) -> list[tuple[str, UUID]]:
    """Slug and id of the account with that slug, or of all accounts; CannotStart when there is none with it."""
    if slug is not None:
        account_id = await _account_id(database, slug)
        if account_id is None:
            raise CannotStart(f"there is no account {slug}")
        return [(slug, account_id)]
    found = []
    for row in await database.runtime.fetch(everywhere.ACCOUNTS):
        account_id = UUID(int=row["account_id"].int)
        async with database.transaction(account_id, origin=_origin()) as tx:
            found.append((await tx.value(queries.SLUG, account_id), account_id))
    return sorted(found)


async def _account_id(database: Database, slug: str) -> UUID | None:
    async with database.app.acquire() as connection:
        found = await connection.fetchval(account_queries.FIND_ACCOUNT, slug)
    # The driver's own kind of UUID opens no transaction.
    return UUID(int=found.int) if found else None


def _origin() -> Origin:
    request_id = str(new_id())
    return Origin(request_id=request_id, correlation_id=request_id, source="seeds")
