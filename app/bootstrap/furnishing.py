"""Workspaces as durable work: written anew within a second of a change, and looked after by the clock."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from app.bootstrap import furnishing_orders as orders
from app.bootstrap import places, workspaces
from app.bootstrap import workspaces_contents as contents
from app.bootstrap.queries import workspaces as queries
from app.bootstrap.types.workspaces import Furnishing, WorkspaceState
from app.bootstrap.workspaces import Held
from app.bootstrap.workspaces_files import Trouble, locked
from app.bootstrap.workspaces_rounds import Round
from app.kernel.settings import Settings
from app.kernel.threads import in_thread
from app.observability.metrics import WORKSPACE_FAILURES
from app.runtime import standing
from app.runtime.handlers import Attempt, Failed
from app.runtime.taxonomy import command, tick
from app.runtime.types import ErrorClass, Idempotency

PATIENCE_SECONDS, LOOK_SECONDS = 20.0, 0.05
log = structlog.get_logger()


@command(
    orders.SYNC,
    payload=Furnishing,
    owner="bootstrap",
    idempotency=Idempotency.CAUSE,
    started_by=("a change of agents, skills, identities, repositories or the account", "./callboard up", "an admin"),
    is_submittable=True,
)
async def sync(attempt: Attempt) -> None:
    """Write an agent's workspace, or all of the account's, where it is not as it should be."""
    await _furnish(attempt, msgspec.json.decode(attempt.claim.payload, type=Furnishing))


@tick(orders.SWEEP, owner="bootstrap")
async def sweep(attempt: Attempt) -> None:
    """Write what workspaces lack, and take away what is stale in them."""
    await _furnish(attempt, Furnishing(), sleeps=True)


async def _furnish(attempt: Attempt, wanted: Furnishing, *, sleeps: bool = False) -> None:
    settings: Settings = attempt.resources.settings
    root = places.workspaces(settings)
    async with _alone(root, attempt.claim.account_id):
        manuals = await in_thread(contents.manuals, settings.manuals_dir)
        async with attempt.transaction() as tx:
            crew = await workspaces.crew(tx, wanted.agent_id, settings=settings, verbs=attempt.resources.verbs, manuals=manuals)
        one_round = Round(settings, crew)
        keys = await _keys(attempt, one_round)
        stands = await in_thread(one_round.furnish, keys, wanted.restored)
        stands, gateway = await in_thread(one_round.tell_gateway, stands)
        async with attempt.transaction() as tx:
            told = [workspaces.keep(tx, one.before, now) for one, now in zip(crew.members, stands, strict=True)]
            if sleeps:
                await standing.lull(tx, orders.STANDING, unless=queries.IS_ANY)
            failed = {one.path: one.problem for one in stands if one.state is WorkspaceState.FAILED}
            attempt.finish(tx, {"workspaces": len(stands), "changed": sum(told), "failed": len(failed), "gateway": gateway})
    _count(failed, gateway)


def _count(failed: Mapping[str, str | None], gateway: str | None) -> None:
    for path, problem in failed.items():
        WORKSPACE_FAILURES.inc()
        log.warning("workspace_failed", path=path, problem=problem)
    if gateway is not None:
        log.warning("gateway_config_failed", problem=gateway)


async def _keys(attempt: Attempt, one_round: Round) -> Mapping[UUID, Held]:
    """The token of each workspace, but of those whose environment file cannot be read."""
    name = one_round.token_name
    found = await in_thread(one_round.tokens)
    members = {one.id: one for one in one_round.crew.members if one.id in found}
    keys = {agent_id: workspaces.held(one, found[agent_id], name=name) for agent_id, one in members.items()}
    unsettled = [agent_id for agent_id, key in keys.items() if not key.is_settled]
    if unsettled:
        async with attempt.transaction() as tx:
            for agent_id in unsettled:
                keys[agent_id] = await workspaces.renewed(tx, members[agent_id], keys[agent_id], name=name)
    return keys


@asynccontextmanager
async def _alone(root: Path, account_id: UUID) -> AsyncIterator[None]:
    """As the only one who writes workspaces of the account there; what is read after this is the newest."""
    until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        with ExitStack() as held:
            try:
                is_ours = await in_thread(held.enter_context, locked(root, account_id.hex))
            except Trouble as error:
                WORKSPACE_FAILURES.inc()
                raise Failed(ErrorClass.UNAVAILABLE, f"CALLBOARD_WORKSPACES_DIR: {error}") from None
            if is_ours:
                yield
                return
        if asyncio.get_running_loop().time() > until:
            raise Failed(ErrorClass.TRANSIENT, "the account's workspaces are being written by somebody else")
        await asyncio.sleep(LOOK_SECONDS)
