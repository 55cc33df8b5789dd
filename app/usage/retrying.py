"""Answers that are paid for again because the ones before said nothing: many of them want a person."""

from app.kernel.transaction import Transaction
from app.runtime import alerts
from app.runtime.types import AlertSeverity
from app.usage import queries
from app.usage.rules import retries, words
from app.usage.types import Run, Unit

ALERT = "retry_cost"


async def watch(tx: Transaction, run: Run) -> None:
    """Raise an alert where much of what an agent's answers cost in a day went into asking anew; this run just was."""
    row = await tx.row(queries.ASKED_ANEW, tx.account_id, run.agent_id)
    anew, answers = row["anew"] + 1, row["answers"] + 1
    if not retries.are_many(anew, answers):
        return
    cost, slug = words.amount(row["cost_usd"], Unit.USD), row["slug"] or run.agent_id
    await alerts.raise_alert(
        tx,
        fingerprint=f"{ALERT}:{run.agent_id}",
        kind=ALERT,
        severity=AlertSeverity.WARNING,
        message=f"{anew} of the {answers} answers of {slug} in a day were asked for anew, for {cost} so far",
        entity=("agent", run.agent_id),
    )
