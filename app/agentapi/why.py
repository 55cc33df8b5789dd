"""What moves a task next, for whoever asks; it reads and keeps nobody waiting."""

from typing import Any
from uuid import UUID

import msgspec

from app.agentapi import queries, rules
from app.agentapi.schemas import AgentQuestion, ObstacleView, WhoView, WhyView
from app.agentapi.types import Facts, InHand, Obstacle, Person, Told, WaitsFor
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.notifications.types import NotificationState
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import guards, scenes
from app.tasks.schemas import NextAction
from app.tasks.types import Card
from app.usage import service as usage

PEOPLE_MOST = 10


async def why(tx: Transaction, principal: Principal, task_id: UUID) -> WhyView:
    """The first thing that the task waits for, who can do it, and what else is in its way."""
    card, scene = await scenes.look(tx, principal, task_id, whole_crew=True)
    policies.require(Action.TASK_READ, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    around = await tx.row(queries.AROUND, tx.account_id, task_id, PEOPLE_MOST)
    facts = Facts(
        card=card,
        scene=scene,
        in_hand=_read(around["in_hand"], tuple[InHand, ...]),
        told=await _told(tx, _read(around["told"], tuple[Told, ...]), card.id),
        people=_read(around["people"], tuple[Person, ...]),
        since=around["since"] or card.created_at,
        chain=await _chain(tx, card),
    )
    found = rules.why(facts)
    return WhyView(
        **_shown(found.first), task_id=card.id, status=card.status, also=[ObstacleView(**_shown(one)) for one in found.also]
    )


async def _told(tx: Transaction, told: tuple[Told, ...], task_id: UUID) -> tuple[Told, ...]:
    """Also which budget lets those not run for whom something waits that failed before."""
    found = []
    for one in told:
        has_failed = one.next_at is not None or one.reason == WaitsFor.BUDGET_EXHAUSTED
        waits = one.state == NotificationState.QUEUED and has_failed
        budget = await usage.exhausted_for(tx, one.agent_id, task_id) if waits else None
        found.append(msgspec.structs.replace(one, budget=budget))
    return tuple(found)


async def asked(tx: Transaction, principal: Principal, body: AgentQuestion) -> WhyView:
    return await why(tx, principal, body.task_id)


async def _chain(tx: Transaction, card: Card) -> tuple[dict[str, Any], ...]:
    if card.quarantined_at is None:
        return ()
    return tuple(msgspec.structs.asdict(link) for link in (await guards.shown(tx, card.id)).chain)


def _read(text: str, kind: Any) -> Any:
    return scenes.read_json(text, kind)


def _shown(one: Obstacle) -> dict[str, Any]:
    return {
        "waits_for": one.waits_for,
        "words": one.words,
        "who": [WhoView(kind=who.kind, name=who.name, slug=who.slug, email=who.email) for who in one.who],
        "until": one.until,
        "details": one.details,
        "next_verb": NextAction(**msgspec.structs.asdict(one.step) | {"needs": list(one.step.needs)}) if one.step else None,
    }
