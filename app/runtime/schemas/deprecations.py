"""The wire shapes of the deprecation register."""

from datetime import date, datetime

from app.kernel.wire import View


class DeprecationView(View):
    """`uses` are this account's; with `setting` set to true it is taken away from the account."""

    name: str
    what: str
    replacement: str
    successor: str
    since: date
    sunset: date
    setting: str
    is_removed: bool
    uses: int = 0
    first_used_at: datetime | None = None
    last_used_at: datetime | None = None


class DeprecationPage(View):
    items: list[DeprecationView]
    next_cursor: str | None
    limit: int
