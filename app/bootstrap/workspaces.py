"""Agents' workspaces: what goes into them, their tokens, and how each stands."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.accounts import queries as account_queries
from app.accounts import service as accounts
from app.agents import identity
from app.agents.types import Adapter, Reach
from app.bootstrap import furnishing_orders as orders
from app.bootstrap.queries import workspaces as queries
from app.bootstrap.rules import workspaces as rules
from app.bootstrap.types.workspaces import WorkspaceState
from app.bootstrap.workspace_schemas import Restoration, WorkspaceView
from app.bootstrap.workspaces_contents import Facts, Skill
from app.delivery.prompting import base_url
from app.events import service as events
from app.kernel.errors import Invalid, Missing, RequirementFailed
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal, the_board
from app.kernel.urls import redacted
from app.policies import legacy
from app.policies.capabilities import effective
from app.policies.rules import offers
from app.policies.types import AccountPolicy, AgentActor, AgentFacts, Flags
from app.policies.verbs import Verb

NAMES_OF_AGENTS = ("openclaw:", "agent:")
KEPT = ("state", "path", "digest", "files", "edited", "warnings", "token_id", "gateway_id", "problem")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An agent with what its workspace is made of, the board's tokens for it, and how its workspace stood."""

    id: UUID
    slug: str
    is_retired: bool
    is_in_gateway: bool
    model: str | None
    facts: Facts
    tokens: tuple[rules.Token, ...]
    before: Mapping[str, Any]


class Crew(msgspec.Struct, frozen=True):
    """The agents whose workspaces are looked at; `is_whole`: all of the account."""

    account: str
    members: tuple[Member, ...]
    is_whole: bool


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How one workspace stands after it was looked at."""

    agent_id: UUID
    state: WorkspaceState
    path: str
    digest: str | None = None
    files: int = 0
    edited: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    token_id: UUID | None = None
    gateway_id: str | None = None
    problem: str | None = None


async def crew(
    tx: Transaction, agent_id: UUID | None, *, settings: Settings, verbs: Sequence[Verb], manuals: Mapping[str, str]
) -> Crew:
    """Everything that workspaces are made of, as it is now."""
    account = await tx.row(account_queries.ACCOUNT, tx.account_id)
    rows = await tx.rows(queries.CREW, tx.account_id, agent_id)
    skills = await tx.rows(queries.SKILLS, tx.account_id, agent_id)
    repositories = [_repository(row) for row in await tx.rows(queries.REPOSITORIES, tx.account_id)]
    tokens = await tx.rows(queries.TOKENS, tx.account_id, [row["id"] for row in rows])
    policy = legacy.in_force(tx, account["settings"])
    today = account["now"].date()
    common = {
        "account": {"slug": account["slug"], "name": account["name"]},
        "repositories": tuple(repositories),
        "board_url": base_url(settings),
        "days": tuple((today + timedelta(days=days)).isoformat() for days in (0, 1)),
        "manuals": manuals,
    }
    members = tuple(_member(row, skills, tokens, common=common, verbs=_offered(verbs, row, policy)) for row in rows)
    return Crew(account["slug"], members, agent_id is None)


class Held(msgspec.Struct, frozen=True):
    """The token that a workspace holds, if it is still good, and those to be revoked since nobody holds them."""

    id: UUID | None
    token: str | None
    forgotten: tuple[rules.Token, ...]
    is_wanted: bool = True

    @property
    def is_settled(self) -> bool:
        return not self.forgotten and (self.token is not None or not self.is_wanted)


def held(member: Member, found: Mapping[str, str], *, name: str) -> Held:
    """What the tokens that were found in a workspace, by their SHA-256, are good for."""
    if member.is_retired:
        return Held(None, None, member.tokens, is_wanted=False)
    kept, forgotten = rules.tokens(found, member.tokens, name=name)
    return Held(kept.id if kept else None, found[kept.sha256] if kept else None, tuple(forgotten))


async def renewed(tx: Transaction, member: Member, held: Held, *, name: str) -> Held:
    """Revoke what nobody holds, and issue what is needed."""
    for one in held.forgotten:
        accounts.revoke_token(tx, token_id=one.id, actor=the_board(tx.account_id))
        await tx.flush()
    if held.token is not None or not held.is_wanted:
        return held
    made = accounts.issue_token(tx, principal_kind=ActorKind.AGENT, principal_id=member.id, name=name, created_by=None)
    return Held(*made, forgotten=())


def keep(tx: Transaction, before: Mapping[str, Any], now: Stand) -> bool:
    """Remember how it stands, if that is new; whether it is."""
    row = {name: getattr(now, name) for name in KEPT}
    if all(_plain(before[name]) == _plain(row[name]) for name in KEPT):
        return False
    tx.put(queries.KEEP, row | {"agent_id": now.agent_id})
    fresh = sorted(set(now.edited) - set(before["edited"] or ()))
    kind = "edited" if fresh and now.state is WorkspaceState.SYNCED else now.state.value
    payload = {"digest": now.digest, "files": now.files, "edited": fresh, "problem": now.problem}
    sequence = (before["version"] or 0) + 1
    events.record(
        tx, f"board:workspace:{kind}", entity=("workspace", now.agent_id), sequence=sequence, actor=None, payload=payload
    )
    return True


async def view(tx: Transaction, agent_id: UUID) -> WorkspaceView:
    return _view(await _row(tx, agent_id))


async def restore(tx: Transaction, principal: Principal, agent_id: UUID, asked: Restoration) -> WorkspaceView:
    """Order that the board's version of edited files is taken again; nothing is lost by it."""
    row = await _row(tx, agent_id)
    edited = row["edited"] or []
    if unknown := sorted(set(asked.files or ()) - set(edited)):
        raise Invalid.field("files", f"{unknown[0]} is no file that the agent has changed")
    if not edited:
        raise RequirementFailed("the agent has changed none of the board's files", requirement="edited")
    orders.order(tx, agent_id, restored=asked.files or edited, actor=principal)
    return _view(row)


