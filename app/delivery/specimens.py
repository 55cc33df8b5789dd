"""Contexts to try templates on: every kind of notification for every role, with nothing real in them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

from app.delivery.types import AuthorKind
from app.delivery.types.prompts import (
    MentionableAgent,
    PromptAgent,
    PromptContext,
    PromptCriterion,
    PromptHandoff,
    PromptMessage,
    PromptNotification,
    PromptStep,
    PromptTask,
    PromptWakeup,
    RepositoryFacts,
    Site,
)
from app.delivery.types.runs import Tool
from app.notifications.types import NotificationType
from app.policies.types import SYSTEM_DEFAULTS, Evidence
from app.tasks.types import HandoffKind, TaskStatus, Verdict

AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG = 20_000
ROLES = ("worker", "reviewer", "orchestrator", "reader")
FACTS = RepositoryFacts(
    name="name", url="url", base_branch="branch", branch_prefix="prefix", writable_dir="directory", notes="notes"
)
SITES = {
    TaskStatus.INBOX: Site.OFF,
    TaskStatus.ASSIGNED: Site.LATER,
    TaskStatus.IN_PROGRESS: Site.READY,
    TaskStatus.REVIEW: Site.READY,
    TaskStatus.DONE: Site.FAILED,
    TaskStatus.BLOCKED: Site.MAKING,
    TaskStatus.ARCHIVED: Site.LATER,
}
TOOLS = (
    "task_load",
    "task_status",
    "task_evidence",
    "task_message",
    "task_create",
    "task_assign",
    "response_request",
    "document",
)


@dataclass(frozen=True, slots=True)
class Specimen:
    name: str
    context: PromptContext


def specimens() -> Iterator[Specimen]:
    """Each kind, role and status, with everything there can be and with as little; then the longest."""
    for kind, role, is_full in product(NotificationType, ROLES, (True, False)):
        statuses = tuple(TaskStatus) if is_full and kind is not NotificationType.WAKEUP else (TaskStatus.REVIEW,)
        for status in statuses:
            words = (kind.value, role, status.value, "full" if is_full else "bare")
            yield Specimen(" ".join(words), _context(kind, role, status, is_full=is_full))
    yield from longest()


def longest() -> Iterator[Specimen]:
    """As much as a prompt can hold."""
    for kind in (NotificationType.THREAD_UPDATE, NotificationType.WAKEUP):
        base = _context(kind, "orchestrator", TaskStatus.REVIEW, is_full=True)
        said = tuple(replace(_message(number), content="x" * LONG) for number in range(80))
        talk = replace(base, message=said[0], unread=said[1:51], thread=said[51:], briefing="x" * LONG, identity="x" * 2 * LONG)
        if base.wakeup is not None:
            step = replace(base.wakeup.steps[0], title="x" * LONG, description="x" * LONG, moves_next="x" * LONG)
            talk = replace(base, wakeup=replace(base.wakeup, steps=(step,) * 250, thread=said), briefing="x" * LONG)
        if talk.task is not None:
            criterion = PromptCriterion(position=1, text="x" * LONG)
            task = replace(talk.task, title="x" * LONG, description="x" * LONG, criteria=(criterion,) * 40)
            handoff = replace(_handoff(), parts=(("", ("x" * LONG,)),))
            talk = replace(talk, task=task, handoffs=(handoff,) * 5)
        yield Specimen(f"{kind.value} at its longest", replace(talk, repository=RepositoryFacts(notes="x" * LONG)))


def _context(kind: NotificationType, role: str, status: TaskStatus, *, is_full: bool) -> PromptContext:
    policy = {flag.value: value for flag, value in SYSTEM_DEFAULTS.items()}
    if role == "reader":
        policy = dict.fromkeys(policy, False)
    if role == "orchestrator":
        policy["can_create_tasks"] = True
    is_wakeup = kind is NotificationType.WAKEUP
    base = PromptContext(
        account_name="account",
        agent=PromptAgent(id=UUID(int=1), slug="agent-slug", name="name", role=""),
        notification=PromptNotification(id=UUID(int=2), type=kind, title="title", body=""),
        policy=policy,
        may_close=role == "reviewer",
        is_orchestrator=role == "orchestrator",
        base_url="http://board.example",
        wakeup=_wakeup(is_full=is_full) if is_wakeup else None,
    )
    return _filled(base, status, is_wakeup=is_wakeup) if is_full else base


def _filled(base: PromptContext, status: TaskStatus, *, is_wakeup: bool) -> PromptContext:
    said = tuple(_message(number) for number in range(4))
    return replace(
        base,
        notification=replace(base.notification, body="text", status_from=TaskStatus.REVIEW),
        task=None if is_wakeup else _task(status),
        message=None if is_wakeup else said[3],
        thread=() if is_wakeup else said[:2],
        thread_omitted=3,
        unread=() if is_wakeup else said[2:],
        unread_omitted=2,
        repository=FACTS if is_wakeup else replace(FACTS, branch="branch", worktree="path", problem="why", site=SITES[status]),
        briefing="briefing",
        mentionable=tuple(
            MentionableAgent(slug=f"reviewer-slug-{n}", name="name", role="role", is_reviewer=n % 2 == 0) for n in range(30)
        ),
        orchestrator_slug="agent-slug" if base.is_orchestrator else "orchestrator-slug",
        person_to_ask="person",
        next_statuses=(TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.DONE),
        handoffs=() if is_wakeup else (_handoff(),),
        evidence=Evidence.CHECKED,
        identity="## Rules\n- identity\n",
        tools=tuple(Tool(name=name, description="", parameters={}) for name in TOOLS) if status is TaskStatus.REVIEW else (),
    )


def _message(number: int) -> PromptMessage:
    kind = AuthorKind.AGENT if number % 2 else AuthorKind.PERSON
    return PromptMessage(id=UUID(int=10 + number), author_kind=kind, author_name="name", content=f"message {number}", at=AT)


def _task(status: TaskStatus) -> PromptTask:
    return PromptTask(
        id=UUID(int=3),
        title="title",
        status=status,
        description="description",
        priority=3,
        version=2,
        labels=("label", "label"),
        due=AT,
        blocked_reason="reason",
        assigned_slugs=("agent-slug", "reviewer-slug"),
        criteria=(PromptCriterion(position=1, text="text", verdict=Verdict.CLAIMED, is_met=True),),
    )


def _handoff() -> PromptHandoff:
    parts = (("", ("summary",)), ("Open questions", ("question",)))
    return PromptHandoff(kind=HandoffKind.REWORK, author_kind=AuthorKind.AGENT, author_name="name", at=AT, parts=parts)


def _wakeup(*, is_full: bool) -> PromptWakeup:
    if not is_full:
        return PromptWakeup(at=AT, steps=())
    steps = tuple(
        PromptStep(
            id=UUID(int=20 + number),
            title="title",
            status=TaskStatus.IN_PROGRESS,
            description="description" if number else "",
            moves_next="what moves it",
            by_agent=number % 2 == 0,
        )
        for number in range(14)
    )
    return PromptWakeup(at=AT, steps=steps, omitted=3, focus=UUID(int=20), thread=tuple(_message(n) for n in range(3)))
