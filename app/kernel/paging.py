"""What a list route reads from its query string."""

from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from msgspec import Meta

from app.kernel.edge import Call
from app.kernel.errors import Invalid
from app.kernel.wire import convert, in_calendar

T = TypeVar("T")


def asked(request: Call, name: str, kind: type[T]) -> T | None:
    """The parameter `name` as `kind`, None when it is not given; Invalid when it is no such value."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return None
    if "\x00" in text:
        raise Invalid.field(name, "must not contain the NUL character")
    try:
        return convert(text, kind)
    except Invalid as error:
        raise Invalid.field(name, error.message) from None


def limit(request: Call) -> int | None:
    return asked(request, "limit", int)


def cursor(request: Call) -> UUID | None:
    return asked(request, "cursor", UUID)


def moment(request: Call, name: str) -> datetime | None:
    """A time with its zone."""
    found = asked(request, name, Annotated[datetime, Meta(tz=True)])  # type: ignore[arg-type]
    try:
        in_calendar(found)
    except ValueError as error:
        raise Invalid.field(name, str(error)) from None
    return found
