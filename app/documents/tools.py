"""What agents may do with documents."""

from msgspec import UNSET

from app.documents import rules, service
from app.documents.schemas import (
    AgentDocument,
    AgentDocuments,
    AgentReading,
    DocumentEdit,
    DocumentPage,
    DocumentText,
    DocumentView,
    NewDocument,
)
from app.kernel.errors import Invalid
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page
from app.policies.types import Action
from app.policies.verbs import Toolset, Verb


async def write(tx: Transaction, principal: Principal, body: AgentDocument) -> DocumentView:
    """A document without an id is a new one; an absent slug or task changes nothing."""
    if body.document_id is None:
        if body.expected_version is not None:
            raise Invalid.field("expected_version", "is for a document that exists; send its `document_id`")
        new = NewDocument(title=body.title, content=body.content, type=body.type, slug=body.slug, task_id=body.task_id)
        return await service.create(tx, principal, new)
    change = DocumentEdit(
        title=body.title,
        content=body.content,
        type=body.type,
        slug=body.slug or UNSET,
        task_id=body.task_id or UNSET,
        expected_version=body.expected_version,
    )
    return await service.edit(tx, principal, body.document_id, change)


async def listed(tx: Transaction, principal: Principal, body: AgentDocuments) -> Page:
    _ = principal
    return await service.page(tx, task_id=body.task_id, type_=body.type, limit=body.limit, cursor=body.cursor)


async def read(tx: Transaction, principal: Principal, body: AgentReading) -> DocumentText:
    _ = principal
    if (body.document_id is None) == (body.slug is None):
        raise Invalid.field("document_id", "say which document, by `document_id` or by `slug`")
    which = body.document_id or rules.called(body.slug or "")
    return await service.one(tx, which, version=body.version)


VERBS = (
    Verb(
        name="document",
        summary="Write a document, or with `document_id` a new version of one.",
        action=Action.DOCUMENTS_WRITE,
        body=AgentDocument,
        view=DocumentView,
        act=write,
        toolset=Toolset.DOCUMENTS,
    ),
    Verb(
        name="document-list",
        summary="List documents without their content, the latest change first.",
        action=Action.DOCUMENTS_READ,
        body=AgentDocuments,
        view=DocumentPage,
        act=listed,
        toolset=Toolset.DOCUMENTS,
        reads=True,
    ),
    Verb(
        name="document-get",
        summary="Read a document, by its id or its slug.",
        action=Action.DOCUMENTS_READ,
        body=AgentReading,
        view=DocumentText,
        act=read,
        toolset=Toolset.DOCUMENTS,
        reads=True,
    ),
)
