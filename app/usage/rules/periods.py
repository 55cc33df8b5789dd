"""When a budget begins anew: periods follow the calendar in UTC."""

from datetime import UTC, datetime, timedelta

from app.usage.types import Period

DECEMBER = 12


def began(period: Period, now: datetime) -> datetime | None:
    """When the period that lasts now began; None for what has only one."""
    at = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    match period:
        case Period.NONE:
            return None
        case Period.HOUR:
            return at
        case Period.DAY:
            return at.replace(hour=0)
        case Period.WEEK:
            return at.replace(hour=0) - timedelta(days=at.weekday())
        case Period.MONTH:
            return at.replace(day=1, hour=0)


def ends(period: Period, now: datetime) -> datetime | None:
    """When the period that lasts now is over."""
    start = began(period, now)
    if start is None:
        return None
    match period:
        case Period.HOUR:
            return start + timedelta(hours=1)
        case Period.DAY:
            return start + timedelta(days=1)
        case Period.WEEK:
            return start + timedelta(weeks=1)
        case _:
            is_last = start.month == DECEMBER
            return start.replace(year=start.year + is_last, month=1 if is_last else start.month + 1)
