"""Where a page goes on: behind a moment and the id of what is there."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.kernel.errors import Invalid
from app.kernel.ids import NEWEST_ID, OLDEST_ID

Place = tuple[datetime, UUID]
# Behind all that there is, seen from either end.
NEWEST: Place = (datetime(9999, 1, 1, tzinfo=UTC), NEWEST_ID)
OLDEST: Place = (datetime(1, 1, 2, tzinfo=UTC), OLDEST_ID)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = re.compile(r"([0-9]{1,17})\.([0-9a-f]{32})")


def cursor(at: datetime, identity: UUID) -> str:
    """Where the next page starts: behind the thing of this moment with this id."""
    return f"{(at - _EPOCH) // _MICROSECOND}.{identity.hex}"


def place(text: str | None, *, first: Place) -> Place:
    """What a cursor says, `first` without one; Invalid when it is none."""
    if text is None:
        return first
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Invalid.field("cursor", "must be the `next_cursor` of a page")
    return _EPOCH + int(found[1]) * _MICROSECOND, UUID(found[2])
