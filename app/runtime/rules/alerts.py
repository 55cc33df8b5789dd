"""Where a page of alerts starts."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

# Behind every alert that there is.
LATEST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = re.compile(r"([0-9]{1,17})\.([0-9a-f]{32})")


def cursor(at: datetime, alert_id: UUID) -> str:
    """Where the next page starts: behind the alert with this id, opened then."""
    return f"{(at - _EPOCH) // _MICROSECOND}.{alert_id.hex}"


def place(text: str) -> tuple[datetime, UUID] | None:
    """What a cursor says, None when it is none."""
    found = _PLACE.fullmatch(text)
    return (_EPOCH + int(found[1]) * _MICROSECOND, UUID(found[2])) if found else None
