"""The gateways of an account as people see them."""

from typing import Any

import msgspec

from app.agents.executors import ADDRESSED
from app.agents.schemas import GatewayView
from app.agents.types import Adapter, PresenceState
from app.delivery.queries import presence as queries
from app.kernel.outside import origin_of
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.kernel.wire import Page, clamped
from app.runtime.types import BreakerState


async def page(tx: Transaction, settings: Settings, *, limit: int | None, after: str | None) -> Page:
    """A page of the gateways that agents are reached through, by the names of their profiles."""
    size = clamped(limit)
    rows = await tx.rows(queries.GATEWAYS, tx.account_id, after or "", size + 1)
    known = [_dependency(row, settings) for row in rows[:size]]
    breakers = {row["dependency"]: row["state"] for row in await tx.rows(queries.BREAKERS, tx.account_id, known)} if known else {}
    items = [_view(row, name, breakers, settings) for row, name in zip(rows[:size], known, strict=True)]
    return Page(items=items, next_cursor=items[-1].profile if len(rows) > size else None, limit=size)


def _view(row: Any, dependency: str, breakers: dict[str, str], settings: Settings) -> GatewayView:
    # Until its first lease has run out nobody knows of one that was never seen.
    is_known = row["seen_at"] is not None or row["state"] == PresenceState.OFFLINE
    return GatewayView(
        profile=row["name"],
        adapter=Adapter(row["adapter"]),
        origin=_origin(row, settings),
        state=PresenceState(row["state"]) if is_known else None,
        since=row["changed_at"] if is_known else None,
        seen_at=row["seen_at"],
        until=row["until"],
        interval_seconds=row["interval_seconds"],
        error=row["error"],
        breaker=BreakerState(breakers.get(dependency, BreakerState.CLOSED)),
        queued_deliveries=row["queued_deliveries"],
        agents=row["agents"],
    )


def _origin(row: Any, settings: Settings) -> str | None:
    """Where it is, without path, query and credentials."""
    adapter = Adapter(row["adapter"])
    url = row["url"] or (settings.openclaw_gateway_url if adapter is Adapter.RESPONSES else None)
    origin = origin_of(url) if url and adapter in ADDRESSED else None
    return f"{origin[0]}://{origin[1]}:{origin[2]}" if origin else None


def _dependency(row: Any, settings: Settings) -> str:
    """The name under which the breaker knows it."""
    said: dict[str, Any] = msgspec.json.decode(row["settings"])
    return _origin(row, settings) or f"{row['adapter']}:{said.get('command', row['name'])}"
