"""Approvals for people: REST."""

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from litestar import Response, delete, get, post
from litestar.params import FromPath

from app.autonomy import delegating, reading, service
from app.autonomy.schemas import (
    ApprovalDetail,
    ApprovalPage,
    ApprovalView,
    Canceling,
    DelegationsView,
    DelegationView,
    NewDelegation,
    Voting,
)
from app.autonomy.service import Lapsed
from app.autonomy.types import ApprovalState, Vote
from app.kernel import paging
from app.kernel.db import retried
from app.kernel.edge import CREATED, Call, board, caller, identity, mutate, origin, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body

APPROVALS = "/api/v1/approvals"
APPROVAL = "/api/v1/approvals/{approval_id:str}"
DELEGATIONS = "/api/v1/approvals/delegations"
READ, DECIDE = "approvals.read", "approvals.decide"
GONE = 204


@get(APPROVALS, operation_class=described(view=ApprovalPage))
async def listed(request: Call) -> Response[bytes]:
    """A page of approvals, newest first; filters: `state`, `mine=true` (waits for your voice), `limit`, `cursor`."""
    state, is_mine = paging.asked(request, "state", ApprovalState), paging.asked(request, "mine", bool) or False
    limit, before = paging.limit(request), paging.cursor(request)
    return await read(
        request, READ, lambda tx, who: reading.page(tx, who, state=state, is_mine=is_mine, limit=limit, before=before)
    )


@get(APPROVAL, operation_class=described(view=ApprovalDetail))
async def one(request: Call, approval_id: FromPath[str]) -> Response[bytes]:
    """An approval with its votes, the command that waits for it, and who may still decide."""
    wanted = identity(approval_id, kind="approval")
    return await read(request, READ, lambda tx, who: reading.one(tx, who, wanted))


@post(f"{APPROVAL}/approve", status_code=200, operation_class=described(body=Voting, view=ApprovalView))
async def approve(request: Call, approval_id: FromPath[str]) -> Response[bytes]:
    """Cast your voice for it, or one that was lent to you; the last one that is needed lets the command run."""
    return await _voted(request, approval_id, Vote.APPROVE)


@post(f"{APPROVAL}/deny", status_code=200, operation_class=described(body=Voting, view=ApprovalView))
async def deny(request: Call, approval_id: FromPath[str]) -> Response[bytes]:
    """Cast your voice against it, or one that was lent to you; the command is canceled."""
    return await _voted(request, approval_id, Vote.DENY)


async def _voted(request: Call, approval_id: str, choice: Vote) -> Response[bytes]:
    wanted = identity(approval_id, kind="approval")
    voting = mutate(request, DECIDE, Voting, lambda tx, who, asked: service.vote(tx, who, wanted, choice, asked))
    return await _settled(request, wanted, voting)


async def _settled(request: Call, approval_id: UUID, voting: Awaitable[Response[bytes]]) -> Response[bytes]:
    """What is over by itself is written down even though the vote is refused, which undoes all that it wrote."""
    try:
        return await voting
    except Lapsed:
        who = await caller(request, DECIDE)

        async def settle() -> None:
            async with board(request).database.transaction(who.account_id, origin=origin(request)) as tx:
                await service.settle(tx, approval_id)

        await retried(settle)
        raise


@post(f"{APPROVAL}/cancel", status_code=200, operation_class=described(body=Canceling, view=ApprovalView))
async def cancel(request: Call, approval_id: FromPath[str]) -> Response[bytes]:
    """Give the request up, with its command."""
    wanted = identity(approval_id, kind="approval")
    return await mutate(request, DECIDE, Canceling, lambda tx, who, asked: service.cancel(tx, who, wanted, asked))


@post(DELEGATIONS, status_code=CREATED, operation_class=described(body=NewDelegation, view=DelegationView, status=CREATED))
async def delegate(request: Call) -> Response[bytes]:
    """Lend your voice to somebody until a time; it replaces what you lent before."""
    return await mutate(request, DECIDE, NewDelegation, delegating.give, status=CREATED)


@get(DELEGATIONS, operation_class=described(view=DelegationsView))
async def delegations(request: Call) -> Response[bytes]:
    """The voice that you lend, and those lent to you."""
    return await read(request, READ, delegating.mine)


@delete(DELEGATIONS, status_code=200, operation_class=described(status=GONE))
async def take_back(request: Call) -> Response[bytes]:
    """Take your voice back at once."""

    async def act(tx: Transaction, who: Principal, _body: Body) -> Any:
        await delegating.take_back(tx, who)

    return await mutate(request, DECIDE, Body, act, status=GONE)


ROUTES = (listed, one, approve, deny, cancel, delegate, delegations, take_back)
