"""Templates of an account: what is in force, and new versions, tried before they are kept."""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

from app.delivery import neutrality, render
from app.delivery.prompting import ALERT
from app.delivery.queries import prompts as queries
from app.delivery.template_schemas import (
    TemplateEdit,
    TemplatePage,
    TemplateRemoval,
    TemplateText,
    TemplateVersionPage,
    TemplateVersionView,
    TemplateView,
)
from app.delivery.types.templates import Problem, TemplateName, TemplateSource
from app.events import service as events
from app.kernel.errors import Invalid, Missing, VersionConflict
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import LIMIT_DEFAULT, clamped
from app.runtime import alerts

NEWEST = 2**31 - 1
PROBLEMS_SHOWN = 20
# Pages of workspaces lie there, which are another room's.
PAGES = "workspace"


def ready(settings: Settings) -> None:
    """Compile the installation's templates; CannotStart when one is broken, or a rule of the lint is."""
    directory = settings.templates_dir
    if directory is None:
        render.built_in()
    elif not directory.is_dir():
        raise CannotStart(f"CALLBOARD_TEMPLATES_DIR: there is no directory {directory}")
    else:
        if not (render.files_of(directory) or (directory / PAGES).is_dir()):
            names = ", ".join(f"{name}{render.SUFFIX}" for name in TemplateName)
            raise CannotStart(f"CALLBOARD_TEMPLATES_DIR: {directory} holds none of {names}")
        if strange := render.strange_in(directory):
            raise CannotStart(f"CALLBOARD_TEMPLATES_DIR: {directory}: {', '.join(strange)} replaces no template")
        templates, problem = render.compiled({}, directory)
        problem = problem if templates is None else render.tried(templates)
        if problem is not None:
            raise CannotStart(f"CALLBOARD_TEMPLATES_DIR: {directory}: {problem}")
    if settings.lint_rules is not None:
        try:
            lint_rules(settings)
        except neutrality.BadRule as error:
            raise CannotStart(f"CALLBOARD_LINT_RULES: {error}") from None


async def listed(tx: Transaction, settings: Settings) -> TemplatePage:
    """All templates; there are as many as there are names."""
    rows = await _rows(tx)
    built = render.sources(settings.templates_dir)
    items = [TemplateView(**_fields(name, rows.get(name), built)) for name in TemplateName]
    return TemplatePage(items=items, next_cursor=None, limit=LIMIT_DEFAULT)


async def one(tx: Transaction, settings: Settings, name: TemplateName) -> TemplateText:
    """The template in force."""
    return _text(name, (await _rows(tx)).get(name), settings)


async def versions(tx: Transaction, name: TemplateName, *, limit: int | None, before: int | None) -> TemplateVersionPage:
    """A page of what the account wrote, newest first."""
    size = clamped(limit)
    rows = await tx.rows(queries.VERSIONS, tx.account_id, name, before or NEWEST, size + 1)
    items = [
        TemplateVersionView(
            version=row["version"],
            content=row["content"],
            author_kind=row["created_by_kind"],
            author_id=row["created_by_id"],
            created_at=row["created_at"],
        )
        for row in rows[:size]
    ]
    return TemplateVersionPage(items=items, next_cursor=str(items[-1].version) if len(rows) > size else None, limit=size)


async def edit(tx: Transaction, settings: Settings, who: Principal, name: TemplateName, asked: TemplateEdit) -> TemplateText:
    """Keep a new version; Invalid when it cannot be used or breaks the lint. The same text again changes nothing."""
    now, rows = await _locked(tx)
    _expect(rows.get(name), asked.expected_version)
    own = contents(rows)
    if own.get(name) != asked.content:
        found = problems({**own, name: asked.content}, settings, written=(name,))
        if found:
            raise refused(found)
        await _write(tx, who, name, rows, content=asked.content, now=now)
        rows = await _rows(tx)
    return _text(name, rows.get(name), settings)