async def _row(tx: Transaction, agent_id: UUID) -> Any:
    row = await tx.row(queries.ONE, tx.account_id, agent_id)
    if row is None:
        raise Missing.thing("agent", agent_id)
    return row


def _view(row: Any) -> WorkspaceView:
    known = {name: row[name] for name in WorkspaceView.__struct_fields__}
    return WorkspaceView(**known | {"files": row["files"] or 0, "edited": row["edited"] or [], "warnings": row["warnings"] or []})


def _member(
    row: Any, skills: Sequence[Any], tokens: Sequence[Any], *, common: Mapping[str, Any], verbs: Iterable[Verb]
) -> Member:
    agent_id = row["id"]
    taught = (
        Skill(one["slug"], one["name"], one["description"], one["content"]) for one in skills if agent_id in one["agent_ids"]
    )
    is_in_gateway = row["reach"] == Reach.GATEWAY and row["adapter"] == Adapter.RESPONSES and not row["is_retired"]
    return Member(
        id=agent_id,
        slug=row["slug"],
        is_retired=row["is_retired"],
        is_in_gateway=is_in_gateway,
        model=_model(row["model"]),
        facts=Facts(
            agent={name: row[name] for name in ("slug", "name", "role", "description")},
            layers=identity.found(row),
            skills=tuple(taught),
            verbs=tuple((verb.name, verb.summary) for verb in verbs),
            **common,
        ),
        tokens=tuple(rules.Token(one["id"], one["name"], one["sha256"]) for one in tokens if one["agent_id"] == agent_id),
        before=row,
    )


def _model(said: str | None) -> str | None:
    """What the profile calls a model may be the name of an agent instead."""
    return None if said is None or said.startswith(NAMES_OF_AGENTS) else said


def _offered(verbs: Sequence[Verb], row: Any, account: AccountPolicy) -> list[Verb]:
    """What the agent may ever be allowed."""
    flags = msgspec.json.decode(row["flags"], type=Flags)
    facts = AgentFacts(id=row["id"], slug=row["slug"], name=row["name"], role=row["role"], flags=flags)
    actor = AgentActor(facts, effective(facts, account))
    found = [verb for verb in verbs if offers(verb.action, actor=actor, account=account)]
    return sorted(found, key=lambda verb: verb.name)


def _repository(row: Any) -> Mapping[str, Any]:
    return dict(row) | {"url": redacted(row["url"]) if row["url"] else None}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
