"""What a template sees of a prompt's context: the board's own values as they are, everything from outside as seals."""

from collections.abc import Iterator

from app.delivery import viewing_repository
from app.delivery.fence import inline
from app.delivery.outside import NAME_LIMIT, Outside
from app.delivery.types.prompts import (
    MentionableAgent,
    PromptContext,
    PromptCriterion,
    PromptHandoff,
    PromptStep,
    PromptTask,
    PromptWakeup,
    RepositoryFacts,
)
from app.notifications.types import NotificationType
from app.tasks.types import TaskStatus

BODY_LIMIT = 15_000
IDENTITY_LIMIT = 30_000
TITLE_LIMIT = 500
THREAD_LENGTH, THREAD_MESSAGE_LIMIT = 25, 1_500
UNREAD_LENGTH, UNREAD_LIMIT, UNREAD_LEAST = 50, 50_000, 1_000
MENTIONABLE_LENGTH = 25
LABELS_LENGTH = 20
CRITERION_LIMIT = 500
CRITERIA_LENGTH = 30
HANDOFF_LIMIT = 10_000
HANDOFFS_LENGTH = 3
STEPS_LENGTH = 12
ORCHESTRATOR_STEPS_LENGTH = 200
STEP_LIMIT = 240
WAKEUP_THREAD_LENGTH = 8
WAKEUP_MESSAGE_LIMIT = 220

TALK = frozenset({NotificationType.MENTION, NotificationType.THREAD_UPDATE})
# What a prompt may speak of by name; hyphens are for HTTP, underscores for tools.
VERBS = (
    "task_load",
    "next",
    "task_claim",
    "task_status",
    "task_evidence",
    "task_message",
    "task_create",
    "task_assign",
    "response_request",
)

View = dict[str, object]


def view(context: PromptContext, *, outside: Outside) -> View:
    """Every name that a template may use."""
    agent = context.agent
    shown = context.mentionable[:MENTIONABLE_LENGTH]
    return {
        "account": {"name": outside.short(context.account_name)},
        "agent": {"name": outside.short(agent.name), "role": outside.short(agent.role), "slug": outside.short(agent.slug)},
        "notification": _notification(context, outside=outside),
        "message": outside.message(context.message, limit=BODY_LIMIT) if context.message else None,
        "unread": _unread(context, outside=outside),
        "task": _task(context.task, outside=outside) if context.task else None,
        "handoffs": outside.rows(_handoff(one, outside=outside) for one in context.handoffs[:HANDOFFS_LENGTH]),
        "evidence": context.evidence.value,
        "thread": _thread(context, outside=outside),
        "repository": viewing_repository.shown(context.repository or RepositoryFacts(), outside=outside),
        "briefing": outside.block(context.briefing, label="briefing document", is_known=True),
        "mentionable": outside.rows(_mentionable(other, outside=outside) for other in shown),
        "mentionable_omitted": len(context.mentionable) - len(shown),
        "policy": dict(context.policy),
        "may_close": context.may_close,
        "next_statuses": outside.rows(_next_statuses(context)),
        "identity": outside.trusted(context.identity, limit=IDENTITY_LIMIT),
        "base_url": context.base_url.rstrip("/"),
        "wakeup": _wakeup(context.wakeup, context=context, outside=outside) if context.wakeup else None,
        **_people(context, outside=outside),
        **_verbs(context, outside=outside),
    }


def _notification(context: PromptContext, *, outside: Outside) -> View:
    said = context.notification
    return {
        "id": said.id,
        "type": said.type.value,
        "title": outside.short(said.title, TITLE_LIMIT),
        "body": outside.block(_body(context), label="notification text", limit=BODY_LIMIT),
        "status_from": said.status_from.value if said.status_from else None,
    }


def _people(context: PromptContext, *, outside: Outside) -> View:
    own, assigned = context.agent.slug, context.task.assigned_slugs if context.task else ()
    others = tuple(slug for slug in assigned if slug != own)
    orchestrator = context.orchestrator_slug
    return {
        "is_orchestrator": context.is_orchestrator,
        "is_assigned": own in assigned,
        "orchestrator": {"slug": outside.short(orchestrator)} if orchestrator else None,
        "ask_orchestrator": orchestrator is not None and not context.is_orchestrator,
        "person": outside.short(context.person_to_ask) if context.person_to_ask else None,
        "shared": own in assigned and bool(others),
        "others": outside.shorts(others),
    }


def _verbs(context: PromptContext, *, outside: Outside) -> View:
    """How each verb is written, and which of them this turn may use; `tools` are the others that it was given."""
    given = {tool.name for tool in context.tools}
    allowed = given & set(VERBS) if given else _allowed(context)
    return {
        "is_http": not given,
        "verbs": {name: name if given else name.replace("_", "-") for name in VERBS},
        "offered": {name: name in allowed for name in VERBS},
        "tools": outside.rows(sorted(given - set(VERBS))),
        "can_block": bool(context.task or context.wakeup) and context.policy["can_modify_task_status"],
    }


