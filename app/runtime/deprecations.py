"""What is still served and will go: how often each account uses it, and whether it does without."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import structlog

from app.kernel.controls import Controls
from app.kernel.db import Database
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Origin
from app.observability.metrics import DEPRECATED
from app.runtime.queries import deprecations as queries
from app.runtime.rules.deprecations import DEPRECATIONS, Deprecation
from app.runtime.schemas.deprecations import DeprecationPage, DeprecationView

FLUSH_SECONDS = 2.0

log = structlog.get_logger()
for _name in DEPRECATIONS:
    # A first use is seen as a rise only where it was said that there was none.
    DEPRECATED.labels(_name)


class Uses:
    """Counted in this process and added to the table from time to time, so that no call waits for a count."""

    def __init__(self) -> None:
        self._counted: Counter[tuple[UUID, str]] = Counter()

    def count(self, account_id: UUID, deprecation: Deprecation) -> None:
        DEPRECATED.labels(deprecation.name).inc()
        self._counted[account_id, deprecation.name] += 1

    async def flush(self, database: Database) -> None:
        """Add what was counted to the table; what cannot be added now is added later."""
        counted, self._counted = self._counted, Counter()
        by_account: dict[UUID, dict[str, int]] = defaultdict(dict)
        for (account_id, name), uses in counted.items():
            by_account[account_id][name] = uses
        for account_id, names in by_account.items():
            try:
                await _add(database, account_id, names)
            except asyncpg.ForeignKeyViolationError:
                # The account is of another database, or gone.
                continue
            except Exception as error:  # noqa: BLE001 whatever keeps it from writing, it writes again
                log.warning("uses_not_counted", error=type(error).__name__)
                self._counted.update({(account_id, name): uses for name, uses in names.items()})


USES = Uses()


async def _add(database: Database, account_id: UUID, names: dict[str, int]) -> None:
    call = new_id()
    origin = Origin(request_id=str(call), correlation_id=call.hex, source="system")
    async with database.transaction(account_id, origin=origin) as tx:
        for name, uses in sorted(names.items()):
            tx.put(queries.COUNT_USES, {"name": name, "uses": uses})


@asynccontextmanager
async def counted(database: Database) -> AsyncIterator[None]:
    """Keep the table up to date while the block lasts, and once more at its end."""

    async def run() -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await USES.flush(database)

    running = asyncio.create_task(run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await USES.flush(database)


def is_removed(controls: Controls, account_id: UUID, deprecation: Deprecation) -> bool:
    return controls.flag(account_id, deprecation.setting)


async def page(tx: Transaction) -> DeprecationPage:
    """The whole register with this account's uses."""
    rows = {row["name"]: row for row in await tx.rows(queries.USES, tx.account_id)}
    items = []
    for one in DEPRECATIONS.values():
        about = {
            field: getattr(one, field) for field in ("name", "what", "replacement", "successor", "since", "sunset", "setting")
        }
        used = dict(rows.get(one.name, {}))
        items.append(DeprecationView(**about | used, is_removed=is_removed(tx.controls, tx.account_id, one)))
    return DeprecationPage(items=items, next_cursor=None, limit=len(items))
