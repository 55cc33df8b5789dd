"""What the seeds said when they were last loaded, to tell a changed seed from an edited row."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column


class SeedRecord(SQLModel, table=True):
    __tablename__ = "seed_records"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    kind: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: str
    loaded_at: datetime = Field(sa_column=at_column())
