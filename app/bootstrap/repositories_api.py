"""The account's repositories: REST."""

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath

from app.bootstrap import repositories
from app.bootstrap.repository_schemas import NewRepository, RepositoryEdit, RepositoryPage, RepositoryView
from app.kernel import paging
from app.kernel.edge import CREATED, Call, identity, mutate, read
from app.kernel.openapi import described
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Body

REPOSITORIES = "/api/v1/repositories"
REPOSITORY = "/api/v1/repositories/{repository_id:str}"
KIND = "repository"
READ, MANAGE = "repositories.read", "repositories.manage"
ACCEPTED, GONE = 202, 204


@get(REPOSITORIES, operation_class=described(view=RepositoryPage))
async def all_repositories(request: Call) -> Response[bytes]:
    """A page of the account's repositories and how their clones stand, by name."""
    limit, after = paging.limit(request), paging.asked(request, "cursor", str)
    return await read(request, READ, lambda tx, _: repositories.page(tx, limit=limit, after=after))


@get(REPOSITORY, operation_class=described(view=RepositoryView))
async def one_repository(request: Call, repository_id: FromPath[str]) -> Response[bytes]:
    """A repository, how its clone stands, and what to do where it does not."""
    wanted = identity(repository_id, kind=KIND)
    return await read(request, READ, lambda tx, _: repositories.one(tx, wanted))


@post(REPOSITORIES, status_code=CREATED, operation_class=described(body=NewRepository, view=RepositoryView, status=CREATED))
async def create_repository(request: Call) -> Response[bytes]:
    """A new repository, which is cloned; where it may be is the operator's to say (CALLBOARD_REPOSITORY_ORIGINS)."""
    settings = request.app.state.settings
    return await mutate(
        request,
        MANAGE,
        NewRepository,
        lambda tx, who, body: repositories.create(tx, who, body, settings=settings),
        status=CREATED,
    )


@patch(REPOSITORY, operation_class=described(body=RepositoryEdit, view=RepositoryView))
async def edit_repository(request: Call, repository_id: FromPath[str]) -> Response[bytes]:
    """Change facts of a repository, or make it the primary one; another address, base branch or depth has it synced."""
    wanted, settings = identity(repository_id, kind=KIND), request.app.state.settings
    return await mutate(
        request, MANAGE, RepositoryEdit, lambda tx, who, body: repositories.edit(tx, who, wanted, body, settings=settings)
    )


@post(f"{REPOSITORY}/sync", status_code=ACCEPTED, operation_class=described(body=Body, view=RepositoryView, status=ACCEPTED))
async def sync_repository(request: Call, repository_id: FromPath[str]) -> Response[bytes]:
    """Bring the clone up to date now, whatever state it is in; `clone` says how far that is."""
    wanted, settings = identity(repository_id, kind=KIND), request.app.state.settings
    return await mutate(
        request, MANAGE, Body, lambda tx, who, _: repositories.sync(tx, who, wanted, settings=settings), status=ACCEPTED
    )


@delete(REPOSITORY, status_code=200, operation_class=described(status=GONE))
async def remove_repository(request: Call, repository_id: FromPath[str]) -> Response[bytes]:
    """Take away a repository that no task, worktree or reservation refers to; its clone stays on disk."""
    wanted = identity(repository_id, kind=KIND)

    async def act(tx: Transaction, who: Principal, _body: Body) -> None:
        await repositories.delete(tx, who, wanted)

    return await mutate(request, MANAGE, Body, act, status=GONE)


ROUTES = (all_repositories, one_repository, create_repository, edit_repository, sync_repository, remove_repository)
