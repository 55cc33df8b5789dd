"""What keeps the board from telling an agent that it is its turn: a budget, a gateway, or a delivery that was given up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.agentapi.rules.crew import Crew, persons
from app.agentapi.rules.words import any_of, be, listed
from app.agentapi.types import Obstacle, Told, WaitsFor, Who
from app.notifications.types import NotificationState
from app.policies.types import Action
from app.usage.types import Scope, Unit

# An agent has to act here, and acts once it hears of it.
TURNS = frozenset(
    {WaitsFor.ASSIGNEE_TO_START, WaitsFor.REWORK_TO_CLAIM, WaitsFor.ORCHESTRATOR_TO_ASSIGN, WaitsFor.REVIEWER_TO_CLOSE}
)
_GIVEN_UP = frozenset({NotificationState.DEAD, NotificationState.EXPIRED, NotificationState.NO_RESPONSE})
_UNIT = {Unit.USD: "US dollars", Unit.TOKENS: "tokens", Unit.RUNS: "runs"}
Unheard = Sequence[tuple[str, Told]]


def with_reach(crew: Crew, found: Iterable[Obstacle]) -> Iterator[Obstacle]:
    """The same obstacles; before a turn stands what keeps all from hearing of it, after it what keeps some."""
    for one in found:
        deaf = _deaf(crew, one) if one.waits_for in TURNS else {}
        if not deaf:
            yield one
            continue
        hindrances = [_told_as[kind](crew, those) for kind, those in deaf.items()]
        is_all = {slug for those in deaf.values() for slug, _ in those} == {who.slug for who in one.who}
        yield from (*hindrances, one) if is_all else (one, *hindrances)


def _deaf(crew: Crew, turn: Obstacle) -> Mapping[WaitsFor, Unheard]:
    """Whom of them the board does not reach now, by what keeps it from that."""
    found: dict[WaitsFor, list[tuple[str, Told]]] = {}
    for who in turn.who:
        agent = crew.scene.agent(who.id)
        told = None if agent is None or agent.kind != "gateway" else crew.news(agent.id)
        kind = None if told is None else _unheard(told)
        if agent is not None and told is not None and kind is not None:
            found.setdefault(kind, []).append((agent.slug, told))
    return found


def _unheard(told: Told) -> WaitsFor | None:
    if told.state in _GIVEN_UP:
        return WaitsFor.DELIVERY_GIVEN_UP
    if told.state != NotificationState.QUEUED:
        return None
    if told.paused_since is not None:
        return WaitsFor.DELIVERY_PAUSED
    if told.budget is not None:
        return WaitsFor.BUDGET_EXHAUSTED
    if told.gateway_offline_since is not None:
        return WaitsFor.GATEWAY_OFFLINE
    return WaitsFor.DELIVERY_DELAYED if told.next_at is not None else None


def _exhausted(crew: Crew, those: Unheard) -> Obstacle:
    full = {told.budget.budget_id: told.budget for _, told in those if told.budget is not None}
    who = persons(crew.people(Action.ACCOUNT_MANAGE))
    ends = [one.resets_at for one in full.values() if one.resets_at is not None]
    # A budget for good never lets them go on by itself.
    until = min(ends) if len(ends) == len(full) else None
    first = next(iter(full.values()))
    by_itself = "" if until is None else f" before {_said(until)}"
    return Obstacle(
        waits_for=WaitsFor.BUDGET_EXHAUSTED,
        words=f"The budget of {_whose(first.scope)} in {_UNIT[first.unit]} lets {_names(those)} not run{by_itself}; "
        f"{_any(who)} may raise it.",
        who=who,
        until=until,
        details={
            "agents": [slug for slug, _ in those],
            "budgets": [
                {"id": one.budget_id, "scope": one.scope, "unit": one.unit, "resets_at": one.resets_at} for one in full.values()
            ],
        },
    )


def _offline(crew: Crew, those: Unheard) -> Obstacle:
    who = persons(crew.people(Action.AGENTS_MANAGE))
    since = min(told.gateway_offline_since for _, told in those if told.gateway_offline_since is not None)
    return Obstacle(
        waits_for=WaitsFor.GATEWAY_OFFLINE,
        words=f"The gateway of {_names(those)} gives no sign since {_said(since)}; what waits goes out when it is back, "
        f"or {_any(who)} may give another profile.",
        who=who,
        details={"since": since, "agents": [_failed(slug, told) for slug, told in those]},
    )


def _paused(crew: Crew, those: Unheard) -> Obstacle:
    who = persons(crew.people(Action.RUNTIME_MANAGE))
    since = min(told.paused_since for _, told in those if told.paused_since is not None)
    return Obstacle(
        waits_for=WaitsFor.DELIVERY_PAUSED,
        words=f"Deliveries are paused since {_said(since)}, so {_names(those)} {be(len(those))} not told; "
        f"{_any(who)} may let them go on.",
        who=who,
        details={"since": since, "agents": [_failed(slug, told) for slug, told in those]},
    )


def _given_up(crew: Crew, those: Unheard) -> Obstacle:
    is_dead = any(told.state == NotificationState.DEAD for _, told in those)
    # Only what failed is retried; what was not answered in time is said again.
    who = persons(crew.people(Action.RUNTIME_MANAGE if is_dead else Action.TASK_MESSAGE))
    way = "retry it" if is_dead else "write in the thread"
    ended = {NotificationState.NO_RESPONSE: "got no answer", NotificationState.EXPIRED: "took too long"}
    how = listed(sorted({ended.get(NotificationState(told.state), f"failed ({told.reason})") for _, told in those}))
    return Obstacle(
        waits_for=WaitsFor.DELIVERY_GIVEN_UP,
        words=f"{_names(those)} {be(len(those))} not reached: the last wake-up {how} and was given up; {_any(who)} may {way}.",
        who=who,
        details={"agents": [_failed(slug, told) for slug, told in those]},
    )


def _delayed(crew: Crew, those: Unheard) -> Obstacle:
    who = persons(crew.people(Action.RUNTIME_MANAGE))
    until = min(told.next_at for _, told in those if told.next_at is not None)
    why = listed(sorted({told.error_class or "unknown" for _, told in those}))
    return Obstacle(
        waits_for=WaitsFor.DELIVERY_DELAYED,
        words=f"The wake-up of {_names(those)} failed ({why}) and is tried again at {_said(until)}; "
        f"{_any(who)} may retry it now.",
        who=who,
        until=until,
        details={"agents": [_failed(slug, told) for slug, told in those]},
    )


_told_as = {
    WaitsFor.DELIVERY_PAUSED: _paused,
    WaitsFor.BUDGET_EXHAUSTED: _exhausted,
    WaitsFor.GATEWAY_OFFLINE: _offline,
    WaitsFor.DELIVERY_GIVEN_UP: _given_up,
    WaitsFor.DELIVERY_DELAYED: _delayed,
}


def _failed(slug: str, told: Told) -> dict[str, Any]:
    return {
        "slug": slug,
        "delivery_id": told.id,
        "state": told.state,
        "reason": told.reason,
        "error_class": told.error_class,
        "next_at": told.next_at,
    }


def _whose(scope: Scope) -> str:
    return {Scope.ACCOUNT: "the account", Scope.AGENT: "the agent", Scope.TASK: "this task"}[scope]


def _names(those: Unheard) -> str:
    return listed([slug for slug, _ in those])


def _any(who: Sequence[Who]) -> str:
    return any_of(who) if who else "an admin"


def _said(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
