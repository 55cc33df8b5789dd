"""What time it is: in this process, and in a database, whose business time may be simulated."""

from datetime import UTC, datetime
from typing import Any

from app.kernel.startup import CannotStart

SYSTEM = "system"
SIMULATED = "simulated"
FIND = "SELECT to_regclass('public.runtime_clock') IS NOT NULL"
MODE = "SELECT mode FROM public.runtime_clock"
# Without a search path of its own, so that the planner may look at it; the table is named in full instead.
SIMULATE = """
CREATE OR REPLACE FUNCTION callboard_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
AS 'SELECT at FROM public.runtime_clock'
"""
BEGIN_AT = "UPDATE public.runtime_clock SET mode = 'simulated', at = coalesce($1, date_trunc('second', transaction_timestamp()))"
# Row-level security binds a table's owner too, so this is asked as the role that reads across accounts.
IS_USED = "SELECT EXISTS (SELECT FROM public.accounts)"


def now() -> datetime:
    """The time of this process, for sockets and logs; business time is the database's `callboard_now()`."""
    return datetime.now(UTC)


async def choose(admin: Any, wanted: str, *, reader: str, at: datetime | None = None) -> None:
    """Give a migrated database its clock if it has no account yet; otherwise raise CannotStart unless it is the one it has.

    A simulated clock begins at `at`, by default now; `reader` is the role that sees all accounts.
    """
    if not await admin.fetchval(FIND):
        return
    async with admin.transaction():
        await admin.execute(f"SET LOCAL ROLE {reader}")
        is_used = await admin.fetchval(IS_USED)
    if wanted == SIMULATED and not is_used and await admin.fetchval(MODE) == SYSTEM:
        async with admin.transaction():
            await admin.execute(SIMULATE)
            await admin.execute(BEGIN_AT, at)
        return
    await check(admin, wanted)


async def check(connection: Any, wanted: str) -> None:
    """Raise CannotStart unless the database's clock is the one that this process expects."""
    if not await connection.fetchval(FIND):
        return
    mode = await connection.fetchval(MODE)
    if mode == wanted:
        return
    raise CannotStart(
        f"CALLBOARD_CLOCK is {wanted}, but this database began with the {mode} clock and keeps it: "
        f"set CALLBOARD_CLOCK={mode}, or use another database"
    )
