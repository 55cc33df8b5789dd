"""Asking agents for an answer on a task."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.events import service as events
from app.kernel.errors import Invalid
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.messages import queries, rules
from app.messages.schemas import AskedView, RequestsView, SuppressedView
from app.messages.types import Earlier, ResponseRequested, Suppression
from app.policies import service as policies
from app.policies.types import Action, AgentFacts
from app.tasks import scenes
from app.tasks.assigning import subscribe
from app.tasks.changes import depth_of
from app.tasks.types import Card, Scene


async def ask(
    tx: Transaction, principal: Principal, task_id: UUID, *, slugs: Sequence[str], message: str, is_by_clock: bool = False
) -> RequestsView:
    """Notify each of these agents that its answer is wanted, unless it was asked already and keeps still.

    `is_by_clock`: the board asks on the principal's behalf, and nothing that it was told of is the cause.
    """
    names = list(dict.fromkeys(scenes.slug(slug) for slug in slugs))
    card, scene = await scenes.load(tx, principal, task_id, names=names)
    if is_by_clock:
        scene = msgspec.structs.replace(scene, wake=None)
    rule = _allowed(principal, card, scene)
    agents = _named(principal, scene, names)
    # The task is locked by now, so a request that was made at the same time is seen.
    asked_before = await held_back(tx, principal.id, [(card.id, agent.id) for agent in agents], now=scene.now)
    asked = {agent.id: new_id() for agent in agents if (card.id, agent.id) not in asked_before}
    if asked:
        await _requested(tx, principal, card, scene, asked=asked, message=message, rule=rule)
    return RequestsView(
        created=[AskedView(slug=one.slug, notification_id=asked[one.id]) for one in agents if one.id in asked],
        suppressed=[SuppressedView(slug=one.slug, reason=asked_before[card.id, one.id]) for one in agents if one.id not in asked],
    )


def _allowed(principal: Principal, card: Card, scene: Scene) -> str:
    """Whoever asks may call agents, and may speak on the task."""
    policies.require(Action.AGENTS_MENTION, principal=principal, account=scene.account, crew=scene.crew)
    return policies.require(Action.TASK_MESSAGE, principal=principal, account=scene.account, crew=scene.crew, status=card.status)


def _named(principal: Principal, scene: Scene, names: Sequence[str]) -> list[AgentFacts]:
    agents = {agent.slug: agent for agent in scene.crew if agent.is_active}
    unknown = [name for name in names if name not in agents]
    if unknown:
        raise Invalid.field("recipient_slugs", f"no active agent is called {', '.join(unknown)}")
    found = [agents[name] for name in names]
    if any(agent.id == principal.id for agent in found):
        raise Invalid.field("recipient_slugs", "nobody asks themselves")
    return found


async def held_back(
    tx: Transaction, asker_id: UUID, pairs: Collection[tuple[UUID, UUID]], *, now: datetime
) -> dict[tuple[UUID, UUID], Suppression]:
    """Of these pairs of a task and an agent those that the asker does not ask again yet, and why."""
    tasks, agents = [task_id for task_id, _ in pairs], [agent_id for _, agent_id in pairs]
    rows = await tx.rows(queries.LAST_REQUESTS, tx.account_id, tasks, asker_id, agents)
    earlier = {(row["task_id"], row["recipient_id"]): msgspec.convert(dict(row), Earlier) for row in rows}
    found = {pair: rules.suppression(earlier.get(pair), now=now) for pair in pairs}
    return {pair: reason for pair, reason in found.items() if reason is not None}


async def _requested(  # noqa: PLR0913
    tx: Transaction, principal: Principal, card: Card, scene: Scene, *, asked: Mapping[UUID, UUID], message: str, rule: str
) -> None:
    """Those who are asked follow the task from now on, so that they may answer."""
    subscribe(tx, card.id, [(ActorKind.AGENT, agent_id) for agent_id in asked])
    payload = {"recipients": sorted(asked), "length": len(message), "rule": rule}
    event_id = events.record(
        tx, "board:task:response_requested", entity=("task", card.id), sequence=card.version, actor=principal, payload=payload
    )
    happened = ResponseRequested(
        event_id=event_id,
        card=card,
        scene=scene,
        actor=principal,
        depth=depth_of(scene, principal),
        message=message,
        asked=asked,
    )
    await tx.tell(happened)
