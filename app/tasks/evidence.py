"""Acceptance criteria of a task, the verdicts on them, and what `done` asks of both."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.events import service as events
from app.kernel.errors import CallboardError, Forbidden, Invalid, InvalidTransition, Missing, RequirementFailed
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal
from app.policies import service as policies
from app.policies.types import Action, Reason
from app.tasks import hints, holding, scenes
from app.tasks.changes import expect
from app.tasks.queries import evidence as queries
from app.tasks.rules import evidence as rules
from app.tasks.rules.evidence import JudgeProblem, JudgeRefusal, Replacement
from app.tasks.schemas.evidence import AgentVerdict, CriteriaView, CriterionView, NewVerdict, UnprovenView, VerdictView
from app.tasks.types import Card, Criterion, Requirement, Scene, Verdict

_SHA256 = "sha256:"


class _CriterionRow(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    task_id: UUID
    position: int
    text: str


class _PlaceRow(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    position: int


async def judge(tx: Transaction, principal: Principal, task_id: UUID, asked: NewVerdict | AgentVerdict) -> VerdictView:
    """Give a verdict on one criterion; who gave it, and when, is kept with it."""
    card, scene = await scenes.load(tx, principal, task_id)
    rule = policies.require(Action.TASK_EVIDENCE, principal=principal, account=scene.account, crew=scene.crew, status=card.status)
    expect(card, version=asked.expected_version)
    fence = asked.fence if isinstance(asked, AgentVerdict) else None
    holding.hold(principal, card, scene, rule=rule, fence=fence)
    one = _named(scene, asked)
    verdict = Verdict(asked.verdict)
    refusal = rules.judgement(
        one,
        status=card.status,
        by=principal.kind,
        verdict=verdict,
        artifact=asked.artifact,
        artifact_hash=asked.artifact_hash,
    )
    if refusal is not None:
        raise _refused(refusal, card)
    judged = _judged(one, asked, principal, now=scene.now)
    _write(tx, card, judged, now=scene.now)
    _tell(tx, principal, card, one, judged, rule=rule)
    after = msgspec.structs.replace(one, verdict=verdict, is_met=asked.is_met, verdict_by_kind=principal.kind)
    criteria = tuple(after if other.id == one.id else other for other in scene.criteria)
    return _answer(principal, card, msgspec.structs.replace(scene, criteria=criteria), judged)


def _answer(principal: Principal, card: Card, scene: Scene, judged: CriterionView) -> VerdictView:
    left = rules.shortfall(scene.criteria, level=scene.account.evidence)
    unproven = [UnprovenView(**msgspec.structs.asdict(lacking)) for lacking in left.criteria] if left else []
    view = VerdictView(task_id=card.id, version=card.version + 1, criterion=judged, unproven=unproven)
    if principal.kind is ActorKind.AGENT:
        view.next_actions = hints.next_actions(principal, card, scene)
    return view


def _named(scene: Scene, asked: NewVerdict | AgentVerdict) -> Criterion:
    for one in scene.criteria:
        if asked.criterion_id in (None, one.id) and asked.position in (None, one.position):
            return one
    if asked.position is not None:
        raise Invalid.field("position", f"this task has {len(scene.criteria)} criteria")
    raise Missing.thing("criterion", asked.criterion_id)


def _refused(refusal: JudgeRefusal, card: Card) -> CallboardError:
    match refusal.problem:
        case JudgeProblem.CLOSED:
            return _closed(card)
        case JudgeProblem.PERSONS_VERDICT:
            return Forbidden("only people give the verdict person_checked", reason=Reason.PERSONS_ONLY)
        case JudgeProblem.PERSON_JUDGED:
            return Forbidden("a person judged this criterion, and only people change that", reason=Reason.PERSONS_ONLY)
        case JudgeProblem.NO_ARTIFACT:
            words = "names what was checked, and its SHA-256"
            fields = [{"field": name, "message": f"is needed: this verdict {words}"} for name in refusal.fields]
            return Invalid(f"this verdict {words}: {', '.join(refusal.fields)}", fields=fields)


def _closed(card: Card) -> InvalidTransition:
    status = card.status
    words = f"a {status} task keeps its criteria and the verdicts on them"
    return InvalidTransition(words, **{"from": status, "to": status, "allowed": ()})


def _judged(one: Criterion, asked: NewVerdict | AgentVerdict, principal: Principal, *, now: datetime) -> CriterionView:
    digest = asked.artifact_hash
    return CriterionView(
        id=one.id,
        position=one.position,
        text=one.text,
        verdict=Verdict(asked.verdict),
        is_met=asked.is_met,
        note=asked.note,
        artifact=asked.artifact,
        artifact_hash=_SHA256 + digest.lower().removeprefix(_SHA256) if digest else None,
        verdict_by_kind=principal.kind,
        verdict_by_id=principal.id,
        verdict_by_name=principal.name,
        verdict_at=now,
    )


def _write(tx: Transaction, card: Card, judged: CriterionView, *, now: datetime) -> None:
    said = (judged.verdict, judged.is_met, judged.note, judged.artifact, judged.artifact_hash)
    author = (judged.verdict_by_kind, judged.verdict_by_id, judged.verdict_by_name, judged.verdict_at)
    tx.write(queries.JUDGE, tx.account_id, card.id, judged.id, *said, *author, expect=1)
    tx.write(queries.COUNT_VERDICT, tx.account_id, card.id, now, expect=1)


def _tell(tx: Transaction, principal: Principal, card: Card, before: Criterion, judged: CriterionView, *, rule: str) -> None:
    payload = {
        "criterion_id": judged.id,
        "position": judged.position,
        "verdict": judged.verdict,
        "is_met": judged.is_met,
        "artifact": judged.artifact,
        "artifact_hash": judged.artifact_hash,
        "before": None if before.verdict is None else _short(before),
        "rule": rule,
    }
    events.record(
        tx, "board:task:evidence", entity=("task", card.id), sequence=card.version + 1, actor=principal, payload=payload
    )


def _short(one: Criterion) -> dict[str, object]:
    return {"verdict": one.verdict, "is_met": one.is_met, "by_kind": one.verdict_by_kind}


def require(scene: Scene) -> None:
    """Refuse to close a task whose criteria the account wants proven and nobody has."""
    lacks = rules.shortfall(scene.criteria, level=scene.account.evidence)
    if lacks is None:
        return
    words = "this account closes a task only when each of its acceptance criteria is proven"
    if not lacks.criteria:
        words = f"{words}, and this one has none"
    raise RequirementFailed(words, requirement=Requirement.EVIDENCE, level=lacks.level, criteria=lacks.criteria)


def write(tx: Transaction, task_id: UUID, texts: Sequence[str]) -> None:
    """Give a new task its criteria."""
    _add(tx, task_id, list(enumerate((text.strip() for text in texts), start=1)))


def _add(tx: Transaction, task_id: UUID, places: Sequence[tuple[int, str]]) -> None:
    for position, text in places:
        tx.put(queries.INSERT_CRITERIA, _CriterionRow(id=new_id(), task_id=task_id, position=position, text=text))


async def replace(
    tx: Transaction, principal: Principal, card: Card, scene: Scene, texts: Sequence[str]
) -> dict[str, list[str]] | None:
    """Make these the criteria of the task; answers what the event says of it, None when they are the same."""
    wanted = rules.replacement(scene.criteria, [text.strip() for text in texts])
    if not wanted.changes:
        return None
    if card.status in rules.CLOSED:
        raise _closed(card)
    _guard(principal, card, scene, wanted)
    if wanted.moves or wanted.removed:
        gone = [one.id for one in wanted.removed]
        tx.write(queries.LIFT_CRITERIA, tx.account_id, card.id, gone, expect=len(wanted.kept))
        tx.write(queries.DROP_CRITERIA, tx.account_id, card.id, gone, expect=len(gone))
        await tx.flush()
        for one, position in wanted.kept:
            tx.put(queries.PLACE_CRITERIA, _PlaceRow(id=one.id, position=position))
    _add(tx, card.id, [(position, text) for text, position in wanted.added])
    return {"added": [text for text, _ in wanted.added], "removed": [one.text for one in wanted.removed]}


def _guard(principal: Principal, card: Card, scene: Scene, wanted: Replacement) -> None:
    leads = principal.id == scene.account.orchestrator_agent_id
    made = card.created_by_kind is ActorKind.AGENT and card.created_by_id == principal.id
    kept = rules.guarded(wanted.removed, by=principal.kind, set_the_task=leads or made)
    if not kept:
        return
    judged = any(one.verdict_by_kind is ActorKind.PERSON for one in kept)
    words = "a person judged" if judged else "others set"
    reason = Reason.PERSONS_ONLY if judged else Reason.NOT_AUTHOR
    raise Forbidden(f"you may add criteria, and not take away or reword those that {words}", reason=reason, criteria=kept)


def forget(tx: Transaction, card: Card, scene: Scene) -> dict[str, object]:
    """Take back the verdicts, because the work they were about changes; answers what the event says of it."""
    judged = [one for one in scene.criteria if one.verdict is not None]
    if not judged:
        return {}
    tx.write(queries.FORGET_VERDICTS, tx.account_id, card.id, expect=len(judged))
    return {"verdicts_cleared": [{"id": one.id, "position": one.position, **_short(one)} for one in judged]}


def cleared(scene: Scene) -> Scene:
    """The scene once its verdicts are forgotten."""
    blank = {"verdict": None, "is_met": None, "verdict_by_kind": None}
    return msgspec.structs.replace(scene, criteria=tuple(msgspec.structs.replace(one, **blank) for one in scene.criteria))


def rewritten(scene: Scene, texts: Sequence[str] | UnsetType) -> Scene:
    """The scene with these criteria; what is said anew has no verdict."""
    if texts is UNSET:
        return scene
    known = {one.text: one for one in scene.criteria}
    places = enumerate((text.strip() for text in texts), start=1)
    criteria = tuple(known.get(text) or Criterion(id=new_id(), position=place, text=text) for place, text in places)
    return msgspec.structs.replace(scene, criteria=criteria)


def unmet(scene: Scene) -> list[str]:
    """The criteria that were judged not to be met."""
    return [one.text for one in scene.criteria if one.verdict is not None and not one.is_met]


async def criteria(tx: Transaction, task_id: UUID) -> CriteriaView:
    """The criteria of a task with the verdicts on them."""
    text = await tx.value(queries.CRITERIA, tx.account_id, task_id)
    if text is None:
        raise Missing.thing("task", task_id)
    return CriteriaView(items=scenes.read_json(text, list[CriterionView]))
