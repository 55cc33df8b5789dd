"""Who can do something about a task: agents as the hints see them, people by their role."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec

from app.agentapi.types import Facts, InHand, Person, Step, Told, Who
from app.kernel.types import ActorKind
from app.policies.closing import closers
from app.policies.rules import decide
from app.policies.types import AccountPolicy, Action, AgentFacts, Allowed, Closers, Denied, PersonActor, TaskFacts
from app.tasks.rules import hints
from app.tasks.rules.hints import Case
from app.tasks.types import Card, Scene

NAMED_MOST = 20


class Crew:
    """The facts of one question, read several ways."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.card: Card = facts.card
        # The same order in every answer to the same question.
        self.scene: Scene = msgspec.structs.replace(facts.scene, crew=tuple(sorted(facts.scene.crew, key=lambda one: one.slug)))

    def case(self, agent: AgentFacts) -> Case:
        return hints.case(agent, self.card, self.scene, held=frozenset(one.task_id for one in self.in_hand(agent)))

    def in_hand(self, agent: AgentFacts) -> list[InHand]:
        return [one for one in self.facts.in_hand if one.agent_id == agent.id]

    def those(self, agents: Iterable[AgentFacts], can: Callable[[Case], object]) -> tuple[AgentFacts, ...]:
        """The first of these agents that can."""
        return tuple(islice((one for one in agents if one.is_active and can(self.case(one))), NAMED_MOST))

    @property
    def assigned(self) -> tuple[AgentFacts, ...]:
        return self.scene.assigned_agents

    @cached_property
    def closing(self) -> Closers:
        return closers(self.scene.crew, self.scene.account)

    @cached_property
    def workers(self) -> tuple[AgentFacts, ...]:
        """Those whom the policies may let write: on the task, leading, or closing it."""
        return tuple(one for one in self.scene.crew if one.is_assigned or self._leads(one) or one.id in self.closing.ids)

    @cached_property
    def leaders(self) -> tuple[AgentFacts, ...]:
        """The orchestrator where it may assign somebody now."""
        return self.those((one for one in self.scene.crew if self._leads(one)), hints.may_assign)

    def _leads(self, one: AgentFacts) -> bool:
        return one.id == self.scene.account.orchestrator_agent_id

    def people(self, action: Action) -> tuple[Person, ...]:
        return tuple(one for one in self.facts.people if _may(one, action))

    def people_assigned(self, action: Action) -> tuple[Person, ...]:
        mine = {one.id for one in self.scene.assigned_people}
        return tuple(one for one in self.people(action) if one.id in mine)

    def assigners(self) -> tuple[Who, ...]:
        return (*agents(self.leaders), *persons(self.people(Action.TASK_ASSIGN)))

    def refusal(self, agent: AgentFacts, action: Action) -> Denied | None:
        """Why the policies keep this agent from it."""
        task = TaskFacts(status=self.card.status, crew=self.scene.crew)
        decision = decide(action, actor=self.case(agent).actor, account=self.scene.account, task=task)
        return decision if isinstance(decision, Denied) else None

    def told(self, those: Sequence[AgentFacts]) -> list[dict[str, Any]]:
        """What became of the last notification that each of them got about the task."""
        return [_telling(one, self.news(one.id)) for one in those]

    def news(self, agent_id: UUID) -> Told | None:
        return next((one for one in self.facts.told if one.agent_id == agent_id), None)


def _may(person: Person, action: Action) -> bool:
    # A person's authority is its role alone.
    decision = decide(action, actor=PersonActor(person.id, person.role), account=AccountPolicy())
    return isinstance(decision, Allowed)


def _telling(agent: AgentFacts, told: Told | None) -> dict[str, Any]:
    if told is None:
        return {"slug": agent.slug, "state": "not_told"}
    known: dict[str, Any] = {"type": told.type, "state": told.state, "reason": told.reason}
    known["at"] = told.ended_at or told.created_at
    if told.gateway_offline_since is not None:
        known["gateway_offline_since"] = told.gateway_offline_since
    return {"slug": agent.slug, **known, "offered_at": told.offered_at}


def agents(those: Iterable[AgentFacts]) -> tuple[Who, ...]:
    return tuple(Who(kind=ActorKind.AGENT, id=one.id, name=one.name, slug=one.slug) for one in those)


def persons(those: Iterable[Person]) -> tuple[Who, ...]:
    return tuple(Who(kind=ActorKind.PERSON, id=one.id, name=one.name, email=one.email) for one in those)


def step(those: Sequence[AgentFacts], verb: str, *needs: str, **arguments: Any) -> Step | None:
    """What an agent does about it; people have no verbs."""
    return Step(verb=verb, arguments=arguments, needs=needs) if those else None
