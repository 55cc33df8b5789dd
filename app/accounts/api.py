"""The account, its people and its tokens: REST."""

from typing import Any

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from app.accounts import settings, tokens
from app.accounts.schemas import AccountEdit, AccountView, NewToken, TokenPage, TokenView
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.wire import Body

TOKENS = "/api/v1/tokens"


@get("/api/v1/account", operation_class=described(view=AccountView))
async def account(request: Call) -> Response[bytes]:
    """The account of the caller's token and its settings."""
    return await read(request, "account.read", lambda tx, _: settings.view(tx))


@patch("/api/v1/account", operation_class=described(body=AccountEdit, view=AccountView))
async def edit(request: Call) -> Response[bytes]:
    return await mutate(request, "account.manage", AccountEdit, settings.edit)


@get("/api/v1/people")
async def people(request: Call) -> Response[bytes]:
    return await read(request, "account.read", lambda tx, _: tokens.people(tx))


@get(TOKENS, operation_class=described(view=TokenPage))
async def listed(request: Call) -> Response[bytes]:
    return await read(request, "tokens.manage", lambda tx, _: tokens.page(tx))


@post(TOKENS, status_code=CREATED, operation_class=described(body=NewToken, view=TokenView, status=CREATED))
async def issue(request: Call) -> Response[bytes]:
    """Make a token; it is shown in this answer and never again."""
    return await mutate(request, "tokens.manage", NewToken, tokens.issue, status=CREATED)


@delete(TOKENS + "/{token_id:str}", status_code=200, operation_class=described(status=204))
async def revoke(request: Call, token_id: FromPath[str]) -> Response[bytes]:
    wanted = identity(token_id, kind="token")

    async def act(tx: Any, who: Any, _body: Body) -> None:
        await tokens.revoke(tx, who, wanted)

    return await mutate(request, "tokens.manage", Body, act, status=204)


ROUTES = (account, edit, people, listed, issue, revoke)
