"""How well the runtime of one account does: objectives, key numbers with a baseline, and what nobody looks after."""

from datetime import timedelta
from typing import Any

import msgspec

from app.events import service as events
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.runtime.queries import insight as queries
from app.runtime.rules.insight import OBJECTIVES, Objective, improvement, reprocessing, share, standing
from app.runtime.schemas.insight import KpiView, ObjectiveView, OrphansView, OrphanView, SaveBaseline, SloView
from app.runtime.taxonomy import REGISTRY

COUNTED_MOST = 10_000
ORPHANS_MOST = 500
BASELINE = "runtime:kpi:baseline"
FORMULAS = {
    "reliability": "100 * succeeded / (succeeded + failed_terminal + dead_lettered)",
    "trace_coverage": "100 * ended commands with a complete chain of events / ended commands",
    "replay_success": "100 * resolved / replayed and no longer replaying, of the letters opened in the window",
    "mttr_seconds": "mean time from a letter's opening to its resolution, of the letters opened in the window",
    "reprocessing": "100 * attempts beyond the first / ended commands",
    "start_p95_seconds": "95th percentile from a command's creation to its first start",
    "run_p95_seconds": "95th percentile of how long first attempts ran",
}


class Facts(msgspec.Struct, frozen=True):
    now: Any
    since: Any
    ended: Any
    latency: Any
    backlog: Any
    letters: Any
    critical: int


async def facts(tx: Transaction, hours: int) -> Facts:
    now = await tx.value(queries.NOW)
    since = now - timedelta(hours=hours)
    window = (tx.account_id, since, COUNTED_MOST)
    alerts = {row["severity"]: row["many"] for row in await tx.rows(queries.OPEN_ALERTS, tx.account_id)}
    return Facts(
        now=now,
        since=since,
        ended=await tx.row(queries.RELIABILITY, *window),
        latency=await tx.row(queries.LATENCY, *window),
        backlog=await tx.row(queries.BACKLOG, tx.account_id, COUNTED_MOST),
        letters=await tx.row(queries.LETTERS_SINCE, *window),
        critical=alerts.get("critical", 0),
    )


async def slo(tx: Transaction, hours: int) -> SloView:
    """Each objective with its value over the last `hours`."""
    known = await facts(tx, hours)
    values = _values(known) | {
        "backlog_age": known.backlog["oldest"],
        "dead_letter_rate": share(known.letters["opened"], known.ended["ended"]),
        "critical_alerts": known.critical,
    }
    names = ("ended", "succeeded", "failed", "canceled", "attempts", "traced")
    counts = {name: float(known.ended[name]) for name in names}
    counts |= {"due": known.backlog["due"], "dead_letters_opened": known.letters["opened"]}
    return SloView(
        since=known.since,
        until=known.now,
        objectives=[_objective(objective, values[objective.name]) for objective in OBJECTIVES],
        counts=counts,
        counted_most=COUNTED_MOST,
    )


def _objective(objective: Objective, value: float | None) -> ObjectiveView:
    return ObjectiveView(
        name=objective.name,
        value=None if value is None else round(value, 3),
        unit=objective.unit,
        bound=objective.bound,
        direction="at least" if objective.is_floor else "at most",
        standing=standing(objective, value),
        meaning=objective.meaning,
    )


def _values(known: Facts) -> dict[str, float | None]:
    ended, letters = known.ended, known.letters
    return {
        "reliability": share(ended["succeeded"], ended["succeeded"] + ended["failed"]),
        "trace_coverage": share(ended["traced"], ended["ended"]),
        "replay_success": share(letters["resolved"], letters["replayed"]),
        "mttr_seconds": letters["seconds_to_resolve"],
        "reprocessing": reprocessing(attempts=ended["attempts"], commands=ended["ended"]),
        "start_p95_seconds": known.latency["start_p95"] if ended["ended"] else None,
        "run_p95_seconds": known.latency["run_p95"] if ended["ended"] else None,
    }


async def kpi(tx: Transaction, hours: int) -> KpiView:
    """The key numbers now, beside the newest baseline if one was saved."""
    known = await facts(tx, hours)
    values = _values(known)
    view = KpiView(since=known.since, until=known.now, values=values, formulas=FORMULAS)
    row = await tx.row(queries.BASELINE, tx.account_id)
    if row is None:
        return view
    baseline: dict[str, Any] = msgspec.json.decode(row["payload"])
    compared = {name: improvement(name, before=baseline["values"].get(name), now=value) for name, value in values.items()}
    return msgspec.structs.replace(
        view,
        baseline=baseline["values"],
        baseline_at=row["at"],
        improvement={name: fallen for name, (fallen, _) in compared.items()},
        is_reached={name: reached for name, (_, reached) in compared.items() if reached is not None},
    )


async def save_baseline(tx: Transaction, principal: Principal | None, body: SaveBaseline) -> KpiView:
    """Keep the numbers of now in the log; later ones are held against the newest."""
    known = await facts(tx, body.hours)
    values = _values(known)
    payload = {"values": values, "hours": body.hours}
    events.record(tx, BASELINE, entity=("account", tx.account_id), actor=principal, payload=payload)
    return KpiView(since=known.since, until=known.now, values=values, formulas=FORMULAS)


async def orphans(tx: Transaction) -> OrphansView:
    """What nobody looks after: unknown types, pauses that are gone, workers that are gone, replays that have ended."""
    known = [kind.name for kind in REGISTRY.all()]
    rows = await tx.rows(queries.ORPHANS, tx.account_id, known, ORPHANS_MOST)
    return OrphansView(items=[OrphanView(what=row["what"], id=row["id"], name=row["name"] or "") for row in rows])
