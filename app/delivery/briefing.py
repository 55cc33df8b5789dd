"""Loads what a prompt is made of, as it stands now."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.agents import identity as identities
from app.agents.layering import Compiled, compile_identity
from app.delivery import handover, profiles, queries, siting
from app.delivery.queries import prompts
from app.delivery.types import AuthorKind, DeliveryFacts
from app.delivery.types.prompts import (
    MentionableAgent,
    PromptAgent,
    PromptContext,
    PromptMessage,
    PromptNotification,
    PromptTask,
    PromptWakeup,
)
from app.delivery.types.runs import Tool
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind
from app.messages import positions
from app.messages.positions import Unread
from app.notifications.types import NotificationType
from app.policies import legacy
from app.policies.capabilities import effective
from app.policies.closing import may_close
from app.policies.rules import decide
from app.policies.types import AccountPolicy, Action, AgentActor, AgentFacts, Allowed, EffectivePolicy, Flag, Flags, TaskFacts
from app.tasks import rules as moves
from app.tasks.types import TaskStatus

THREAD_SHOWN = 25
UNREAD_SHOWN = 50


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """A notification with its task and crew, read in the transaction that decides about it."""

    notification: Any
    account: AccountPolicy
    crew: tuple[AgentFacts, ...]
    task: Any | None

    @property
    def agent(self) -> AgentFacts | None:
        return member(self.crew, self.notification["agent_id"])

    @property
    def policy(self) -> EffectivePolicy:
        return effective(self.agent or self.crew[0], self.account)


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a prompt is rendered from, and by which templates of the account, each with its name.

    `identity_before` is the digest of the identity that the session was last given.
    """

    context: PromptContext
    templates: tuple[tuple[str, str], ...]
    identity: Compiled
    identity_before: str | None


class _Talk(msgspec.Struct, frozen=True, kw_only=True):
    message: PromptMessage | None
    unread: Unread = Unread(rows=(), omitted=0, upto=0)
    thread: tuple[PromptMessage, ...] = ()
    omitted: int = 0


def member(crew: Sequence[AgentFacts], agent_id: UUID | None) -> AgentFacts | None:
    return next((one for one in crew if one.id == agent_id), None)


async def situation(tx: Transaction, row: Any) -> Situation:
    crew = await tx.rows(queries.CREW, tx.account_id, row["task_id"])
    task = await tx.row(queries.TASK, tx.account_id, row["task_id"]) if row["task_id"] else None
    account = legacy.in_force(tx, row["settings"])
    return Situation(notification=row, account=account, crew=tuple(_facts(one) for one in crew), task=task)


def _facts(row: Any) -> AgentFacts:
    flags = msgspec.json.decode(row["flags"], type=Flags)
    return AgentFacts(**(dict(row) | {"flags": flags}))


def facts(found: Situation) -> DeliveryFacts:
    """The facts of the policy table, as of now."""
    row, account = found.notification, found.account
    recipient, author = found.agent, member(found.crew, row["actor_id"])
    return DeliveryFacts(
        type=NotificationType(row["type"]),
        recipient_is_orchestrator=row["agent_id"] == account.orchestrator_agent_id,
        recipient_is_assigned=recipient is not None and recipient.is_assigned,
        recipient_is_reviewer=recipient is not None and found.policy.allows(Flag.IS_REVIEWER),
        author_kind=AuthorKind(row["actor_kind"]),
        author_is_orchestrator=author is not None and author.id == account.orchestrator_agent_id,
        author_is_recipient=row["actor_id"] == row["agent_id"],
        author_can_mention=author is None or effective(author, account).allows(Flag.CAN_MENTION_AGENTS),
        caused_by_type=NotificationType(row["caused_by_type"]) if row["caused_by_type"] else None,
        task_status=TaskStatus(found.task["status"]) if found.task else None,
        status_from=TaskStatus(row["status_from"]) if row["status_from"] else None,
        depth=row["depth"],
        is_coordination=bool(found.task and found.task["is_coordination"]),
        is_quarantined=bool(found.task and found.task["quarantined_at"]),
    )


