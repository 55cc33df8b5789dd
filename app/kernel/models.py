"""Answers kept for repeated calls."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, SmallInteger
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column


class IdempotencyRecord(SQLModel, table=True):
    """One call that may be repeated; `status` stays empty until the answer is stored with the call's effects."""

    __tablename__ = "idempotency_records"
    __table_args__ = (Index("idempotency_records_expiry_idx", "account_id", "expires_at"),)

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    principal_id: UUID = Field(primary_key=True)
    verb: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_hash: bytes = Field(sa_type=LargeBinary)
    status: int | None = Field(default=None, sa_type=SmallInteger)
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)
    hits: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    created_at: datetime = Field(sa_column=at_column())
    expires_at: datetime = Field(sa_column=at_column())
