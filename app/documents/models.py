"""Documents of an account; the one with slug `repository` and the one with slug `briefing` enter prompts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.documents.types import DocumentType
from app.kernel.columns import at_column, enum_column, tenant_key
from app.kernel.types import ActorKind


class Document(SQLModel, table=True):
    __tablename__ = "documents"
    __table_args__ = (
        tenant_key("task_id", "tasks", name="documents_task_fkey"),
        Index("documents_task_idx", "account_id", "task_id", postgresql_where=text("task_id IS NOT NULL")),
        Index("documents_newest_idx", "account_id", "updated_at", "id"),
        Index("documents_slug_idx", "account_id", "slug", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    id: UUID = Field(primary_key=True)
    slug: str
    title: str
    type: DocumentType = Field(sa_column=enum_column(DocumentType, name="documents_type_check"))
    content: str
    task_id: UUID | None = None
    author_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="documents_author_kind_check"))
    author_id: UUID | None = None
    version: int = 1
    created_at: datetime = Field(sa_column=at_column())
    updated_at: datetime = Field(sa_column=at_column())
    deleted_at: datetime | None = Field(default=None, sa_column=at_column(nullable=True))


class DocumentVersion(SQLModel, table=True):
    """A document as one write left it."""

    __tablename__ = "document_versions"
    __table_args__ = (tenant_key("document_id", "documents", name="document_versions_document_fkey"),)

    account_id: UUID = Field(primary_key=True)
    document_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    title: str
    content: str
    author_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="document_versions_author_kind_check"))
    author_id: UUID | None = None
    created_at: datetime = Field(sa_column=at_column())
