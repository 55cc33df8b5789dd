"""One scrape: what all processes have counted, and what the database says of the runtime now."""

from typing import Any

from app.observability import queries
from app.observability.metrics import Family, rendered
from app.observability.publishing import Publisher

Samples = list[tuple[str, dict[str, str], float]]


async def scrape(pool: Any, publisher: Publisher) -> bytes:
    """Everything as Prometheus reads it; no label names an account, a task or an agent."""
    found = [*await _depths(pool), *await _letters(pool), *await _budgets(pool), *await _database(pool)]
    return rendered([*await publisher.all(), *found])


async def _depths(pool: Any) -> list[Family]:
    commands: Samples = []
    due: Samples = []
    ages: dict[tuple[str, str, str], float] = {}
    for row in await pool.fetch(queries.DEPTHS):
        labels = {name: row[name] for name in ("queue", "type", "profile")}
        commands.append(("callboard_commands", labels | {"state": row["state"]}, row["many"]))
        if row["due"]:
            due.append(("callboard_commands_due", labels | {"state": row["state"]}, row["due"]))
            key = (row["queue"], row["type"], row["profile"])
            ages[key] = max(ages.get(key, 0.0), row["oldest"])
    oldest: Samples = [
        ("callboard_oldest_due_seconds", {"queue": queue, "type": kind, "profile": profile}, age)
        for (queue, kind, profile), age in ages.items()
    ]
    return [
        Family("callboard_commands", "gauge", "Commands that have not ended.", commands),
        Family("callboard_commands_due", "gauge", "Commands that could start now.", due),
        Family("callboard_oldest_due_seconds", "gauge", "How long the oldest due command has waited.", oldest),
    ]


async def _letters(pool: Any) -> list[Family]:
    names = ("type", "profile", "reason_class", "state")
    rows = await pool.fetch(queries.LETTERS)
    samples: Samples = [("callboard_dead_letters", {name: row[name] for name in names}, row["many"]) for row in rows]
    return [Family("callboard_dead_letters", "gauge", "Dead letters that wait for somebody.", samples)]


async def _budgets(pool: Any) -> list[Family]:
    many: Samples = []
    soft: Samples = []
    highest: Samples = []
    for row in await pool.fetch(queries.SHARES):
        labels = {"scope": row["scope"], "unit": row["unit"]}
        many.append(("callboard_budgets", labels, row["many"]))
        soft.append(("callboard_budgets_soft", labels, row["soft"]))
        highest.append(("callboard_budget_share_highest", labels, row["highest"]))
    return [
        Family("callboard_budgets", "gauge", "Budgets that bind.", many),
        Family("callboard_budgets_soft", "gauge", "Budgets past their soft limit.", soft),
        Family("callboard_budget_share_highest", "gauge", "How much of the fullest budget is spent; 1 is all.", highest),
    ]


async def _database(pool: Any) -> list[Family]:
    workers, oldest = await pool.fetchval(queries.WORKERS), await pool.fetchval(queries.OLDEST_TRANSACTION)
    return [
        Family("callboard_workers", "gauge", "Workers that beat within 15 seconds.", [("callboard_workers", {}, workers)]),
        Family(
            "callboard_oldest_transaction_seconds",
            "gauge",
            "Age of the oldest transaction that holds a snapshot; a long one slows every queue.",
            [("callboard_oldest_transaction_seconds", {}, oldest)],
        ),
    ]
