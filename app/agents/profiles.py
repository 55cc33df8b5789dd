"""Executor profiles: how agents are run, and what is tried when that fails."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.agents import queries
from app.agents.executors import Given, Outside, Settings, checked
from app.agents.profile_schemas import NewProfile, ProfileEdit, ProfileView
from app.agents.types import Adapter, ProfileChanged
from app.events import service as events
from app.kernel.errors import Duplicate, Missing, ProfileInUse, VersionConflict
from app.kernel.ids import new_id
from app.kernel.outside import origin_of
from app.kernel.settings import Settings as Environment
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped

FIELDS = ("name", "adapter", "url", "settings", "timeout_seconds", "failover")


def outside(environment: Environment) -> Outside:
    """What the operator lets profiles reach; his own gateway is always among it."""
    own = environment.openclaw_gateway_url and origin_of(environment.openclaw_gateway_url)
    bound = environment.gateway_origins.bound if environment.gateway_origins else ()
    commands = environment.executor_commands.programs if environment.executor_commands else {}
    return Outside(frozenset({one.origin for one in bound} | ({own} if own else set())), frozenset(commands))


async def page(tx: Transaction, *, limit: int | None, after: str | None) -> Page:
    """A page of profiles by name."""
    size = clamped(limit)
    rows = await tx.rows(queries.PROFILES, tx.account_id, after or "", size + 1)
    items = [_view(row) for row in rows[:size]]
    return Page(items=items, next_cursor=items[-1].name if len(rows) > size else None, limit=size)


async def one(tx: Transaction, profile_id: UUID) -> ProfileView:
    row = await tx.row(queries.PROFILE, tx.account_id, profile_id)
    if row is None:
        raise Missing.thing("executor profile", profile_id)
    return _view(row)


async def named(tx: Transaction, name: str) -> UUID:
    """The id of the profile that an agent is to be run by."""
    profile_id: UUID | None = await tx.value(queries.PROFILE_CALLED, tx.account_id, name)
    if profile_id is None:
        raise Missing.thing("executor profile", name)
    return profile_id


async def create(tx: Transaction, who: Principal, asked: NewProfile, *, outside: Outside) -> ProfileView:
    known = await _locked(tx)
    _name_is_free(known, asked.name)
    wanted = {name: getattr(asked, name) for name in FIELDS}
    settings = checked(_given(wanted, known), outside)
    profile_id = new_id()
    tx.write(queries.INSERT_PROFILE, tx.account_id, profile_id, *_stored(wanted, settings), expect=1)
    _record(tx, who, "created", (profile_id, asked.name, 1), FIELDS)
    await tx.flush()
    return await one(tx, profile_id)


async def edit(tx: Transaction, who: Principal, profile_id: UUID, asked: ProfileEdit, *, outside: Outside) -> ProfileView:
    """Change what was sent; runs that are on their way go on with what they began with."""
    known = await _locked(tx)
    before = _found(known, profile_id)
    if asked.expected_version not in (None, before.version):
        raise VersionConflict(
            f"the executor profile has version {before.version}, not {asked.expected_version}",
            expected_version=asked.expected_version,
            version=before.version,
        )
    sent = {name: value for name in FIELDS if (value := getattr(asked, name)) is not msgspec.UNSET}
    others = {name: row for name, row in known.items() if row.id != profile_id}
    if "name" in sent and sent["name"] != before.name:
        _name_is_free(others, sent["name"])
        _refuse_named(others, before.name, what="renamed")
    wanted = {name: getattr(before, name) for name in FIELDS} | sent
    settings = checked(_given(wanted, others), _beside(outside, before if wanted["url"] == before.url else None))
    if not any(wanted[name] != getattr(before, name) for name in sent):
        return await one(tx, profile_id)
    tx.write(queries.CHANGE_PROFILE, tx.account_id, profile_id, *_stored(wanted, settings), expect=1)
    _record(tx, who, "updated", (profile_id, wanted["name"], before.version + 1), sorted(sent))
    await tx.tell(ProfileChanged(profile_id=profile_id))
    await tx.flush()
    return await one(tx, profile_id)


async def delete(tx: Transaction, who: Principal, profile_id: UUID) -> None:
    """Take a profile away that nobody uses."""
    known = await _locked(tx)
    row = _found(known, profile_id)
    users = await tx.value(queries.PROFILE_USERS, tx.account_id, profile_id)
    if users:
        raise ProfileInUse(f"the executor profile {row.name} runs {', '.join(users)}", agents=users)
    _refuse_named(known, row.name, what="taken away")
    tx.write(queries.DELETE_PROFILE, tx.account_id, profile_id, expect=1)
    _record(tx, who, "deleted", (profile_id, row.name, row.version + 1), ())


def _beside(outside: Outside, before: "_Row | None") -> Outside:
    """An address that stays as it was is no new one, even if the operator's list has changed."""
    kept = origin_of(before.url) if before and before.url else None
    return Outside(outside.origins | {kept}, outside.commands) if kept else outside


class _Row(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    adapter: Adapter
    url: str | None
    settings: dict[str, Any]
    timeout_seconds: int | None
    failover: list[str]
    version: int


async def _locked(tx: Transaction) -> dict[str, _Row]:
    """All profiles of the account by name, held until the end: two changes could make a ring that neither sees."""
    rows = await tx.rows(queries.PROFILES_LOCKED, tx.account_id)
    read = (dict(row) | {"settings": msgspec.json.decode(row["settings"])} for row in rows)
    return {row["name"]: msgspec.convert(row, _Row) for row in read}


def _found(known: Mapping[str, _Row], profile_id: UUID) -> _Row:
    found = next((row for row in known.values() if row.id == profile_id), None)
    if found is None:
        raise Missing.thing("executor profile", profile_id)
    return found


def _given(wanted: Mapping[str, Any], known: Mapping[str, _Row]) -> Given:
    return Given(
        name=wanted["name"],
        adapter=wanted["adapter"],
        url=wanted["url"],
        settings=wanted["settings"],
        failover=tuple(wanted["failover"]),
        known={name: row.failover for name, row in known.items()},
    )


def _name_is_free(known: Mapping[str, _Row], name: str) -> None:
    if name in known:
        raise Duplicate(f"an executor profile is called {name} already", field="name")


def _refuse_named(known: Mapping[str, _Row], name: str, *, what: str) -> None:
    if others := sorted(row.name for row in known.values() if name in row.failover):
        message = f"{', '.join(others)} would fail over to {name}, so it cannot be {what}"
        raise ProfileInUse(message, profiles=others)


def _stored(wanted: Mapping[str, Any], settings: Settings) -> tuple[object, ...]:
    encoded = msgspec.json.encode(settings).decode()
    return wanted["name"], wanted["adapter"], wanted["url"], encoded, wanted["timeout_seconds"], list(wanted["failover"])


def _record(tx: Transaction, who: Principal, action: str, row: tuple[UUID, str, int], fields: Sequence[str]) -> None:
    """The log says which fields were written, never what is in them."""
    profile_id, name, version = row
    entity, payload = ("executor_profile", profile_id), {"name": name, "fields": list(fields)}
    events.record(tx, f"board:executor_profile:{action}", entity=entity, sequence=version, actor=who, payload=payload)


def _view(row: Any) -> ProfileView:
    fields = dict(row) | {"settings": msgspec.json.decode(row["settings"]), "agents": msgspec.json.decode(row["agents"])}
    return msgspec.convert(fields, ProfileView)
