"""Worlds for the delivery tests: one full prompt context, and facts with everything off."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from app.delivery.types import AuthorKind, DeliveryFacts
from app.delivery.types.prompts import (
    MentionableAgent,
    PromptAgent,
    PromptContext,
    PromptCriterion,
    PromptHandoff,
    PromptMessage,
    PromptNotification,
    PromptTask,
    RepositoryFacts,
)
from app.notifications.types import NotificationType
from app.tasks.types import HandoffKind, TaskStatus, Verdict

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
POLICY = {
    "can_create_tasks": False,
    "can_modify_task_status": True,
    "can_create_documents": True,
    "can_mention_agents": True,
    "is_reviewer": False,
    "can_mark_done": False,
}


def tokens():
    """Marks that differ and repeat from run to run."""
    numbers = count(1)
    return lambda: f"{next(numbers):016x}"


def message(number: int = 0, content: str = "Please look at the log.", **changes: Any) -> PromptMessage:
    fields: dict[str, Any] = {
        "id": UUID(int=1000 + number),
        "author_kind": AuthorKind.PERSON,
        "author_name": "Ada",
        "content": content,
        "at": NOW + timedelta(minutes=number),
    }
    return PromptMessage(**(fields | changes))


def task(**changes: Any) -> PromptTask:
    fields: dict[str, Any] = {
        "id": UUID(int=7),
        "title": "Fix the login",
        "status": TaskStatus.IN_PROGRESS,
        "description": "People cannot log in.",
        "priority": 2,
        "version": 4,
        "labels": ("auth", "urgent"),
        "due": date(2030, 2, 3),
        "assigned_slugs": ("tester",),
        "criteria": (
            PromptCriterion(position=1, text="People log in."),
            PromptCriterion(position=2, text="It is tested.", verdict=Verdict.CLAIMED, is_met=False),
        ),
    }
    return PromptTask(**(fields | changes))


def handoff(**changes: Any) -> PromptHandoff:
    fields: dict[str, Any] = {
        "kind": HandoffKind.REWORK,
        "author_kind": AuthorKind.AGENT,
        "author_name": "Cris",
        "at": NOW,
        "parts": (("", ("The logout is missing.",)), ("Open questions", ("Who logs out?", "When?"))),
    }
    return PromptHandoff(**(fields | changes))


REPOSITORY = RepositoryFacts(
    name="shop",
    url="https://git.example/shop",
    base_branch="trunk",
    branch_prefix="crew/",
    writable_dir="/srv/shop",
    notes="Run the checks before review.",
)


def context(kind: NotificationType = NotificationType.THREAD_UPDATE, **changes: Any) -> PromptContext:
    asked = message(3, "Where is the log?")
    base = PromptContext(
        account_name="Acme",
        agent=PromptAgent(id=UUID(int=1), slug="tester", name="Tess", role="Engineer"),
        notification=PromptNotification(id=UUID(int=2), type=kind, title="Ada wrote in Fix the login", body="Where is the log?"),
        policy=POLICY,
        may_close=False,
        is_orchestrator=False,
        base_url="http://board.example/",
        task=task(),
        message=asked,
        thread=(message(1), message(2, "On it.", author_kind=AuthorKind.AGENT, author_name="Tess"), asked),
        repository=REPOSITORY,
        briefing="We ship on Fridays.",
        mentionable=(
            MentionableAgent(slug="conductor", name="Cora", role="Coordinator", is_reviewer=False),
            MentionableAgent(slug="critic", name="Cris", role="Checks work", is_reviewer=True),
        ),
        orchestrator_slug="conductor",
        person_to_ask="Ada",
        next_statuses=(TaskStatus.REVIEW, TaskStatus.BLOCKED),
        handoffs=(handoff(),),
    )
    return replace(base, **changes)


def facts(**changes: Any) -> DeliveryFacts:
    fields: dict[str, Any] = {
        "type": NotificationType.THREAD_UPDATE,
        "recipient_is_orchestrator": False,
        "recipient_is_assigned": False,
        "recipient_is_reviewer": False,
        "author_kind": AuthorKind.AGENT,
        "author_is_orchestrator": False,
        "author_is_recipient": False,
        "author_can_mention": False,
        "caused_by_type": None,
        "task_status": TaskStatus.IN_PROGRESS,
        "status_from": None,
        "depth": 1,
        "is_coordination": False,
    }
    return DeliveryFacts(**(fields | changes))
