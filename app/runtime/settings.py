"""Settings of an account: read with their defaults, changed within their ranges, and each change recorded with its reason."""

from typing import Any

import msgspec

from app.kernel.errors import Invalid, Missing, VersionConflict
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import CONTROL
from app.runtime import auditing, pausing
from app.runtime.queries import settings as queries
from app.runtime.rules.settings import SETTINGS, Setting, Value, close_to, fault, meant
from app.runtime.schemas.settings import SettingChange, SettingPage, SettingView

LIMITS = "limit."


async def page(tx: Transaction) -> SettingPage:
    """All settings that there are."""
    rows = {row["name"]: row for row in await tx.rows(queries.SETTINGS_SET, tx.account_id)}
    items = [_view(setting, rows.get(name)) for name, setting in SETTINGS.items()]
    return SettingPage(items=items, next_cursor=None, limit=len(items))


async def change(tx: Transaction, who: Principal, name: str, asked: SettingChange) -> SettingView:
    """Set it; out of its range it is refused."""
    setting = _known(name)
    if wrong := fault(setting, asked.value):
        raise Invalid.field("value", wrong)
    return await _changed(tx, who, setting, asked.value, reason=asked.reason, expected=asked.expected_version)


async def reset(tx: Transaction, who: Principal, name: str, *, reason: str) -> SettingView:
    """Take it back to its default."""
    return await _changed(tx, who, _known(name), None, reason=reason, expected=None)


def _known(name: str) -> Setting:
    if name in SETTINGS:
        return SETTINGS[name]
    close = close_to(name)
    hint = f"; did you mean {close}?" if close else ""
    raise Missing(f"there is no setting {name[:64]}{hint}", kind="setting", id=name[:64], close=close)


async def _changed(
    tx: Transaction, who: Principal, setting: Setting, value: Value | None, *, reason: str, expected: int | None
) -> SettingView:
    row = await tx.row(queries.SETTING, tx.account_id, setting.name)
    version = row["version"] if row else 0
    if expected is not None and expected != version:
        raise VersionConflict(f"{setting.name} has version {version}, not {expected}", expected_version=expected, version=version)
    write = queries.CHANGE_SETTING if row else queries.INSERT_SETTING
    stored = msgspec.json.encode(value).decode()
    tx.write(write, tx.account_id, setting.name, stored, reason, who.kind, who.id, expect=1)
    before, after = _value(setting, row), setting.default if value is None else value
    payload = {"before": before, "after": after, "is_default": value is None, "reason": reason}
    about = ("setting", setting.name)
    auditing.record(tx, "setting:changed", about=about, sequence=version + 1, actor=who, payload=payload)
    await _take_effect(tx, who, setting, after, reason=reason)
    tx.wake(CONTROL, tx.account_id)
    await tx.flush()
    return _view(setting, await tx.row(queries.SETTING, tx.account_id, setting.name))


async def _take_effect(tx: Transaction, who: Principal, setting: Setting, value: Value, *, reason: str) -> None:
    """Bring what rests on the setting in line with it, in the same transaction."""
    if setting.name.startswith(LIMITS):
        key = setting.name.removeprefix(LIMITS).removesuffix(".most")
        tx.write(queries.CHANGE_LIMITS, tx.account_id, f"{key}:", value)
    elif setting.name in pausing.PAUSES_OF:
        await pausing.switched(tx, who, setting.name, is_on=value is True, reason=reason)


def _value(setting: Setting, row: Any) -> Value:
    return setting.default if row is None else meant(setting, msgspec.json.decode(row["value"]))


def _view(setting: Setting, row: Any) -> SettingView:
    about = {field: getattr(setting, field) for field in ("name", "kind", "description", "affects", "default", "least", "most")}
    view = SettingView(**about, value=_value(setting, row), is_set=row is not None and row["value"] != "null")
    if row is None:
        return view
    last = {field: row[field] for field in ("version", "reason", "changed_by_kind", "changed_by_id", "changed_at")}
    return msgspec.structs.replace(view, **last)
