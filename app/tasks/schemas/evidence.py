"""The wire shapes of acceptance criteria and of the verdicts on them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.tasks.rules.evidence import Gap
from app.tasks.schemas import CRITERIA_MOST, Fence, NextAction, Version
from app.tasks.types import Verdict

Position = Annotated[int, Meta(ge=1, le=CRITERIA_MOST)]
Artifact = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]
# Python's `$` also stands before a last newline.
Sha256 = Annotated[str, Meta(max_length=71, pattern=r"^(?:sha256:)?[0-9a-fA-F]{64}$(?!\n)")]
Note = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]


def _named_once(criterion_id: UUID | None, position: int | None) -> None:
    if criterion_id is None and position is None:
        raise ValueError("Object missing required field `criterion_id`; `position` may stand for it")
    if criterion_id is not None and position is not None:
        raise ValueError("Object names the criterion twice; field `position` stands for `criterion_id`")


class NewVerdict(Body):
    """A person's verdict on one criterion, named by its id or by its position, which counts from 1."""

    is_met: bool
    criterion_id: UUID | None = None
    position: Position | None = None
    verdict: Verdict = Verdict.PERSON_CHECKED
    artifact: Artifact | None = None
    artifact_hash: Sha256 | None = None
    note: Note | None = None
    expected_version: Version | None = None

    def __post_init__(self) -> None:
        _named_once(self.criterion_id, self.position)


class AgentVerdict(Body):
    """`machine_checked` says that a machine looked, and needs the `artifact` it looked at and its `artifact_hash`."""

    task_id: UUID
    is_met: bool
    criterion_id: UUID | None = None
    position: Position | None = None
    verdict: Literal["claimed", "machine_checked"] = "claimed"
    artifact: Artifact | None = None
    artifact_hash: Sha256 | None = None
    note: Note | None = None
    expected_version: Version | None = None
    fence: Fence | None = None

    def __post_init__(self) -> None:
        _named_once(self.criterion_id, self.position)


class CriterionView(View):
    """An acceptance criterion, and who vouches for it since when."""

    id: UUID
    position: int
    text: str
    verdict: Verdict | None = None
    is_met: bool | None = None
    note: str | None = None
    artifact: str | None = None
    artifact_hash: str | None = None
    verdict_by_kind: ActorKind | None = None
    verdict_by_id: UUID | None = None
    verdict_by_name: str | None = None
    verdict_at: datetime | None = None


class UnprovenView(View):
    """A criterion that keeps the task from `done`, and what it lacks."""

    id: UUID
    position: int
    text: str
    gap: Gap


class VerdictView(View):
    """The criterion as it is now; `unproven` are those that keep the task from `done` in this account."""

    task_id: UUID
    version: int
    criterion: CriterionView
    unproven: list[UnprovenView]
    next_actions: list[NextAction] | UnsetType = UNSET


class CriteriaView(View):
    items: list[CriterionView]