def _allowed(context: PromptContext) -> set[str]:
    # The first answer to an assignment starts nothing.
    if context.notification.type is NotificationType.ASSIGNMENT:
        return {"task_load"}
    policy, allowed = context.policy, {"task_load", "next", "task_message"}
    if policy["can_modify_task_status"]:
        allowed |= {"task_claim", "task_status"}
        has_criteria = context.task is not None and (bool(context.task.criteria) or context.evidence.value != "off")
        allowed |= {"task_evidence"} if has_criteria or context.wakeup else set()
    allowed |= {"task_create"} if policy["can_create_tasks"] else set()
    allowed |= {"task_assign"} if context.is_orchestrator else set()
    return allowed | ({"response_request"} if policy["can_mention_agents"] else set())


def _body(context: PromptContext) -> str:
    """The notification's text, unless the prompt shows it anyway: one copy is enough."""
    body = context.notification.body.strip().removesuffix("\u2026").removesuffix("...")
    messages = (context.message, *context.unread) if context.notification.type in TALK else (context.message,)
    is_message = any(one is not None and body in one.content for one in messages)
    is_handoff = any(body == line.strip() for one in context.handoffs for _, lines in one.parts for line in lines)
    return "" if is_message or is_handoff else context.notification.body


def _unread(context: PromptContext, *, outside: Outside) -> View:
    """What the agent has not seen but for the message to answer; many share the room that there is."""
    above = context.message.id if context.message else None
    behind = [one for one in context.unread if one.id != above]
    shown = behind[-UNREAD_LENGTH:]
    limit = min(BODY_LIMIT, max(UNREAD_LEAST, UNREAD_LIMIT // max(1, len(shown))))
    sealed = (outside.message(entry, limit=limit) for entry in shown)
    return {
        "messages": outside.rows(entry for entry in sealed if entry is not None),
        "omitted": context.unread_omitted + len(behind) - len(shown),
    }


def _thread(context: PromptContext, *, outside: Outside) -> View:
    above = {one.id for one in context.unread} | ({context.message.id} if context.message else set())
    behind = [entry for entry in context.thread if entry.id not in above]
    shown = behind[-THREAD_LENGTH:]
    sealed = (outside.message(entry, limit=THREAD_MESSAGE_LIMIT, is_known=True) for entry in shown)
    return {
        "messages": outside.rows(entry for entry in sealed if entry is not None),
        "omitted": context.thread_omitted + len(behind) - len(shown),
    }


def _task(task: PromptTask, *, outside: Outside) -> View:
    return {
        "id": task.id,
        "title": outside.short(task.title, TITLE_LIMIT),
        "status": task.status.value,
        "version": task.version,
        "priority": task.priority,
        "due": task.due.isoformat() if task.due else None,
        "blocked_reason": outside.short(task.blocked_reason, TITLE_LIMIT) if task.blocked_reason else None,
        "labels": outside.shorts(task.labels[:LABELS_LENGTH]),
        "assigned": outside.shorts(task.assigned_slugs),
        "description": outside.block(task.description, label="task description"),
        "criteria": outside.rows(_criterion(one, outside=outside) for one in task.criteria[:CRITERIA_LENGTH]),
    }


def _criterion(one: PromptCriterion, *, outside: Outside) -> View:
    is_met = "met" if one.is_met else "not met"
    verdict = f"{is_met}, {one.verdict.value.replace('_', ' ')}" if one.verdict else "no verdict yet"
    return {"position": one.position, "text": outside.short(one.text, CRITERION_LIMIT), "verdict": verdict}


def _handoff(one: PromptHandoff, *, outside: Outside) -> str | None:
    lines: list[str] = []
    for heading, said in one.parts:
        lines += [f"{heading}:", *(f"- {line}" for line in said)] if heading else said
    label = (
        f"{one.kind.value} handoff by {one.author_kind} {inline(one.author_name, NAME_LIMIT)}, {one.at.isoformat(' ', 'seconds')}"
    )
    return outside.block("\n".join(lines), label=label, limit=HANDOFF_LIMIT)


def _wakeup(wakeup: PromptWakeup, *, context: PromptContext, outside: Outside) -> View:
    shown = wakeup.steps[: ORCHESTRATOR_STEPS_LENGTH if context.is_orchestrator else STEPS_LENGTH]
    said = (outside.message(one, limit=WAKEUP_MESSAGE_LIMIT) for one in wakeup.thread[-WAKEUP_THREAD_LENGTH:])
    return {
        "at": wakeup.at.isoformat(" ", "seconds"),
        "steps": outside.rows(_step(one, outside=outside) for one in shown),
        "omitted": wakeup.omitted + len(wakeup.steps) - len(shown),
        "focus": wakeup.focus,
        "messages": outside.rows(one for one in said if one is not None),
    }


def _step(one: PromptStep, *, outside: Outside) -> View:
    return {
        "id": one.id,
        "title": outside.short(one.title),
        "status": one.status.value,
        "description": outside.short(one.description, STEP_LIMIT) if one.description.strip() else None,
        "moves_next": outside.short(one.moves_next, STEP_LIMIT),
        "by_agent": one.by_agent,
    }


def _mentionable(other: MentionableAgent, *, outside: Outside) -> View:
    return {
        "slug": outside.short(other.slug, is_known=True),
        "name": outside.short(other.name, is_known=True),
        "role": outside.short(other.role, is_known=True),
        "is_reviewer": other.is_reviewer,
    }


def _next_statuses(context: PromptContext) -> Iterator[str]:
    return (status.value for status in context.next_statuses if context.may_close or status is not TaskStatus.DONE)
