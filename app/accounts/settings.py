"""The typed settings of an account."""

from typing import Any

import msgspec

from app.accounts import queries
from app.accounts.schemas import AccountEdit, AccountView
from app.accounts.types import AccountChanged, OrchestratorNamed
from app.events import service as events
from app.kernel.errors import Invalid, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies import legacy
from app.policies.types import AccountPolicy, Flags

POLICY_FIELDS = (
    "orchestrator_agent_id",
    "self_review",
    "legacy_reviewer_fallback",
    "lease_seconds",
    "open_pool",
    "evidence",
    "duplicate_guard",
)


async def policy(tx: Transaction) -> AccountPolicy:
    """As it is in force; what the account has set, its view shows."""
    row = await _row(tx, queries.ACCOUNT)
    return legacy.in_force(tx, row["settings"])


async def view(tx: Transaction) -> AccountView:
    return await _view(tx, await _row(tx, queries.ACCOUNT))


async def edit(tx: Transaction, principal: Principal, asked: AccountEdit) -> AccountView:
    """Change what was sent; an orchestrator must be an active agent of this account."""
    row = await _row(tx, queries.ACCOUNT_LOCKED)
    sent = {name: getattr(asked, name) for name in asked.__struct_fields__ if getattr(asked, name) is not msgspec.UNSET}
    leader = sent.get("orchestrator_agent_id")
    if leader is not None and not await tx.value(queries.ACTIVE_AGENT, tx.account_id, leader):
        raise Invalid.field("orchestrator_agent_id", "is no active agent of this account")
    changed = {name: value for name, value in sent.items() if name in POLICY_FIELDS}
    if "defaults" in sent:
        changed["defaults"] = _merged(_policy(row).defaults, sent["defaults"])
    after = msgspec.structs.replace(_policy(row), **changed)
    text = msgspec.json.encode(after).decode()
    tx.write(queries.CHANGE_ACCOUNT, tx.account_id, sent.get("name", row["name"]), text, expect=1)
    # Names of fields only: values of settings do not belong in a log that everybody reads.
    payload = {"fields": sorted(sent)}
    events.record(
        tx,
        "board:account:updated",
        entity=("account", tx.account_id),
        actor=principal,
        payload=payload,
        sequence=row["version"] + 1,
    )
    if leader is not None:
        await tx.tell(OrchestratorNamed(agent_id=leader))
    await tx.tell(AccountChanged(fields=tuple(sorted(sent))))
    await tx.flush()
    return await view(tx)


def _merged(defaults: Flags, sent: dict[str, bool | None]) -> Flags:
    unknown = sorted(set(sent) - set(Flags.__struct_fields__))
    if unknown:
        raise Invalid.field("defaults", f"there is no flag {', '.join(unknown)}")
    return msgspec.structs.replace(defaults, **sent)


async def _view(tx: Transaction, row: Any) -> AccountView:
    found = _policy(row)
    leader = found.orchestrator_agent_id
    usable = leader is not None and bool(await tx.value(queries.ACTIVE_AGENT, tx.account_id, leader))
    return AccountView(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        orchestrator_is_usable=usable,
        defaults=found.defaults,
        version=row["version"],
        created_at=row["created_at"],
        **{field: getattr(found, field) for field in POLICY_FIELDS},
    )


def _policy(row: Any) -> AccountPolicy:
    return msgspec.json.decode(row["settings"], type=AccountPolicy)


async def _row(tx: Transaction, sql: str) -> Any:
    row = await tx.row(sql, tx.account_id)
    if row is None:
        raise Missing.thing("account", tx.account_id)
    return row
