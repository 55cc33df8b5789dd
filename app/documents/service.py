"""Writing and reading documents."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.documents import queries, rules
from app.documents.schemas import DocumentEdit, DocumentText, DocumentView, NewDocument, VersionView
from app.documents.types import DocumentType
from app.events import service as events
from app.kernel import places
from app.kernel.errors import Duplicate, Missing, VersionConflict
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped
from app.policies import legacy
from app.policies import service as policies
from app.policies.types import Action, AgentFacts, DocumentFacts

# Behind every document that there is.
NEWEST_VERSION = 2**31 - 1

WRITTEN = ("content", "slug", "task_id", "title", "type")
_FIELDS = ("id", "slug", "title", "type", "task_id", "author_kind", "author_id", "version", "created_at", "updated_at")
_agent = msgspec.json.Decoder(AgentFacts)


async def create(tx: Transaction, principal: Principal, asked: NewDocument) -> DocumentView:
    """Write a new document; it is called as asked, or after its title."""
    base = asked.slug or rules.slug_from(asked.title)
    row = await tx.row(queries.STAGE, tx.account_id, principal.id, base, asked.task_id)
    facts = DocumentFacts(is_new=True, is_protected=rules.is_protected(asked.slug))
    rule = _required(tx, Action.DOCUMENTS_WRITE, principal, row, facts)
    _task_is_there(row, asked.task_id)
    if asked.slug is not None:
        _slug_is_free(row, asked.slug)
    document_id, author = new_id(), (principal.kind, principal.id)
    slug = asked.slug or rules.free_slug(base, document_id, is_taken=row["is_slug_taken"])
    words = (slug, asked.title, asked.type, asked.content, asked.task_id)
    tx.write(queries.INSERT_DOCUMENT, tx.account_id, document_id, *words, *author, row["now"], expect=1)
    made = (document_id, slug, asked.title, asked.type, asked.task_id, *author, 1, row["now"], row["now"])
    document = dict(zip(_FIELDS, made, strict=True))
    fields = [name for name in WRITTEN if getattr(asked, name) is not None]
    _record(tx, principal, "created", document, fields=fields, rule=rule)
    return view(document)


async def edit(tx: Transaction, principal: Principal, document_id: UUID, asked: DocumentEdit) -> DocumentView:
    """Change what was sent; another title or content makes a new version."""
    names = ("title", "type", "slug", "task_id")
    wanted = {name: value for name in names if (value := getattr(asked, name)) is not msgspec.UNSET}
    slug, task_id = wanted.get("slug"), wanted.get("task_id")
    content = None if asked.content is msgspec.UNSET else asked.content
    row = await _locked(tx, principal, document_id, slug=slug, task_id=task_id, content=content)
    rule = _required(tx, Action.DOCUMENTS_WRITE, principal, row, _facts(principal, row, wanted_slug=slug))
    _expect(row, asked.expected_version)
    _task_is_there(row, task_id)
    _slug_is_free(row, slug)
    change = rules.change(before=row, asked=wanted, content_differs=row["content_differs"])
    if not change.fields:
        return view(row)
    after = dict(row) | wanted | {"version": row["version"] + change.makes_version, "updated_at": row["now"]}
    _write_change(tx, principal, after, content=content, before=row["version"])
    _record(tx, principal, "updated", after, fields=change.fields, rule=rule)
    return view(after)


def _write_change(tx: Transaction, principal: Principal, after: Mapping[str, Any], *, content: str | None, before: int) -> None:
    fields = (after["id"], after["slug"], after["title"], after["type"], content, after["task_id"], after["updated_at"])
    versions = (after["version"], before)
    tx.write(queries.CHANGE_DOCUMENT, tx.account_id, *fields, *versions, principal.kind, principal.id, expect=1)


async def delete(tx: Transaction, principal: Principal, document_id: UUID) -> None:
    """Take a document away; its versions stay, and its slug is free again."""
    row = await _locked(tx, principal, document_id)
    rule = _required(tx, Action.DOCUMENTS_DELETE, principal, row, _facts(principal, row))
    tx.write(queries.DELETE_DOCUMENT, tx.account_id, document_id, row["now"], expect=1)
    _record(tx, principal, "deleted", row, fields=(), rule=rule)


async def _locked(
    tx: Transaction,
    principal: Principal,
    document_id: UUID,
    *,
    slug: str | None = None,
    task_id: UUID | None = None,
    content: str | None = None,
) -> Any:
    row = await tx.fresh_row(queries.SCENE, tx.account_id, principal.id, slug, task_id, document_id, content)
    if row is None:
        raise Missing.thing("document", document_id)
    return row


def _facts(principal: Principal, row: Any, *, wanted_slug: str | None = None) -> DocumentFacts:
    """To take a protected name is to write a protected document."""
    return DocumentFacts(
        is_protected=rules.is_protected(row["slug"], wanted_slug),
        is_author=(row["author_kind"], row["author_id"]) == (principal.kind, principal.id),
        is_on_its_task=row["is_on_its_task"],
    )


def _required(tx: Transaction, action: Action, principal: Principal, row: Any, facts: DocumentFacts) -> str:
    crew = (_agent.decode(row["agent"]),) if row["agent"] else ()
    account = legacy.in_force(tx, row["settings"])
    return policies.require(action, principal=principal, account=account, crew=crew, document=facts)


def _expect(row: Any, version: int | None) -> None:
    if version is not None and version != row["version"]:
        raise VersionConflict(
            f"the document has version {row['version']}, not {version}", expected_version=version, version=row["version"]
        )


def _task_is_there(row: Any, task_id: UUID | None) -> None:
    if not row["is_task_there"]:
        raise Missing.thing("task", task_id)


def _slug_is_free(row: Any, slug: str | None) -> None:
    if row["is_slug_taken"]:
        raise Duplicate(f"a document is called {slug} already", field="slug")


def _record(tx: Transaction, principal: Principal, action: str, document: Any, *, fields: Sequence[str], rule: str) -> None:
    """The log says which fields were written, never what is in them."""
    payload = {"slug": document["slug"], "task_id": document["task_id"], "fields": fields, "rule": rule}
    entity, sequence = ("document", document["id"]), document["version"]
    events.record(tx, f"board:document:{action}", entity=entity, sequence=sequence, actor=principal, payload=payload)


async def page(
    tx: Transaction,
    *,
    task_id: UUID | None = None,
    type_: DocumentType | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page:
    """A page of documents without their content, the latest change first."""
    size = clamped(limit)
    behind = (*places.place(cursor, first=places.NEWEST), type_, size + 1)
    if task_id is None:
        rows = await tx.rows(queries.NEWEST, tx.account_id, *behind)
    else:
        rows = await tx.rows(queries.NEWEST_OF_TASK, tx.account_id, *behind, task_id)
    items = [view(row) for row in rows[:size]]
    more = places.cursor(items[-1].updated_at, items[-1].id) if len(rows) > size else None
    return Page(items=items, next_cursor=more, limit=size)


async def one(tx: Transaction, which: UUID | str, *, version: int | None = None) -> DocumentText:
    """A document with its content, by its id or by its slug; a version as its write left it."""
    found = dict(await _row(tx, which))
    if version is not None:
        earlier = await tx.row(queries.VERSION, tx.account_id, found["id"], version)
        if earlier is None:
            raise Missing.thing("document version", version)
        found |= dict(earlier)
    return msgspec.convert(_shown(found) | {"content": found["content"]}, DocumentText)


async def _row(tx: Transaction, which: UUID | str) -> Any:
    sql = queries.DOCUMENT if isinstance(which, UUID) else queries.DOCUMENT_CALLED
    row = await tx.row(sql, tx.account_id, which) if isinstance(which, UUID) or rules.is_slug(which) else None
    if row is None:
        raise Missing.thing("document", which)
    return row


async def versions(tx: Transaction, document_id: UUID, *, limit: int | None, before: int | None) -> Page:
    """A page of a document's versions, newest first."""
    if await tx.value(queries.IS_THERE, tx.account_id, document_id) is None:
        raise Missing.thing("document", document_id)
    size = clamped(limit)
    rows = await tx.rows(queries.VERSIONS, tx.account_id, document_id, before or NEWEST_VERSION, size + 1)
    items = [msgspec.convert(dict(row), VersionView) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].version) if len(rows) > size else None, limit=size)


def view(row: Any) -> DocumentView:
    return msgspec.convert(_shown(row), DocumentView)


def _shown(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in _FIELDS} | {"is_protected": rules.is_protected(row["slug"])}
