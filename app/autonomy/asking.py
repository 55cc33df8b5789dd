"""Asking people about a command that is held until they decide."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from app.autonomy import queries, targets
from app.autonomy.rules import voting as rules
from app.events import service as events
from app.kernel.errors import Invalid, Missing, VersionConflict
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal, Role
from app.runtime import service as runtime
from app.runtime.service import Order
from app.runtime.types import CommandHeld, Terms

EXPIRE = "autonomy.expire"
ESCALATE = "autonomy.escalate"
SUMMARY_MOST = 500


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    command_id: UUID
    summary: str
    quorum: int
    min_role: Role
    requested_by_kind: ActorKind
    requested_by_id: UUID | None
    target_kind: str | None
    target_id: UUID | None
    target_version: int | None
    expires_seconds: float


async def request(tx: Transaction, held: CommandHeld) -> UUID:
    """Write the approval that a held command waits for, and when it is asked for again and ends. Answers its id."""
    terms = held.terms
    row = _Row(
        id=new_id(),
        command_id=held.command_id,
        summary=(terms.summary or f"Run {held.type}")[:SUMMARY_MOST],
        quorum=terms.quorum,
        min_role=Role(terms.min_role),
        requested_by_kind=held.actor.kind if held.actor else ActorKind.SYSTEM,
        requested_by_id=held.actor.id if held.actor else None,
        target_kind=terms.target_kind,
        target_id=terms.target_id,
        target_version=await _asked_version(tx, terms),
        expires_seconds=terms.expires_seconds,
    )
    tx.put(queries.INSERT, row)
    later = rules.escalates_after(terms.expires_seconds, terms.escalate_seconds)
    for kind, seconds in ((ESCALATE, later), (EXPIRE, terms.expires_seconds)):
        order = Order(type=kind, idempotency_key=str(row.id), payload={"approval_id": row.id}, delay_seconds=seconds)
        runtime.enqueue(tx, order, actor=None)
    payload = {"command_id": row.command_id, "command_type": held.type, "quorum": row.quorum, "min_role": row.min_role}
    payload |= {"expires_seconds": terms.expires_seconds, "target_kind": terms.target_kind, "target_id": terms.target_id}
    record(tx, "requested", row.id, version=1, actor=held.actor, payload=payload)
    return row.id


async def _asked_version(tx: Transaction, terms: Terms) -> int | None:
    """The version that people are asked about, which is the target's own now."""
    if terms.target_kind is None and terms.target_id is None:
        return None
    if terms.target_kind is None or terms.target_id is None:
        raise Invalid.field("approval", "a target has both a `target_kind` and a `target_id`")
    if terms.target_kind not in targets.kinds():
        raise Invalid.field("approval.target_kind", f"must be one of {', '.join(targets.kinds())}")
    version = await targets.version(tx, terms.target_kind, terms.target_id)
    if version is None:
        raise Missing.thing(terms.target_kind, terms.target_id)
    if terms.target_version not in (None, version):
        message = f"the {terms.target_kind} has version {version}, not {terms.target_version}"
        raise VersionConflict(message, expected_version=terms.target_version, version=version)
    return version


def record(
    tx: Transaction, action: str, approval_id: UUID, *, version: int, actor: Principal | None, payload: Mapping[str, object]
) -> None:
    """Append what became of an approval, whose version is now `version`."""
    entity = ("approval", approval_id)
    events.record(tx, f"autonomy:approval:{action}", entity=entity, sequence=version, actor=actor, payload=dict(payload))
