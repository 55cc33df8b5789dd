"""Tuning profiles: each change is a new version with its reason, and going back is one too."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from app.kernel.errors import Invalid, Missing, VersionConflict
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import CONTROL
from app.runtime import auditing
from app.runtime.queries import tuning as queries
from app.runtime.rules import tuning as rules
from app.runtime.rules.profiles import PROFILES
from app.runtime.schemas.tuning import (
    ProfileNumbers,
    ProfilePage,
    ProfileRollback,
    ProfileTuning,
    ProfileVersionView,
    ProfileView,
)

BUILT_IN = 0


async def page(tx: Transaction) -> ProfilePage:
    """All profiles that there are."""
    rows = await tx.rows(queries.VERSIONS, tx.account_id, list(PROFILES))
    items = [_view(name, [row for row in rows if row["name"] == name]) for name in PROFILES]
    return ProfilePage(items=items, next_cursor=None, limit=len(items))


async def tune(tx: Transaction, who: Principal, name: str, asked: ProfileTuning) -> ProfileView:
    """Change some of the profile's numbers within their bounds; what runs keeps those it started with."""
    version, before = await _newest(tx, name)
    if asked.expected_version != version:
        message = f"{name} has version {version}, not {asked.expected_version}"
        raise VersionConflict(message, expected_version=asked.expected_version, version=version)
    sent = {field: value for field, value in msgspec.structs.asdict(asked.changes).items() if value is not msgspec.UNSET}
    if not sent:
        raise Invalid.field("changes", "must change something")
    after = rules.merged(before, sent)
    told = {"expected_effect": asked.expected_effect, "rollback_condition": asked.rollback_condition}
    return await _written(tx, who, name, version=version + 1, before=before, after=after, told=told | {"reason": asked.reason})


async def roll_back(tx: Transaction, who: Principal, name: str, asked: ProfileRollback) -> ProfileView:
    """Make a version that restores an earlier one."""
    version, before = await _newest(tx, name)
    if asked.to_version == version:
        raise Invalid.field("to_version", "is in force already")
    after: dict[str, Any] = {}
    if asked.to_version != BUILT_IN:
        row = await tx.row(queries.VERSION, tx.account_id, name, asked.to_version)
        if row is None:
            raise Missing.thing("profile version", asked.to_version)
        after = msgspec.json.decode(row["changes"])
    told = {"reason": asked.reason, "restores_version": asked.to_version}
    return await _written(tx, who, name, version=version + 1, before=before, after=after, told=told)


async def _newest(tx: Transaction, name: str) -> tuple[int, dict[str, Any]]:
    if name not in PROFILES:
        raise Missing(f"there is no profile {name[:64]}", kind="profile", id=name[:64], known=sorted(PROFILES))
    row = await tx.row(queries.NEWEST, tx.account_id, name)
    return (row["version"], msgspec.json.decode(row["changes"])) if row else (BUILT_IN, {})


async def _written(  # noqa: PLR0913
    tx: Transaction,
    who: Principal,
    name: str,
    *,
    version: int,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    told: Mapping[str, Any],
) -> ProfileView:
    if faults := rules.faults(name, after):
        fields = [{"field": f"changes.{field}", "message": message} for field, message in faults.items()]
        raise Invalid("; ".join(f"{field}: {message}" for field, message in faults.items()), fields=fields)
    stored = msgspec.json.encode(after).decode()
    why = (told["reason"], told.get("expected_effect"), told.get("rollback_condition"), told.get("restores_version"))
    tx.write(queries.INSERT_VERSION, tx.account_id, name, version, stored, *why, who.kind, who.id, expect=1)
    numbers = {
        "before": rules.shown(rules.tuned(name, before)),
        "after": rules.shown(rules.tuned(name, after)),
        "version": version,
    }
    payload = numbers | dict(told)
    auditing.record(tx, "profile:changed", about=("profile", name), sequence=version, actor=who, payload=payload)
    tx.wake(CONTROL, tx.account_id)
    await tx.flush()
    return _view(name, await tx.rows(queries.VERSIONS, tx.account_id, [name]))


def _view(name: str, rows: Iterable[Any]) -> ProfileView:
    """From its versions, newest first."""
    versions = [_version(row) for row in rows]
    changes = versions[0].changes if versions else {}
    return ProfileView(
        name=name,
        version=versions[0].version if versions else BUILT_IN,
        in_force=ProfileNumbers(**rules.shown(rules.tuned(name, changes))),
        built_in=ProfileNumbers(**rules.shown(PROFILES[name])),
        versions=versions,
    )


def _version(row: Any) -> ProfileVersionView:
    return msgspec.convert(dict(row) | {"changes": msgspec.json.decode(row["changes"])}, ProfileVersionView)
