"""How tables are declared: text enums with a check, composite tenant keys, JSON and time columns."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Column, DateTime, Enum, ForeignKeyConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

NOW = text("callboard_now()")


def enum_column(kind: type[StrEnum], *, name: str, nullable: bool = False, primary_key: bool = False) -> Any:
    """Text with a CHECK that allows the enum's values; `name` is the constraint's, unique in the schema."""
    values = Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
        length=40,
        name=name,
    )
    return Column(values, nullable=nullable, primary_key=primary_key)


def json_column(*, default: str = "{}") -> Any:
    return Column(JSONB, nullable=False, server_default=text(f"'{default}'::jsonb"))


def at_column(*, nullable: bool = False) -> Any:
    return Column(DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)


def tenant_key(column: str, table: str, *, name: str, on_delete: str | None = None) -> ForeignKeyConstraint:
    """A foreign key inside one account; a plain one would bypass row-level security and leak existence."""
    return ForeignKeyConstraint(["account_id", column], [f"{table}.account_id", f"{table}.id"], name=name, ondelete=on_delete)


def check(condition: str, *, name: str) -> CheckConstraint:
    return CheckConstraint(condition, name=name)
