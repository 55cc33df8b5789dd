"""Tokens as people manage them."""

from typing import Any
from uuid import UUID

from app.accounts import queries, service
from app.accounts.schemas import NewToken, TokenView
from app.kernel.errors import Invalid, Missing
from app.kernel.transaction import Transaction
from app.kernel.types import ActorKind, Principal, Role
from app.kernel.wire import Page, View


class PersonView(View):
    id: UUID
    email: str
    handle: str
    name: str
    role: Role


async def issue(tx: Transaction, principal: Principal, asked: NewToken) -> TokenView:
    name = asked.agent_slug or asked.email
    if name is None or (asked.agent_slug and asked.email):
        raise Invalid.field("agent_slug", "name one principal: agent_slug or email")
    row = await tx.row(queries.PRINCIPAL, tx.account_id, name.strip().removeprefix("@").lower())
    if row is None:
        raise Missing.thing("principal", name)
    kind = ActorKind(row["kind"])
    bound = asked.session_id
    if bound is not None and not await tx.value(queries.OPEN_SESSION_OF, tx.account_id, bound, row["id"]):
        raise Invalid.field("session_id", "is no open session of this agent")
    token_id, token = service.issue_token(
        tx,
        principal_kind=kind,
        principal_id=row["id"],
        name=asked.name,
        created_by=principal,
        expires_at=asked.expires_at,
        session_id=bound,
    )
    await tx.flush()
    made: TokenView = next(one for one in (await page(tx)).items if one.id == token_id)
    made.token = token
    return made


async def revoke(tx: Transaction, principal: Principal, token_id: UUID) -> None:
    if token_id not in {one.id for one in (await page(tx)).items}:
        raise Missing.thing("token", token_id)
    service.revoke_token(tx, token_id=token_id, actor=principal)


async def page(tx: Transaction) -> Page:
    rows = await tx.rows(queries.TOKENS, tx.account_id)
    return Page(items=[_view(row) for row in rows], limit=200)


async def people(tx: Transaction) -> Page:
    rows = await tx.rows(queries.PEOPLE, tx.account_id)
    return Page(items=[PersonView(**dict(row)) for row in rows], limit=len(rows))


def _view(row: Any) -> TokenView:
    return TokenView(
        id=row["id"],
        name=row["name"],
        prefix=row["prefix"],
        kind=ActorKind.PERSON if row["person_id"] else ActorKind.AGENT,
        principal_id=row["person_id"] or row["agent_id"],
        scopes=row["scopes"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        session_id=row["session_id"],
    )