async def context(
    tx: Transaction,
    found: Situation,
    *,
    base_url: str,
    tools: tuple[Tool, ...] = (),
    wakeup: PromptWakeup | None = None,
) -> Ground:
    """Everything that the prompt says, and the account's own templates to say it with."""
    row, account = found.notification, found.account
    talk = await _talk(tx, found)
    ground = await tx.row(prompts.GROUND, tx.account_id, row["agent_id"], row["session_id"])
    identity = compile_identity(identities.found(ground))
    leader = member(found.crew, account.orchestrator_agent_id)
    made = PromptContext(
        account_name=row["account_name"],
        agent=PromptAgent(id=row["agent_id"], slug=row["slug"], name=row["name"], role=row["role"]),
        notification=_notification(row),
        policy={flag.value: resolved.value for flag, resolved in found.policy.flags.items()},
        may_close=_may_close(found),
        is_orchestrator=found.policy.is_orchestrator,
        base_url=base_url,
        task=_task(found),
        message=talk.message,
        thread=talk.thread,
        thread_omitted=talk.omitted,
        repository=siting.facts(ground, found.task, executors=row["profiles"]),
        briefing=ground["briefing"],
        mentionable=tuple(_mentionable(one, account) for one in found.crew if one.id != row["agent_id"]),
        orchestrator_slug=leader.slug if leader else None,
        person_to_ask=found.task["person_to_ask"] if found.task else None,
        next_statuses=_next_statuses(found),
        handoffs=handover.left(found.task) if found.task else (),
        evidence=account.evidence,
        unread=tuple(_message(one) for one in talk.unread.rows),
        unread_omitted=talk.unread.omitted,
        seen=talk.unread.upto,
        tools=tools,
        wakeup=wakeup,
        identity=identity.prompt if profiles.needs_identity(row["profiles"]) else None,
    )
    templates = msgspec.json.decode(ground["templates"], type=dict[str, str]) if ground["templates"] else {}
    named = tuple(sorted(templates.items()))
    return Ground(context=made, templates=named, identity=identity, identity_before=ground["identity_sha256"])


async def _talk(tx: Transaction, found: Situation) -> _Talk:
    row, task = found.notification, found.task
    cause = await tx.row(queries.MESSAGE, tx.account_id, row["message_id"]) if row["message_id"] else None
    if task is None:
        return _Talk(message=_message(cause) if cause else None)
    unread = await positions.unread(tx, task["id"], row["agent_id"], most=UNREAD_SHOWN)
    # What was said since is unread, and the agent's own words among it are background.
    rows = await tx.rows(queries.THREAD, tx.account_id, task["id"], THREAD_SHOWN + len(unread.rows) + 1)
    new = {one["id"] for one in unread.rows} | ({cause["id"]} if cause else set())
    # Behind unread messages that are not shown there is nothing to show.
    behind = [] if unread.omitted else [one for one in rows if one["id"] not in new][:THREAD_SHOWN]
    omitted = task["messages"] - len(new) - unread.omitted - len(behind)
    return _Talk(
        message=_message(cause) if cause else None,
        unread=unread,
        thread=tuple(_message(one) for one in reversed(behind)),
        omitted=max(0, omitted),
    )


def _notification(row: Any) -> PromptNotification:
    before = TaskStatus(row["status_from"]) if row["status_from"] else None
    kind = NotificationType(row["type"])
    return PromptNotification(id=row["id"], type=kind, title=row["title"], body=row["body"], status_from=before)


def _may_close(found: Situation) -> bool:
    agent = found.agent
    return agent is not None and isinstance(may_close(agent, found.crew, found.account), Allowed)


def _next_statuses(found: Situation) -> tuple[TaskStatus, ...]:
    """What this agent may move the task to now: legal by the table and granted by the policy."""
    agent = found.agent
    if found.task is None or agent is None:
        return ()
    status = TaskStatus(found.task["status"])
    actor = AgentActor(agent, found.policy)
    task = TaskFacts(status=status, crew=found.crew)
    return tuple(
        goal
        for goal in moves.allowed(status)
        if isinstance(decide(Action.TASK_MOVE, actor=actor, account=found.account, task=task, goal=goal), Allowed)
    )


def _task(found: Situation) -> PromptTask | None:
    row = found.task
    if row is None:
        return None
    return PromptTask(
        id=row["id"],
        title=row["title"],
        status=TaskStatus(row["status"]),
        description=row["description"],
        priority=row["priority"],
        version=row["version"],
        labels=tuple(row["labels"]),
        due=row["due_at"],
        blocked_reason=row["blocked_reason"],
        assigned_slugs=tuple(one.slug for one in found.crew if one.is_assigned),
        criteria=handover.criteria(row),
    )


def _message(row: Any) -> PromptMessage:
    author = AuthorKind(ActorKind(row["author_kind"]).value)
    return PromptMessage(
        id=row["id"], author_kind=author, author_name=row["author_name"], content=row["content"], at=row["created_at"]
    )


def _mentionable(agent: AgentFacts, account: AccountPolicy) -> MentionableAgent:
    is_reviewer = effective(agent, account).allows(Flag.IS_REVIEWER)
    return MentionableAgent(slug=agent.slug, name=agent.name, role=agent.role, is_reviewer=is_reviewer)
