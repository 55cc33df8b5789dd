"""Agents: who they are, and what they may do."""

from typing import Any
from uuid import UUID

import msgspec

from app.accounts import settings as accounts
from app.agents import profiles, queries, sessions, waking
from app.agents.schemas import AgentEdit, AgentView, EffectiveView, FlagsBody, NewAgent, ResolvedView, SessionView
from app.agents.types import AgentChanged, ClosedReason, PresenceState, Reach, WakeOutcome
from app.events import service as events
from app.kernel.errors import Duplicate, Invalid, Missing, OrchestratorInUse, RequirementFailed
from app.kernel.ids import NEWEST_ID, new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wake import IDENTITY
from app.kernel.wire import Page, clamped
from app.policies import legacy
from app.policies.capabilities import effective
from app.policies.types import AccountPolicy, AgentFacts, Flag, Flags, Source
from app.runtime import standing


async def page(tx: Transaction, *, limit: int | None, after: str | None) -> Page:
    """A page of agents by slug."""
    size = clamped(limit)
    account = await accounts.policy(tx)
    rows = await tx.rows(queries.AGENTS, tx.account_id, after or "", size + 1)
    items = [_view(row, account) for row in rows[:size]]
    return Page(items=items, next_cursor=items[-1].slug if len(rows) > size else None, limit=size)


async def one(tx: Transaction, agent_id: UUID) -> AgentView:
    return _view(await _row(tx, agent_id), await accounts.policy(tx))


async def session_page(tx: Transaction, agent_id: UUID, *, limit: int | None, before: UUID | None) -> Page:
    """The sessions of an agent, open and closed, newest first."""
    await _row(tx, agent_id)
    size = clamped(limit)
    rows = await tx.rows(queries.SESSIONS, tx.account_id, agent_id, before or NEWEST_ID, size + 1)
    items = [SessionView(**dict(row) | {"key": sessions.redacted(row["key"])}) for row in rows[:size]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > size else None, limit=size)


async def effective_policy(tx: Transaction, agent_id: UUID) -> EffectiveView:
    """Every flag of an agent with the level that decided it."""
    row, account = await _row(tx, agent_id), await accounts.policy(tx)
    found = effective(_facts(row), account)
    if found.flags[Flag.IS_REVIEWER].source is Source.LEGACY:
        legacy.remarked()
    flags = {flag.value: ResolvedView(value=one.value, source=one.source) for flag, one in found.flags.items()}
    return EffectiveView(agent_id=row["id"], slug=row["slug"], is_orchestrator=found.is_orchestrator, flags=flags)


async def create(tx: Transaction, principal: Principal, asked: NewAgent) -> AgentView:
    if await tx.value(queries.SLUG_TAKEN, tx.account_id, asked.slug):
        raise Duplicate(f"an agent is called {asked.slug} already", field="slug")
    agent_id = new_id()
    profile_id = await _profile(tx, asked.reach, asked.profile)
    words = (asked.slug, asked.name, asked.role, asked.description, asked.soul)
    flags = merged(Flags(), asked.flags)
    tx.write(
        queries.INSERT_AGENT,
        tx.account_id,
        agent_id,
        *words,
        _stored(flags),
        asked.reach,
        profile_id,
        asked.capacity,
        asked.wake_minutes,
        asked.identity_folder,
        expect=1,
    )
    sessions.of_agent(tx, agent_id)
    events.record(tx, "board:agent:created", entity=("agent", agent_id), actor=principal, payload={"slug": asked.slug})
    await standing.soon(tx, waking.STANDING)
    await tx.tell(AgentChanged(agent_id=agent_id, reach=asked.reach))
    await tx.flush()
    return await one(tx, agent_id)


