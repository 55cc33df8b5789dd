"""A wake-up by the clock: whether there is anything for the agent to do, what its prompt shows, and where its words go."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from app.agentapi.outlook import Outlook, outlook
from app.agents import rules
from app.agents.types import Look, WakeOutcome
from app.delivery.briefing import Situation
from app.delivery.queries import wakeups as queries
from app.delivery.rules import listed, wake_answer
from app.delivery.types import AuthorKind
from app.delivery.types.prompts import PromptMessage, PromptStep, PromptWakeup
from app.kernel.errors import Forbidden, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.messages import queries as threads
from app.messages import service as messages
from app.notifications.types import NotificationType
from app.policies.types import EffectivePolicy, Flag
from app.tasks.types import TaskStatus

SHOWN_MOST = 12
CONSIDERED_MOST = 200
# Looked at closely; the others wait until these are out of the way.
WEIGHED_MOST = 40
DESCRIPTION_MOST, THREAD_MOST, MESSAGE_MOST = 240, 8, 220
ORDER = (TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.ASSIGNED, TaskStatus.INBOX, TaskStatus.BLOCKED)
WITHOUT_OWNER = frozenset({TaskStatus.INBOX, TaskStatus.REVIEW, TaskStatus.BLOCKED})


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent was shown before, each task with its mark, and when."""

    shown: dict[UUID, str]
    pauses: int
    woken_at: Any
    minutes: int
    now: Any


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at an agent comes to; `listed` are the tasks to show, `shown` is what it will have been shown then."""

    look: Look
    listed: tuple[UUID, ...] = ()
    shown: dict[UUID, str] = {}


async def find(tx: Transaction, agent: Principal, policy: EffectivePolicy, memory: Memory) -> Finding:
    """Whether there is anything to do for the agent that it was not shown already, or not for long."""
    rows = await _concerning(tx, agent, policy)
    leads = policy.is_orchestrator
    ids = sorted(rows, key=lambda each: _order(rows[each], memory.shown, leads=leads))
    seen = {one.card.id: one for one in await outlook(tx, agent, ids[:WEIGHED_MOST])}
    marks = {each: _mark(rows[each], one) for each, one in seen.items() if _is_turn(rows[each], one, leads=leads)}
    look = rules.look(
        marks, shown=memory.shown, pauses=memory.pauses, woken_at=memory.woken_at, minutes=memory.minutes, now=memory.now
    )
    unweighed = {each: mark for each, mark in memory.shown.items() if each in rows and each not in seen}
    if look.outcome is not WakeOutcome.WOKEN:
        return Finding(look=look, shown=memory.shown)
    chosen = sorted(seen, key=lambda each: (each not in look.fresh, each not in marks))[:SHOWN_MOST]
    shown = unweighed | rules.remembered(marks, shown=memory.shown, listed=chosen)
    return Finding(look=look, listed=tuple(chosen), shown=shown)


async def _concerning(tx: Transaction, agent: Principal, policy: EffectivePolicy) -> Mapping[UUID, Any]:
    office = (policy.allows(Flag.IS_REVIEWER), policy.is_orchestrator)
    rows = await tx.rows(queries.CONCERNING, tx.account_id, agent.id, *office, CONSIDERED_MOST)
    return {row["id"]: row for row in rows}


def _order(row: Any, shown: Mapping[UUID, str], *, leads: bool) -> tuple[Any, ...]:
    """Probable turns first, among them what changed; then as the agent goes through them, who leads from the stalest on."""
    status, at = TaskStatus(row["status"]), row["updated_at"].timestamp()
    is_probable = row["is_own"] or not leads or status in WITHOUT_OWNER or not row["is_owned"]
    is_known = shown.get(row["id"], "").startswith(_version(row))
    return bool(row["is_held"]), not is_probable, is_known, ORDER.index(status), at if leads else -at, row["id"]


def _version(row: Any) -> str:
    return f"{row['version']}:{row['person_said'] or 0}:"


def _mark(row: Any, one: Outlook) -> str:
    """What makes the task another one for the agent: its words alone do not, or it would wake itself for ever."""
    return f"{_version(row)}{one.waits_for}"


def _is_turn(row: Any, one: Outlook, *, leads: bool) -> bool:
    """Blocked tasks are an assignee's turn only once a person answered."""
    return one.is_turn and (row["answered"] or leads)


async def context(tx: Transaction, agent: Principal, policy: EffectivePolicy, *, body: str, now: Any) -> PromptWakeup:
    """What the prompt shows of the tasks that the wake-up named, as they are now; what is over by now is left out."""
    rows = await _concerning(tx, agent, policy)
    seen = await outlook(tx, agent, [each for each in listed(body) if each in rows])
    leads = policy.is_orchestrator
    steps = tuple(_step(one, is_turn=_is_turn(rows[one.card.id], one, leads=leads)) for one in seen)
    focus = next((one.id for one in steps if one.by_agent), None)
    said = await tx.rows(threads.NEWEST, tx.account_id, focus, None, THREAD_MOST) if focus else []
    return PromptWakeup(
        at=now,
        steps=steps,
        omitted=len(rows) - len(steps),
        focus=focus,
        thread=tuple(_message(row) for row in reversed(said)),
    )


async def of(tx: Transaction, found: Situation) -> PromptWakeup | None:
    """What the prompt of this notification shows of the agent's tasks, if it is a wake-up."""
    row = found.notification
    if row["type"] != NotificationType.WAKEUP:
        return None
    agent = Principal(kind=ActorKind.AGENT, id=row["agent_id"], account_id=tx.account_id, name=row["name"])
    return await context(tx, agent, found.policy, body=row["body"], now=row["now"])


def is_idle(shown: PromptWakeup) -> bool:
    """Whether nothing is left of what the agent was to be woken for."""
    return not any(one.by_agent for one in shown.steps)


def _step(one: Outlook, *, is_turn: bool) -> PromptStep:
    card = one.card
    description = card.description[:DESCRIPTION_MOST]
    return PromptStep(
        id=card.id, title=card.title, status=card.status, description=description, moves_next=one.words, by_agent=is_turn
    )


def _message(row: Any) -> PromptMessage:
    author = AuthorKind(ActorKind(row["author_kind"]).value)
    content = row["content"][:MESSAGE_MOST]
    return PromptMessage(id=row["id"], author_kind=author, author_name=row["author_name"], content=content, at=row["created_at"])


async def place(tx: Transaction, agent: Principal, notification_id: UUID, text: str, *, depth: int) -> UUID | None:
    """Post what the agent said in answer to a wake-up on the task that it names, once; answers with it.

    None when the words name none of the tasks that it was shown, or may not be said there any more: then they are not posted.
    """
    body = await tx.value(queries.SHOWN, tx.account_id, notification_id)
    answer = wake_answer(text)
    if body is None or answer is None or answer.task_id not in listed(body):
        return None
    try:
        await messages.post(tx, agent, answer.task_id, answer.text, answers=notification_id, depth=depth)
    except (Forbidden, Missing):
        return None
    return answer.task_id


def body_of(task_ids: Iterable[UUID]) -> str:
    """The text of a wake-up, from which `listed` reads its tasks again."""
    return "\n".join(f"Task: {each}" for each in task_ids)