async def remove(tx: Transaction, who: Principal, name: TemplateName, asked: TemplateRemoval) -> None:
    """Give the installation's template back; what was written stays as history."""
    now, rows = await _locked(tx)
    row = rows.get(name)
    if row is None or row["content"] is None:
        raise Missing(f"the account has no template {name} of its own", kind="prompt_template", id=name)
    _expect(row, asked.expected_version)
    await _write(tx, who, name, rows, content=None, now=now)


async def _write(
    tx: Transaction, who: Principal, name: TemplateName, rows: Mapping[str, Any], *, content: str | None, now: Any
) -> None:
    version = _version(rows.get(name)) + 1
    tx.write(queries.INSERT, tx.account_id, name, version, content, who.kind, who.id, now, expect=1)
    payload = {"name": name, "version": version, "digest": _digest(content) if content is not None else None}
    verb = "updated" if content is not None else "removed"
    entity = ("prompt_template", uuid5(NAMESPACE_OID, f"{tx.account_id}/{name}"))
    events.record(tx, f"board:prompt_template:{verb}", entity=entity, actor=who, payload=payload, sequence=version)
    await alerts.clear_alert(tx, f"{ALERT}:{TemplateSource.ACCOUNT}", actor=who, reason=f"the template {name} was {verb}")
    await tx.flush()


def contents(rows: Mapping[str, Any]) -> dict[str, str]:
    return {name: row["content"] for name, row in rows.items() if row["content"] is not None}


def problems(own: Mapping[str, str], settings: Settings, *, written: tuple[str, ...]) -> list[Problem]:
    """What is wrong with the templates that were written, by themselves and among the others."""
    rules = lint_rules(settings)
    found = [one for name in written for one in render.checked(name, own[name])]
    found += [one for name in written for one in neutrality.found(own[name], place=name, by=rules)]
    if found:
        return found
    templates, problem = render.compiled(own, settings.templates_dir)
    if templates is not None:
        problem = render.tried(templates, then=neutrality.Reader(rules).first)
    return [problem] if problem else []


def lint_rules(settings: Settings) -> tuple[neutrality.Rule, ...]:
    return neutrality.rules(*([settings.lint_rules] if settings.lint_rules else []))


def refused(found: list[Problem]) -> Invalid:
    shown = [msgspec.structs.asdict(one) for one in found[:PROBLEMS_SHOWN]]
    fields = [{"field": "content", "message": str(one)} for one in found[:PROBLEMS_SHOWN]]
    return Invalid(f"the template cannot be used: {found[0]}", fields=fields, problems=shown)


async def _rows(tx: Transaction) -> dict[str, Any]:
    return {row["name"]: row for row in await tx.rows(queries.TEMPLATES, tx.account_id)}


async def _locked(tx: Transaction) -> tuple[Any, dict[str, Any]]:
    now = await tx.value(queries.LOCK, tx.account_id)
    return now, await _rows(tx)


def _expect(row: Any, version: int | None) -> None:
    if version is not None and version != _version(row):
        message = f"the template has version {_version(row)}, not {version}"
        raise VersionConflict(message, expected_version=version, version=_version(row))


def _version(row: Any) -> int:
    return row["version"] if row is not None else 0


def _fields(name: str, row: Any, built: Mapping[str, tuple[TemplateSource, str]]) -> dict[str, Any]:
    source, content = built[name] if row is None or row["content"] is None else (TemplateSource.ACCOUNT, row["content"])
    return {
        "name": name,
        "source": source,
        "version": _version(row),
        "digest": _digest(content),
        "size": len(content.encode()),
        "updated_by_kind": row["created_by_kind"] if row else None,
        "updated_by_id": row["created_by_id"] if row else None,
        "updated_at": row["created_at"] if row else None,
    }


def _text(name: TemplateName, row: Any, settings: Settings) -> TemplateText:
    built = render.sources(settings.templates_dir)
    _, content = built[name] if row is None or row["content"] is None else (TemplateSource.ACCOUNT, row["content"])
    return TemplateText(**_fields(name, row, built), content=content, variables=sorted(render.variables()))


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
