"""Acceptance criteria: what `done` needs of them, who may judge one, and what a new list keeps of the old one."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

import msgspec

from app.kernel.types import ActorKind
from app.policies.types import Evidence
from app.tasks.types import Criterion, TaskStatus, Verdict

CLOSED = frozenset({TaskStatus.DONE, TaskStatus.ARCHIVED})


class Gap(StrEnum):
    """What a criterion lacks: any verdict, one that it is met, or one by more than a claim."""

    UNJUDGED = "unjudged"
    NOT_MET = "not_met"
    UNCHECKED = "unchecked"


class Unproven(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    position: int
    text: str
    gap: Gap


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """Why a task may not be done yet; without `criteria` it has none, which proves nothing."""

    level: Evidence
    criteria: tuple[Unproven, ...]


class JudgeProblem(StrEnum):
    CLOSED = "closed"
    PERSONS_VERDICT = "persons_verdict"
    PERSON_JUDGED = "person_judged"
    NO_ARTIFACT = "no_artifact"


class JudgeRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """`fields` are those that the verdict needs."""

    problem: JudgeProblem
    fields: tuple[str, ...] = ()


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """A new list over an old one: `kept` go to a place, `added` are new there, `removed` are gone."""

    kept: tuple[tuple[Criterion, int], ...]
    added: tuple[tuple[str, int], ...]
    removed: tuple[Criterion, ...]

    @property
    def moves(self) -> bool:
        return any(one.position != position for one, position in self.kept)

    @property
    def changes(self) -> bool:
        return bool(self.added or self.removed or self.moves)


def shortfall(criteria: Sequence[Criterion], *, level: Evidence) -> Shortfall | None:
    """What stands between a task and `done`, by the account's setting; None when nothing does."""
    if level is Evidence.OFF:
        return None
    found = tuple(
        Unproven(id=one.id, position=one.position, text=one.text, gap=gap)
        for one in criteria
        if (gap := _gap(one, level=level)) is not None
    )
    return Shortfall(level=level, criteria=found) if found or not criteria else None


def _gap(one: Criterion, *, level: Evidence) -> Gap | None:
    if one.verdict is None:
        return Gap.UNJUDGED
    if not one.is_met:
        return Gap.NOT_MET
    if level is Evidence.CHECKED and one.verdict is Verdict.CLAIMED:
        return Gap.UNCHECKED
    return None


def judgement(
    one: Criterion, *, status: TaskStatus, by: ActorKind, verdict: Verdict, artifact: str | None, artifact_hash: str | None
) -> JudgeRefusal | None:
    """Whether this verdict may be given; a person's is changed by people only, and a machine's names what it checked."""
    if status in CLOSED:
        return JudgeRefusal(problem=JudgeProblem.CLOSED)
    if by is not ActorKind.PERSON and verdict is Verdict.PERSON_CHECKED:
        return JudgeRefusal(problem=JudgeProblem.PERSONS_VERDICT, fields=("verdict",))
    if by is not ActorKind.PERSON and one.verdict_by_kind is ActorKind.PERSON:
        return JudgeRefusal(problem=JudgeProblem.PERSON_JUDGED)
    is_machine = verdict is Verdict.MACHINE_CHECKED
    given = {"artifact": artifact, "artifact_hash": artifact_hash}
    needed = ("artifact", "artifact_hash") if is_machine else ("artifact",) if artifact_hash else ()
    missing = tuple(name for name in needed if given[name] is None)
    return JudgeRefusal(problem=JudgeProblem.NO_ARTIFACT, fields=missing) if missing else None


def replacement(criteria: Sequence[Criterion], texts: Sequence[str]) -> Replacement:
    """The list as it is wanted now: the same text stays the same criterion with its verdict, wherever it stands."""
    known = {one.text: one for one in criteria}
    places = list(enumerate(texts, start=1))
    return Replacement(
        kept=tuple((known[text], position) for position, text in places if text in known),
        added=tuple((text, position) for position, text in places if text not in known),
        removed=tuple(one for one in criteria if one.text not in texts),
    )


def guarded(removed: Sequence[Criterion], *, by: ActorKind, set_the_task: bool) -> tuple[Criterion, ...]:
    """The criteria that this caller may not take away: an agent drops none that others measure it by.

    `set_the_task` is true of who made the task, and of the orchestrator; what a person judged stays even then.
    """
    if by is ActorKind.PERSON:
        return ()
    return tuple(one for one in removed if not set_the_task or one.verdict_by_kind is ActorKind.PERSON)
