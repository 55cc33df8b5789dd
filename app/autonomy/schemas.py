"""The wire shapes of approvals."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from app.autonomy.types import ApprovalState, Vote
from app.kernel.types import ActorKind, Role
from app.kernel.wire import Body, View, in_calendar

Line = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]


class Voting(Body):
    """`on_behalf_of` is the person whose voice was lent to the caller; without it the caller's own is cast."""

    note: Line | None = None
    on_behalf_of: UUID | None = None


class Canceling(Body):
    reason: Line | None = None


class NewDelegation(Body):
    """Until `until`, `to_person_id` may vote with the caller's voice; the caller may go on to vote too, whoever is first."""

    to_person_id: UUID
    until: Annotated[datetime, Meta(tz=True)]
    reason: Line

    def __post_init__(self) -> None:
        in_calendar(self.until)


class ApprovalView(View):
    """`voices_missing` is how many more voices must approve; `version` counts the votes and moves."""

    id: UUID
    command_id: UUID
    command_type: str
    summary: str
    state: ApprovalState
    quorum: int
    voices_missing: int
    min_role: Role
    requested_by_kind: ActorKind
    requested_by_id: UUID | None
    target_kind: str | None
    target_id: UUID | None
    target_version: int | None
    reason: str | None
    version: int
    created_at: datetime
    expires_at: datetime
    escalated_at: datetime | None
    decided_at: datetime | None


class ApprovalPage(View):
    items: list[ApprovalView]
    next_cursor: str | None
    limit: int


class VoteView(View):
    """`voter_id` cast the voice of `on_behalf_of_id`, mostly their own."""

    voter_id: UUID
    on_behalf_of_id: UUID
    vote: Vote
    note: str | None
    created_at: datetime


class VoiceView(View):
    """A person whose voice would still count, and who else may cast it now."""

    person_id: UUID
    name: str
    role: Role
    delegate_id: UUID | None


class WaitingCommand(View):
    id: UUID
    type: str
    state: str
    profile: str
    payload: Any


class ApprovalDetail(ApprovalView):
    """`may_decide` are the voices that would still count, `your_voices` those of them that the caller may cast."""

    command: WaitingCommand
    votes: list[VoteView]
    may_decide: list[VoiceView]
    your_voices: list[UUID]


class DelegationView(View):
    from_person_id: UUID
    to_person_id: UUID
    reason: str
    until: datetime
    created_at: datetime


class DelegationsView(View):
    """`given` is the caller's own, one at a time; `received` are the voices lent to the caller."""

    given: DelegationView | None
    received: list[DelegationView]
