"""Who may vote on an approval, what the votes come to, and when it ends without them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from app.autonomy.types import ApprovalState, Ask, Ballot, Obstacle, Voice, Vote
from app.kernel.types import Role

RANKS: Mapping[Role, int] = {Role.VIEWER: 0, Role.MEMBER: 1, Role.ADMIN: 2, Role.OWNER: 3}
# Whoever casts a voice that was lent must be able to decide something at all.
LEAST_VOTER = Role.MEMBER
ESCALATES_AFTER = 0.5


def reaches(role: Role | None, least: Role) -> bool:
    return role is not None and RANKS[role] >= RANKS[least]


def obstacle(ask: Ask, voice: Voice) -> Obstacle | None:
    """Why this voice may not be cast; it has the role of its owner also when it was lent, and is never the requester's."""
    if ask.requester_id is not None and ask.requester_id in (voice.person_id, voice.voter_id):
        return Obstacle.SELF_APPROVAL
    if not reaches(voice.voter_role, LEAST_VOTER):
        return Obstacle.ROLE_DENIED
    if voice.person_id != voice.voter_id and not voice.is_delegated:
        return Obstacle.NOT_DELEGATED
    return None if reaches(voice.role, ask.min_role) else Obstacle.ROLE_DENIED


def given(ask: Ask, ballots: Iterable[Ballot]) -> frozenset[UUID]:
    """The distinct voices that approve and still count: who has left, or lost the role, is not heard any more."""
    return frozenset(
        ballot.voice_id
        for ballot in ballots
        if ballot.vote is Vote.APPROVE
        and reaches(ballot.role, ask.min_role)
        and (ask.requester_id is None or ask.requester_id not in (ballot.voice_id, ballot.voter_id))
    )


def missing(ask: Ask, ballots: Iterable[Ballot]) -> int:
    """How many more voices must approve."""
    return max(ask.quorum - len(given(ask, ballots)), 0)


def outcome(ask: Ask, ballots: Collection[Ballot]) -> ApprovalState:
    """One voice that denies ends it; otherwise it waits for its quorum."""
    if any(ballot.vote is Vote.DENY for ballot in ballots):
        return ApprovalState.DENIED
    return ApprovalState.PENDING if missing(ask, ballots) else ApprovalState.APPROVED


def lapse(ask: Ask, *, now: datetime, is_held: bool, version: int | None) -> ApprovalState | None:
    """How a pending approval has ended by itself, if it has; `version` is the target's own now, None when it is gone."""
    if now >= ask.expires_at:
        return ApprovalState.EXPIRED
    if not is_held or (ask.target_kind is not None and version != ask.target_version):
        return ApprovalState.STALE
    return None


def escalates_after(expires_seconds: float, wanted: float | None) -> float:
    """Seconds until people are reminded, never later than the end."""
    return min(expires_seconds * ESCALATES_AFTER if wanted is None else max(wanted, 0.0), expires_seconds)


def call(summary: str, *, missing: int, names: Sequence[str]) -> str:
    """What people are told when nobody has decided for a while."""
    waits = f"“{summary}” waits for {missing} more {'person' if missing == 1 else 'people'}"
    if len(names) >= missing:
        return f"{waits}; these may decide: {', '.join(names)}"
    there = f"only {', '.join(names)} may" if names else "nobody may"
    return f"{waits} and {there} decide: give somebody the role, or cancel it"