async def edit(tx: Transaction, principal: Principal, agent_id: UUID, asked: AgentEdit) -> AgentView:
    row = await tx.row(queries.AGENT_LOCKED, tx.account_id, agent_id)
    if row is None:
        raise Missing.thing("agent", agent_id)
    account = await accounts.policy(tx)
    retired = _given(asked.retired, row["retired_at"] is not None)
    if retired and account.orchestrator_agent_id == agent_id:
        raise OrchestratorInUse(
            "this agent is the orchestrator; name a successor in the account's settings first", agent_id=agent_id
        )
    reach = _given(asked.reach, Reach(row["reach"]))
    wanted = _given(asked.profile, None)
    profile_id = row["profile_id"] if reach == row["reach"] and wanted is None else await _profile(tx, reach, wanted)
    flags = merged(msgspec.json.decode(row["flags"], type=Flags), _given(asked.flags, FlagsBody()))
    capacity, minutes = _given(asked.capacity, row["capacity"]), _given(asked.wake_minutes, row["wake_minutes"])
    words = (_given(asked.name, row["name"]), _given(asked.role, row["role"]), _given(asked.description, row["description"]))
    tx.write(
        queries.CHANGE_AGENT,
        tx.account_id,
        agent_id,
        *words,
        _stored(flags),
        reach,
        profile_id,
        retired,
        capacity,
        minutes,
        _given(asked.soul, None),
        _given(asked.identity_folder, row["identity_folder"]),
        expect=1,
    )
    _follow(tx, row, retired=retired)
    if (reach, minutes, retired) != (row["reach"], row["wake_minutes"], row["retired_at"] is not None):
        await waking.anew(tx, agent_id)
    payload = {"fields": sorted(name for name in asked.__struct_fields__ if getattr(asked, name) is not msgspec.UNSET)}
    sequence = row["version"] + 1
    events.record(tx, "board:agent:updated", entity=("agent", agent_id), actor=principal, payload=payload, sequence=sequence)
    await tx.tell(AgentChanged(agent_id=agent_id, reach=reach, is_retired=retired))
    tx.wake(IDENTITY, tx.account_id)
    await tx.flush()
    return await one(tx, agent_id)


def _follow(tx: Transaction, row: Any, *, retired: bool) -> None:
    """Sessions end with an agent's service; one that comes back starts a new one of its own."""
    if retired and row["retired_at"] is None:
        tx.write(queries.CLOSE_AGENT_SESSIONS, tx.account_id, row["id"], ClosedReason.AGENT_RETIRED)
    elif row["retired_at"] is not None and not retired:
        sessions.of_agent(tx, row["id"])


def merged(flags: Flags, asked: FlagsBody) -> Flags:
    """The flags with those that were sent put in."""
    sent = {name: getattr(asked, name) for name in asked.__struct_fields__ if getattr(asked, name) is not msgspec.UNSET}
    return msgspec.structs.replace(flags, **sent)


def _given(value: Any, otherwise: Any) -> Any:
    return otherwise if value is msgspec.UNSET else value


def _stored(flags: Flags) -> str:
    said = {name: value for name, value in msgspec.structs.asdict(flags).items() if value is not None}
    return msgspec.json.encode(said).decode()


async def _profile(tx: Transaction, reach: Reach, name: str | None) -> UUID | None:
    if reach is Reach.PULL:
        if name is not None:
            raise Invalid.field("profile", "an agent that pulls its work has none")
        return None
    if name is not None:
        return await profiles.named(tx, name)
    profile_id: UUID | None = await tx.value(queries.DEFAULT_PROFILE, tx.account_id)
    if profile_id is None:
        raise RequirementFailed("this account has no executor profile for gateway agents", requirement="executor_profile")
    return profile_id


async def _row(tx: Transaction, agent_id: UUID) -> Any:
    row = await tx.row(queries.AGENT, tx.account_id, agent_id)
    if row is None:
        raise Missing.thing("agent", agent_id)
    return row


def _facts(row: Any) -> AgentFacts:
    flags = msgspec.json.decode(row["flags"], type=Flags)
    return AgentFacts(
        id=row["id"], slug=row["slug"], name=row["name"], role=row["role"], flags=flags, is_active=row["retired_at"] is None
    )


def _view(row: Any, account: AccountPolicy) -> AgentView:
    facts = _facts(row)
    policy = effective(facts, account)
    return AgentView(
        id=facts.id,
        slug=facts.slug,
        name=facts.name,
        role=facts.role,
        description=row["description"],
        identity_folder=row["identity_folder"],
        flags=facts.flags,
        reach=Reach(row["reach"]),
        profile=row["profile"],
        capacity=row["capacity"],
        wake_minutes=row["wake_minutes"],
        next_wake_at=waking.next_at(row, account),
        wake_outcome=WakeOutcome(row["wake_outcome"]) if row["wake_outcome"] else None,
        skills=msgspec.json.decode(row["skills"]),
        is_retired=not facts.is_active,
        is_orchestrator=policy.is_orchestrator,
        is_reviewer=policy.allows(Flag.IS_REVIEWER),
        presence=PresenceState(row["presence"]) if row["presence"] else None,
        seen_at=row["seen_at"],
        interval_seconds=row["interval_seconds"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
