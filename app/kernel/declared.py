"""Reads what the annotations of a settings struct declare."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect


class Setting(msgspec.Struct, frozen=True):
    name: str
    key: str
    description: str
    default: str
    values: str
    is_secret: bool
    is_url: bool


def declared(struct: type[msgspec.Struct]) -> Iterator[Setting]:
    """Every field, which must be annotated with a `Meta` whose title is the environment's key."""
    for field in inspect.multi_type_info([struct])[0].fields:  # type: ignore[attr-defined]
        words: dict[str, Any] = field.type.extra_json_schema
        extra = field.type.extra or {}
        yield Setting(
            name=field.name,
            key=words["title"],
            description=words["description"],
            default=_default(field.default),
            values=_values(field.type.type),
            is_secret="secret" in extra,
            is_url="url" in extra,
        )


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _values(kind: inspect.Type) -> str:  # noqa: PLR0911
    match kind:
        case inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(str, values))
        case inspect.UnionType(types=types):
            return _values(types[0])
        case inspect.Metadata(extra_json_schema={"description": words}):
            return str(words)
        case inspect.CustomType():
            return "a path"
        case _:
            return "text"
