"""The wire shapes of documents."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.documents.types import Content, DocumentType, Title
from app.kernel.types import ActorKind
from app.kernel.wire import Body, Slug, View

Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
# As it is typed: what is no name of a document is absent like any other.
Called = Annotated[str, Meta(min_length=1, max_length=64)]
Cursor = Annotated[str, Meta(min_length=1, max_length=100)]


class NewDocument(Body):
    """Without a `slug` it is called after its title."""

    title: Title
    content: Content
    type: DocumentType
    slug: Slug | None = None
    task_id: UUID | None = None


class DocumentEdit(Body):
    """Absent fields stay; `task_id: null` takes it off its task."""

    title: Title | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    type: DocumentType | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET
    task_id: UUID | None | UnsetType = UNSET
    expected_version: Version | None = None


class AgentDocument(Body):
    """With `document_id` it changes that document; a `task_id` or `slug` that is absent stays as it is."""

    title: Title
    content: Content
    type: DocumentType
    document_id: UUID | None = None
    task_id: UUID | None = None
    slug: Slug | None = None
    expected_version: Version | None = None


class AgentDocuments(Body):
    """Those of one task or one type; `cursor` is the `next_cursor` of the page before."""

    task_id: UUID | None = None
    type: DocumentType | None = None
    limit: int | None = None
    cursor: Cursor | None = None


class AgentReading(Body):
    """Say which document by `document_id` or by `slug`; without a `version` it is the latest."""

    document_id: UUID | None = None
    slug: Called | None = None
    version: Version | None = None


class DocumentView(View):
    """A protected document enters prompts, so people alone write it."""

    id: UUID
    slug: str
    title: str
    type: DocumentType
    task_id: UUID | None
    author_kind: ActorKind
    author_id: UUID | None
    version: int
    is_protected: bool
    created_at: datetime
    updated_at: datetime


class DocumentText(DocumentView):
    """A document with its content; where a version was asked for, what that write made of it and whose write it was."""

    content: str


class DocumentPage(View):
    items: list[DocumentView]
    next_cursor: str | None
    limit: int


class VersionView(View):
    version: int
    title: str
    author_kind: ActorKind
    author_id: UUID | None
    created_at: datetime


class VersionPage(View):
    items: list[VersionView]
    next_cursor: str | None
    limit: int
