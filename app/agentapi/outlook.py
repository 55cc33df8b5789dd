"""What moves several tasks next, as one agent sees it: the same rules as for one task, and few statements for all of them."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.agentapi import queries, rules
from app.agentapi.rules.turns import turn_of
from app.agentapi.types import Facts, InHand, Obstacle, Person, WaitsFor
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.tasks import scenes
from app.tasks.types import Card

PEOPLE_MOST = 10


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """A task and what it waits for; `is_turn` when the agent can do that now."""

    card: Card
    waits_for: WaitsFor
    words: str
    is_turn: bool


async def outlook(tx: Transaction, agent: Principal, task_ids: Sequence[UUID]) -> list[Outlook]:
    """In the order that was asked for; what is not there is left out."""
    found = await scenes.looks(tx, agent, task_ids)
    if not found:
        return []
    around = await tx.row(queries.AROUND_ALL, tx.account_id, PEOPLE_MOST)
    in_hand = scenes.read_json(around["in_hand"], tuple[InHand, ...])
    people = scenes.read_json(around["people"], tuple[Person, ...])
    facts = (Facts(card=card, scene=scene, in_hand=in_hand, people=people, since=card.updated_at) for card, scene in found)
    return [_seen(agent.id, one) for one in facts]


def _seen(agent_id: UUID, facts: Facts) -> Outlook:
    why = rules.why(facts)
    turn: Obstacle | None = turn_of(agent_id, why)
    shown = turn or why.first
    return Outlook(card=facts.card, waits_for=shown.waits_for, words=shown.words, is_turn=turn is not None)
