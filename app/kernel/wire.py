"""The shapes at the wire: bodies in, views out, and one way to read each."""

import re
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from app.kernel.errors import Invalid, Malformed

T = TypeVar("T")

LIMIT_DEFAULT = 50
LIMIT_MOST = 200
# Python's `$` also stands before a last newline.
Slug = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"^[a-z0-9][a-z0-9_-]*$(?!\n)")]


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a caller sends. Unknown fields are refused."""


class View(msgspec.Struct, kw_only=True):
    """What a caller receives. Nothing else leaves the service."""


class Page(View):
    items: list[Any]
    next_cursor: str | None = None
    limit: int = LIMIT_DEFAULT


def clamped(limit: int | None, *, default: int = LIMIT_DEFAULT, most: int = LIMIT_MOST) -> int:
    """The page size that is served for the one that was asked; the answer reports it."""
    return default if limit is None else max(1, min(limit, most))


_decoders: dict[object, msgspec.json.Decoder[Any]] = {}


def _decoder(kind: object) -> msgspec.json.Decoder[Any]:
    if kind not in _decoders:
        _decoders[kind] = msgspec.json.Decoder(kind)
    return _decoders[kind]


def decode(raw: bytes, kind: type[T]) -> T:
    """Read a JSON body; Malformed when it is no JSON, Invalid with the field when it breaks a rule."""
    try:
        value: T = _decoder(kind).decode(raw or b"{}")
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    if b"\\u0000" in raw:
        _refuse_nul(msgspec.json.decode(raw), path="")
    return value


def in_calendar(moment: object) -> None:
    """Refuse a time whose year another time zone would push out of the calendar."""
    if isinstance(moment, datetime) and not MINYEAR < moment.year < MAXYEAR:
        raise ValueError(f"{moment.isoformat()} is too far away")


def convert(value: object, kind: type[T]) -> T:
    """The same rules for values that are decoded already, such as tool arguments or query strings."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: msgspec.ValidationError) -> Invalid:
    text = str(error)
    message, _, place = text.partition(" - at `")
    field = place.rstrip("`").removeprefix("$.").removeprefix("$") or _named(message)
    return Invalid(f"{field}: {message}" if field else message, fields=[{"field": field, "message": message}])


def _named(message: str) -> str:
    found = re.search(r"field `([^`]+)`", message)
    return found[1] if found else ""


def _refuse_nul(value: object, *, path: str) -> None:
    # PostgreSQL text cannot hold U+0000.
    if isinstance(value, str):
        if "\x00" in value:
            raise Invalid.field(path, "must not contain the NUL character")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key, path=path or "$")
            _refuse_nul(item, path=f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_nul(item, path=f"{path}[{index}]")
