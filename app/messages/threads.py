"""Reading a thread from its beginning, and a task's whole history."""

from app.events import reading as log
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped
from app.messages import queries
from app.messages.schemas import AgentHistory, AgentThread, HistoryView
from app.messages.service import view
from app.tasks import reading

MESSAGES_DEFAULT = 25
EVENTS_DEFAULT = 30


async def oldest_first(tx: Transaction, principal: Principal, asked: AgentThread) -> Page:
    """A page of the thread for whoever looks over all tasks."""
    await reading.survey(tx, principal)
    await reading.one(tx, asked.task_id)
    size = clamped(asked.limit)
    rows = await tx.rows(queries.OLDEST, tx.account_id, asked.task_id, asked.cursor, size + 1)
    items = [view(row) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


async def history(tx: Transaction, asked: AgentHistory) -> HistoryView:
    """The newest of what was said, oldest first, and the newest of what happened, newest first."""
    task = await reading.one(tx, asked.task_id)
    said = clamped(asked.message_limit, default=MESSAGES_DEFAULT)
    happened = clamped(asked.event_limit, default=EVENTS_DEFAULT)
    rows = await tx.rows(queries.NEWEST, tx.account_id, asked.task_id, None, said)
    return HistoryView(
        task=task,
        messages=[view(row) for row in reversed(rows)],
        events=await log.newest_of_entity(tx, kind="task", entity_id=asked.task_id, size=happened),
        message_limit=said,
        event_limit=happened,
    )
