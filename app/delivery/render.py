"""Turns what is known about a notification into the two texts that an agent reads."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.delivery.fence import TooLarge, Vault, fence, inline
from app.delivery.types.prompts import (
    MentionableAgent,
    Prompt,
    PromptContext,
    PromptCriterion,
    PromptHandoff,
    PromptMessage,
    PromptTask,
    RepositoryFacts,
)
from app.tasks.types import TaskStatus

BODY_LIMIT = 15_000
TITLE_LIMIT = 500
DOCUMENT_LIMIT = 4_000
THREAD_LENGTH = 25
THREAD_MESSAGE_LIMIT = 1_500
MENTIONABLE_LENGTH = 25
LABELS_LENGTH = 20
CRITERION_LIMIT = 500
CRITERIA_LENGTH = 30
HANDOFF_LIMIT = 10_000
HANDOFFS_LENGTH = 3
NAME_LIMIT = 120
PROMPT_LIMIT = 200_000

_BUILT_IN = Path(__file__).parent / "templates"

View = dict[str, object]


@dataclass(frozen=True, slots=True)
class Templates:
    instructions: Template
    input: Template
    version: str


def load(*overrides: Path) -> Templates:
    """Compile the templates; a file in an earlier directory stands before one of the same name in a later."""
    loader = FileSystemLoader([*overrides, _BUILT_IN])
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    # Nothing a prompt needs, and each of them a way to burn time or memory.
    environment.globals.clear()
    names = [name for name in loader.list_templates() if name.endswith(".j2")]
    sources = "\0".join(f"{name}\0{loader.get_source(environment, name)[0]}" for name in names)
    return Templates(
        instructions=environment.get_template("instructions.md.j2"),
        input=environment.get_template("input.md.j2"),
        version=hashlib.sha256(sources.encode()).hexdigest(),
    )


@cache
def built_in() -> Templates:
    return load()


def render(context: PromptContext, *, token: Callable[[], str], templates: Templates | None = None) -> Prompt:
    """Render one prompt; the same context, templates and tokens give the same bytes."""
    chosen = templates or built_in()
    outside = _Outside(Vault(), token)
    view = _view(context, outside=outside)
    instructions = _print(chosen.instructions, view, vault=outside.vault)
    text = _print(chosen.input, view, vault=outside.vault)
    rendered = f"{instructions}\0{text}".encode()
    return Prompt(
        instructions=instructions,
        input=text,
        template_version=chosen.version,
        digest=hashlib.sha256(rendered).hexdigest(),
        size=len(rendered) - 1,
    )


def _print(template: Template, view: Mapping[str, object], *, vault: Vault) -> str:
    parts: list[str] = []
    room = PROMPT_LIMIT
    for part in template.generate(view):
        room -= len(part)
        if room < 0:
            raise TooLarge
        parts.append(part)
    return vault.unseal("".join(parts), limit=PROMPT_LIMIT)


@dataclass(frozen=True, slots=True)
class _Outside:
    """Seals text from outside, so that a template can place it but not read it."""

    vault: Vault
    token: Callable[[], str]

    def short(self, text: str, limit: int = NAME_LIMIT) -> str:
        return self.vault.seal(inline(text, limit))

    def shorts(self, texts: tuple[str, ...]) -> list[str]:
        return [self.short(text) for text in texts]

    def block(self, text: str | None, *, label: str, limit: int = DOCUMENT_LIMIT) -> str | None:
        if not text or text.isspace():
            return None
        return self.vault.seal(fence(text, label=label, token=self.token, limit=limit))

    def message(self, message: PromptMessage, *, limit: int) -> str | None:
        name = inline(message.author_name, NAME_LIMIT)
        label = f"message by {message.author_kind} {name}, {message.at.isoformat(' ', 'seconds')}"
        return self.block(message.content, label=label, limit=limit)


def _view(context: PromptContext, *, outside: _Outside) -> View:
    agent = context.agent
    shown = context.mentionable[:MENTIONABLE_LENGTH]
    return {
        "account": {"name": outside.short(context.account_name)},
        "agent": {"name": outside.short(agent.name), "role": outside.short(agent.role), "slug": outside.short(agent.slug)},
        "notification": {
            "id": context.notification.id,
            "type": context.notification.type.value,
            "title": outside.short(context.notification.title, TITLE_LIMIT),
            "body": outside.block(_body(context), label="notification text", limit=BODY_LIMIT),
        },
        "message": outside.message(context.message, limit=BODY_LIMIT) if context.message else None,
        "task": _task(context.task, outside=outside) if context.task else None,
        "handoffs": [_handoff(one, outside=outside) for one in context.handoffs[:HANDOFFS_LENGTH]],
        "evidence": context.evidence.value,
        "thread": _thread(context, outside=outside),
        "repository": _repository(context.repository or RepositoryFacts(), outside=outside),
        "briefing": outside.block(context.briefing, label="briefing document"),
        "mentionable": [_mentionable(other, outside=outside) for other in shown],
        "mentionable_omitted": len(context.mentionable) - len(shown),
        "policy": dict(context.policy),
        "may_close": context.may_close,
        "next_statuses": _next_statuses(context),
        "base_url": context.base_url.rstrip("/"),
        **_people(context, outside=outside),
    }


def _people(context: PromptContext, *, outside: _Outside) -> View:
    own, assigned = context.agent.slug, context.task.assigned_slugs if context.task else ()
    others = tuple(slug for slug in assigned if slug != own)
    orchestrator = context.orchestrator_slug
    return {
        "is_orchestrator": context.is_orchestrator,
        "orchestrator": {"slug": outside.short(orchestrator)} if orchestrator else None,
        "ask_orchestrator": orchestrator is not None and not context.is_orchestrator,
        "person": outside.short(context.person_to_ask) if context.person_to_ask else None,
        "shared": own in assigned and bool(others),
        "others": outside.shorts(others),
    }


def _body(context: PromptContext) -> str:
    body, message = context.notification.body, context.message
    # A notification about a message often quotes it; one copy is enough.
    quoted = message is not None and body.strip().removesuffix("\u2026").removesuffix("...") in message.content
    return "" if quoted else body


def _task(task: PromptTask, *, outside: _Outside) -> View:
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
        "criteria": [_criterion(one, outside=outside) for one in task.criteria[:CRITERIA_LENGTH]],
    }


def _criterion(one: PromptCriterion, *, outside: _Outside) -> View:
    is_met = "met" if one.is_met else "not met"
    verdict = f"{is_met}, {one.verdict.value.replace('_', ' ')}" if one.verdict else "no verdict yet"
    return {"position": one.position, "text": outside.short(one.text, CRITERION_LIMIT), "verdict": verdict}


def _handoff(one: PromptHandoff, *, outside: _Outside) -> str | None:
    lines: list[str] = []
    for heading, said in one.parts:
        lines += [f"{heading}:", *(f"- {line}" for line in said)] if heading else said
    label = (
        f"{one.kind.value} handoff by {one.author_kind} {inline(one.author_name, NAME_LIMIT)}, {one.at.isoformat(' ', 'seconds')}"
    )
    return outside.block("\n".join(lines), label=label, limit=HANDOFF_LIMIT)


def _thread(context: PromptContext, *, outside: _Outside) -> View:
    above = context.message.id if context.message else None
    shown = context.thread[-THREAD_LENGTH:]
    sealed = (outside.message(entry, limit=THREAD_MESSAGE_LIMIT) for entry in shown if entry.id != above)
    return {
        "messages": [entry for entry in sealed if entry is not None],
        "omitted": context.thread_omitted + len(context.thread) - len(shown),
    }


def _repository(facts: RepositoryFacts, *, outside: _Outside) -> View:
    named = {
        "name": facts.name,
        "URL": facts.url,
        "writable directory": facts.writable_dir,
        "base branch": facts.base_branch,
        "branch prefix": facts.branch_prefix,
    }
    return {
        "facts": [(name, outside.short(value, TITLE_LIMIT)) for name, value in named.items() if value],
        "missing": [name for name, value in named.items() if not value],
        "notes": outside.block(facts.notes, label="repository document"),
    }


def _mentionable(other: MentionableAgent, *, outside: _Outside) -> View:
    return {
        "slug": outside.short(other.slug),
        "name": outside.short(other.name),
        "role": outside.short(other.role),
        "is_reviewer": other.is_reviewer,
    }


def _next_statuses(context: PromptContext) -> list[str]:
    return [status.value for status in context.next_statuses if context.may_close or status is not TaskStatus.DONE]
