"""Whether an agent may work on the branch of a task now, and what git finds there."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

import msgspec

from app.bootstrap import spots
from app.bootstrap.rules import branches
from app.bootstrap.rules import worktrees as rules
from app.bootstrap.types.vcs import Author, CloneState, GitError, Place, Tree
from app.bootstrap.types.worktrees import Spot
from app.kernel import confined
from app.kernel.errors import CallboardError, Invalid, RequirementFailed, Unavailable
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.policies import service as policies
from app.policies.types import Action
from app.tasks import holding, scenes
from app.tasks.changes import unheld
from app.tasks.rules import leases
from app.tasks.types import Card, LeaseProblem, LeaseRefusal, Scene, WorktreeState

T = TypeVar("T")
RETRY_SECONDS = 3
MAIL = "agents.callboard.invalid"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f<>\"]+")


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """A worktree that may be worked in, and for whom."""

    spot: Spot
    tree: Tree
    place: Place
    author: Author


async def read(tx: Transaction, principal: Principal, task_id: UUID) -> Desk:
    """The worktree for who may look into it: those who work on the task, review it or lead."""
    card, scene = await scenes.look(tx, principal, task_id)
    _require(principal, card, scene)
    return await _desk(tx, principal, card, scene)


async def write(tx: Transaction, principal: Principal, task_id: UUID, *, fence: int | None) -> tuple[Card, Scene, Desk, str]:
    """The worktree for who may change it now, under the task's lock, with the rule that allows it."""
    card, scene = await scenes.load(tx, principal, task_id)
    rule = _require(principal, card, scene)
    holding.hold(principal, card, scene, rule=rule, fence=fence)
    _refuse_unheld(principal, card, scene, rule=rule)
    if card.status in rules.CLOSED:
        raise unusable(f"the task is {card.status}, and its branch stays as it is", reason="closed")
    desk = await _desk(tx, principal, card, scene)
    if desk.spot.state is not WorktreeState.READY:
        raise unusable("the task's worktree is only kept: claim the task to go on in it", reason="kept")
    if branches.is_protected(desk.spot.branch or "", spots.naming(desk.spot)):
        raise unusable("the task's branch has become a protected one, where no agent commits", reason="protected")
    return card, scene, desk, rule


def _require(principal: Principal, card: Card, scene: Scene) -> str:
    return policies.require(Action.TASK_COMMIT, principal=principal, account=scene.account, crew=scene.crew, status=card.status)


def _refuse_unheld(principal: Principal, card: Card, scene: Scene, *, rule: str) -> None:
    """Files are only changed by who holds the task, whatever state it is in."""
    leads = principal.id == scene.account.orchestrator_agent_id
    is_mine = leases.is_held(card, now=scene.now) and card.lease_agent_id == principal.id
    if principal.kind is ActorKind.AGENT and leases.is_worker(rule, leads=leads) and not is_mine:
        raise unheld(LeaseRefusal(problem=LeaseProblem.REQUIRED), scene)


async def _desk(tx: Transaction, principal: Principal, card: Card, scene: Scene) -> Desk:
    spot = await spots.of_task(tx, card.id)
    if spot is None or not spot.has_url:
        raise unusable(rules.OFF if spot else "the account has no repository, so version control is off", reason="disabled")
    _refuse_unready(spot)
    tree, place = spot.tree, spot.place
    if tree is None or place is None:
        raise unusable(spot.advice or "the repository's clone is not there yet: ask again soon", reason="degraded", may_pass=True)
    me = scene.agent(principal.id)
    slug = me.slug if me else "person"
    name = _UNPRINTABLE.sub(" ", principal.name).strip() or slug
    return Desk(spot=spot, tree=tree, place=place, author=Author(name, f"{slug}@{MAIL}"))


def _refuse_unready(spot: Spot) -> None:
    if spot.state in {WorktreeState.READY, WorktreeState.KEPT}:
        return
    if spot.clone is CloneState.OFF:
        raise unusable(spot.advice or rules.OFF, reason="disabled")
    match spot.state:
        case WorktreeState.WANTED if spot.place is None and spot.clone is CloneState.DEGRADED:
            raise unusable(spot.advice or "the repository cannot be cloned", reason="degraded")
        case WorktreeState.WANTED:
            words = "the worktree is being made" if spot.place else "the repository is still being cloned"
            raise unusable(f"{words}: ask again in a moment", reason="not_ready", may_pass=True)
        case WorktreeState.FAILED:
            raise unusable(f"the worktree could not be made: {spot.problem or 'for an unknown reason'}", reason="failed")
        case WorktreeState.REMOVED:
            raise unusable("the worktree went when the task was closed; its branch is still there", reason="removed")
        case _:
            raise unusable("the task has no worktree yet: claim the task, and one is made", reason="unclaimed")


def unusable(message: str, *, reason: str, may_pass: bool = False) -> RequirementFailed:
    error = RequirementFailed(message, requirement="vcs", reason=reason)
    if may_pass:
        error.retry_after = RETRY_SECONDS
    return error


def paths(asked: Sequence[str]) -> list[str]:
    """The paths as git gets them; none leads out of the worktree."""
    found = []
    for number, path in enumerate(asked):
        try:
            found.append("/".join(confined.parts(path.removesuffix("/"))))
        except confined.Escapes as error:
            raise Invalid.field(f"paths[{number}]", str(error)) from None
    return found


async def asked(call: Callable[[], Awaitable[T]]) -> T:
    """What git answers, or the refusal that its trouble becomes."""
    try:
        return await call()
    except GitError as error:
        raise _refused(error) from error


def _refused(error: GitError) -> CallboardError:
    details = {"reason": error.trouble.value} | ({"setting": error.setting} if error.setting else {})
    if error.may_pass:
        return Unavailable(error.advice, **details)
    return RequirementFailed(error.advice, requirement="vcs", **details)
