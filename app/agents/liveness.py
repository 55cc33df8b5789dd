"""Whether the agents are there: a sign of life brings one online, silence takes it offline, and each change is told once."""

from typing import Any
from uuid import UUID

import msgspec

from app.agents import queries, rules
from app.agents.types import PresenceChanged, PresenceState
from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.runtime import standing
from app.runtime.rules.schedules import Timing
from app.runtime.rules.settings import SETTINGS, meant
from app.runtime.standing import Standing

SWEEP = "agents.sweep_liveness"
# While nobody is online there is nobody to miss, so an idle board is left in peace.
STANDING = Standing(name="liveness", command_type=SWEEP, times=Timing(interval_seconds=30), asleep="no agent is online")
OFFLINE_SECONDS = "liveness.offline_seconds"


async def seen(tx: Transaction, agent_id: UUID, *, seconds_ago: float = 0.0) -> None:
    """Note a sign of life; who was silent is back, which people are told."""
    row = await tx.row(queries.SEEN, tx.account_id, agent_id, seconds_ago)
    if row is None:
        return
    if row["was_silent"]:
        await _tell(tx, await tx.row(queries.WHO, tx.account_id, agent_id), PresenceState.ONLINE)
    if row["was_silent"] or row["is_new"]:
        await standing.rouse(tx, STANDING)


def promise(tx: Transaction, principal: Principal, interval_seconds: int | None) -> None:
    """An agent says how often it will be seen, which counts until it says otherwise; its call itself was a sign of life."""
    if interval_seconds is not None and principal.kind is ActorKind.AGENT:
        tx.write(queries.PROMISED, tx.account_id, principal.id, interval_seconds)


async def sweep(tx: Transaction) -> int:
    """Take those offline that were silent for too long; when nobody is left the sweeps sleep. Answers how many."""
    stored = await tx.value(queries.OFFLINE_AFTER, tx.account_id)
    longest = meant(SETTINGS[OFFLINE_SECONDS], None if stored is None else msgspec.json.decode(stored))
    unseen = await tx.rows(queries.UNSEEN, tx.account_id, float(longest))
    rows = [row for row in unseen if rules.is_silent(row["unseen"], longest=longest, interval=row["interval_seconds"])]
    if rows:
        tx.write(queries.SILENT, tx.account_id, [row["id"] for row in rows], expect=len(rows))
        await tx.flush()
    for row in rows:
        await _tell(tx, row, PresenceState.OFFLINE)
    await standing.lull(tx, STANDING, unless=queries.IS_ANYBODY_ONLINE)
    return len(rows)


async def _tell(tx: Transaction, agent: Any, state: PresenceState) -> None:
    entity, payload = ("agent", agent["id"]), {"name": agent["name"]}
    event_id = events.record(tx, f"board:agent:{state}", entity=entity, sequence=agent["version"], actor=None, payload=payload)
    await tx.tell(PresenceChanged(agent_id=agent["id"], name=agent["name"], state=state, event_id=event_id))
