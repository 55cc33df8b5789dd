"""The only place that asks the machine what time it is."""

from datetime import UTC, datetime


def now() -> datetime:
    """The time of this process, for tokens, sockets and logs; a transaction's time is the database's."""
    return datetime.now(UTC)
