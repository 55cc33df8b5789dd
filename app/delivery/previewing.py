"""A prompt as it would be sent now, without sending it, freezing it or advancing anything."""

from collections.abc import Callable
from functools import cached_property
from typing import Any
from uuid import UUID

import httpx
import msgspec

from app.delivery import briefing, neutrality, offering, profiles, prompting, render, siting, templating, wakeups
from app.delivery.gateway.registry import Gateways
from app.delivery.queries import prompts as queries
from app.delivery.template_schemas import Preview, PreviewView, ProblemView, ToolView
from app.delivery.types.prompts import Prompt, PromptContext
from app.delivery.types.runs import Tool
from app.delivery.types.templates import Problem
from app.kernel.errors import Invalid, Missing
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.notifications.types import NotificationType
from app.policies.types import AgentActor
from app.policies.verbs import Verb

TALK = frozenset({NotificationType.MENTION, NotificationType.THREAD_UPDATE, NotificationType.RESPONSE_REQUEST})
FOR_PEOPLE = frozenset({NotificationType.PRESENCE, NotificationType.QUARANTINE, NotificationType.BUDGET})
NOBODYS = UUID(int=0)


class Previews:
    """Renders previews with the settings and verbs of this process."""

    def __init__(self, settings: Settings, verbs: tuple[Verb, ...], *, token: Callable[[], str]) -> None:
        self._settings = settings
        self._verbs = verbs
        self._token = token

    @cached_property
    def _gateways(self) -> Gateways:
        # They are asked what they can do, and nothing is sent through them.
        return Gateways(httpx.AsyncClient(trust_env=False), self._settings)

    async def preview(self, tx: Transaction, asked: Preview) -> PreviewView:
        """The prompt of a notification that there is, or of one that there might be."""
        row = await _notified(tx, asked)
        found = await briefing.situation(tx, row)
        kind = NotificationType(row["type"])
        if kind is NotificationType.WAKEUP and asked.notification_id is None:
            found = await _due(tx, found)
        ground = await briefing.context(
            tx,
            found,
            base_url=prompting.base_url(self._settings),
            tools=self._tools(found, row, kind),
            wakeup=await wakeups.of(tx, found),
        )
        prompt, problems = self._rendered(ground, asked)
        return _view(ground.context, prompt, problems)

    def _tools(self, found: briefing.Situation, row: Any, kind: NotificationType) -> tuple[Tool, ...]:
        own = profiles.read(row["profiles"], timeout_seconds=float(self._settings.gateway_timeout_seconds))[0]
        if found.agent is None or not self._gateways.of(own.adapter).offers_tools(own):
            return ()
        actor = AgentActor(found.agent, found.policy)
        has_repository = siting.is_on(found.task)
        verbs = offering.offered(self._verbs, kind, actor=actor, account=found.account, has_repository=has_repository)
        return tuple(map(offering.tool, verbs))

    def _rendered(self, ground: briefing.Ground, asked: Preview) -> tuple[Prompt, list[Problem]]:
        given = {name.value: content for name, content in (asked.templates or {}).items()}
        contents = dict(ground.templates) | given
        broken = [one for name in given for one in render.checked(name, given[name])]
        if broken:
            raise templating.refused(broken)
        problems: list[Problem] = []
        for source, load in prompting.candidates(tuple(sorted(contents.items())), self._settings.templates_dir):
            try:
                prompt = render.render(ground.context, token=self._token, templates=load())
            except Exception as error:  # noqa: BLE001 whatever a template makes of its values
                place, line = render.where(error)
                message = str(error) or render.TOO_LARGE
                problems.append(Problem(place=f"{source} {place}", line=line, rule="rendering", message=message))
                if given:
                    raise templating.refused(problems) from None
            else:
                return prompt, problems + self._linted(prompt)
        raise templating.refused(problems)

    def _linted(self, prompt: Prompt) -> list[Problem]:
        rules = templating.lint_rules(self._settings)
        parts = (("instructions", prompt.instructions), ("input", prompt.input))
        return [one for part, text in parts for one in neutrality.found_in_prompt(text, place=part, by=rules)]


async def _notified(tx: Transaction, asked: Preview) -> Any:
    if asked.notification_id is not None:
        if any(one is not None for one in (asked.agent_slug, asked.task_id, asked.type)):
            raise Invalid.field("notification_id", "stands alone: it says agent, task and type already")
        row = await tx.row(queries.NOTIFIED, tx.account_id, asked.notification_id)
        if row is None:
            raise Missing.thing("notification", asked.notification_id)
        return row
    if asked.agent_slug is None or asked.type is None:
        raise Invalid.field("notification_id", "say either notification_id, or agent_slug and type, with task_id")
    return await _imagined(tx, asked.agent_slug, asked.type, asked.task_id)


async def _imagined(tx: Transaction, slug: str, kind: NotificationType, task_id: UUID | None) -> dict[str, Any]:
    """The row of a notification that nobody made."""
    if kind in FOR_PEOPLE:
        raise Invalid.field("type", f"{kind} is for people, who get no prompts")
    if task_id is None and kind is not NotificationType.WAKEUP:
        raise Invalid.field("task_id", f"say which task; only {NotificationType.WAKEUP} is about none")
    row = await tx.row(queries.IMAGINED, tx.account_id, slug, task_id)
    if row is None:
        raise Missing.thing("agent", slug)
    if task_id is not None and row["task_id"] is None:
        raise Missing.thing("task", task_id)
    made = {
        "id": NOBODYS,
        "type": kind.value,
        "title": row["task_title"] or "Preview",
        "body": "",
        "actor_kind": ActorKind.SYSTEM.value,
        "actor_id": None,
        "status_from": None,
        "caused_by_type": None,
        "depth": 0,
    }
    message_id = row["message_id"] if kind in TALK else None
    return dict(row) | made | {"message_id": message_id, "task_id": None if kind is NotificationType.WAKEUP else row["task_id"]}


async def _due(tx: Transaction, found: briefing.Situation) -> briefing.Situation:
    """As if the agent had been shown nothing before."""
    row = found.notification
    agent = Principal(kind=ActorKind.AGENT, id=row["agent_id"], account_id=tx.account_id, name=row["name"])
    memory = wakeups.Memory(shown={}, pauses=0, woken_at=None, minutes=row["wake_minutes"], now=row["now"])
    finding = await wakeups.find(tx, agent, found.policy, memory)
    return msgspec.structs.replace(found, notification=dict(row) | {"body": wakeups.body_of(finding.listed)})


def _view(context: PromptContext, prompt: Prompt, problems: list[Problem]) -> PreviewView:
    return PreviewView(
        agent_slug=context.agent.slug,
        task_id=context.task.id if context.task else None,
        type=context.notification.type,
        instructions=prompt.instructions,
        input=prompt.input,
        tools=[ToolView(name=one.name, description=one.description, parameters=one.parameters) for one in context.tools],
        digest=prompt.digest,
        size=prompt.size,
        template_version=prompt.template_version,
        template_source=prompt.template_source,
        suspicions=list(prompt.suspicions),
        problems=[ProblemView(**msgspec.structs.asdict(one)) for one in problems],
    )
