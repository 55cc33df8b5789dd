"""Documents for people: REST."""

from uuid import UUID

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from app.documents import service
from app.documents.schemas import (
    DocumentEdit,
    DocumentPage,
    DocumentText,
    DocumentView,
    NewDocument,
    Version,
    VersionPage,
)
from app.documents.types import DocumentType
from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body

DOCUMENTS = "/api/v1/documents"
DOCUMENT = "/api/v1/documents/{document_id:str}"
GONE = 204


@post(DOCUMENTS, status_code=CREATED, operation_class=described(body=NewDocument, view=DocumentView, status=CREATED))
async def create(request: Call) -> Response[bytes]:
    """Write a new document."""
    return await mutate(request, "documents.write", NewDocument, service.create, status=CREATED)


@get(DOCUMENTS, operation_class=described(view=DocumentPage))
async def latest(request: Call) -> Response[bytes]:
    """A page of documents without their content, the latest change first; filters: `task_id`, `type`, `limit`, `cursor`."""
    task_id, type_ = paging.asked(request, "task_id", UUID), paging.asked(request, "type", DocumentType)
    limit, cursor = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(
        request,
        "documents.read",
        lambda tx, _: service.page(tx, task_id=task_id, type_=type_, limit=limit, cursor=cursor),
    )


@get(DOCUMENT, operation_class=described(view=DocumentText))
async def one(request: Call, document_id: FromPath[str]) -> Response[bytes]:
    """A document with its content; `version` asks for an earlier one."""
    wanted, version = identity(document_id, kind="document"), paging.asked(request, "version", Version)
    return await read(request, "documents.read", lambda tx, _: service.one(tx, wanted, version=version))


@patch(DOCUMENT, operation_class=described(body=DocumentEdit, view=DocumentView))
async def edit(request: Call, document_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(document_id, kind="document")
    return await mutate(request, "documents.write", DocumentEdit, lambda tx, who, body: service.edit(tx, who, wanted, body))


@delete(DOCUMENT, status_code=200, operation_class=described(status=GONE))
async def remove(request: Call, document_id: FromPath[str]) -> Response[bytes]:
    """Take a document away; what was written stays in the database."""
    wanted = identity(document_id, kind="document")

    async def act(tx: Transaction, who: Principal, _body: Body) -> None:
        await service.delete(tx, who, wanted)

    return await mutate(request, "documents.delete", Body, act, status=GONE)


@get(f"{DOCUMENT}/versions", operation_class=described(view=VersionPage))
async def versions(request: Call, document_id: FromPath[str]) -> Response[bytes]:
    """A page of the document's versions without their content, newest first."""
    wanted, limit = identity(document_id, kind="document"), paging.limit(request)
    before = paging.asked(request, "cursor", Version)
    return await read(request, "documents.read", lambda tx, _: service.versions(tx, wanted, limit=limit, before=before))


ROUTES = (create, latest, one, edit, remove, versions)
