"""The append-only log, and the counter that puts it in commit order."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, SmallInteger, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.kernel.columns import at_column, enum_column, json_column
from app.kernel.types import ActorKind


class Event(SQLModel, table=True):
    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("account_id", "event_id", name="events_event_id_key"),
        Index("events_entity_idx", "account_id", "entity_kind", "entity_id", "seq"),
    )

    # The counter row below refers to the account; a foreign key on each event would check the same again.
    account_id: UUID = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    event_id: UUID
    type: str
    entity_kind: str
    entity_id: UUID
    sequence: int = Field(sa_type=BigInteger)
    actor_kind: ActorKind = Field(sa_column=enum_column(ActorKind, name="events_actor_kind_check"))
    actor_id: UUID | None = None
    source: str
    cause_id: UUID | None = None
    depth: int = Field(sa_type=SmallInteger)
    request_id: str
    correlation_id: str
    payload: dict[str, Any] = Field(sa_column=json_column())
    schema_version: int = Field(default=1, sa_type=SmallInteger)
    at: datetime = Field(sa_column=at_column())


class EventCounter(SQLModel, table=True):
    """Incremented while the transaction commits, so that `seq` has no gap and no late row."""

    __tablename__ = "event_counters"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    account_id: UUID = Field(primary_key=True, sa_column_args=(ForeignKey("accounts.id"),))
    last_seq: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


class EventBatch(SQLModel, table=True):
    """Events of a transaction that is still open; a deferred trigger numbers them at COMMIT and takes the row away."""

    __tablename__ = "event_batches"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    account_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    rows: Any = Field(sa_column=Column(JSON, nullable=False))
