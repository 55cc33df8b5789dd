"""`./callboard workspace list|sync`: how agents' workspaces stand, in a terminal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

app = typer.Typer(rich_markup_mode=None, help="See and write the workspaces of agents.", no_args_is_help=True)
Account = Annotated[str | None, typer.Option("--account", help="One account's slug. Default: all accounts.")]
LOOK_SECONDS, PATIENCE_SECONDS = 0.2, 60.0


@app.command("list")
def list_(account: Account = None) -> None:
    """List workspaces, where they are, and what agents changed in them; 1 if one could not be written.

    \b
    ./callboard workspace list
    """
    raise typer.Exit(asyncio.run(_list(account)))


@app.command()
def sync(
    agent: Annotated[str | None, typer.Argument(help="An agent's slug. Default: all of them.")] = None,
    account: Account = None,
) -> None:
    """Write workspaces where they are not as they should be, and wait for it; 1 if one could not be written.

    A running worker does it, so the board must be up.

    \b
    ./callboard workspace sync agent-slug
    """
    raise typer.Exit(asyncio.run(_sync(agent, account)))


async def _list(account: str | None) -> int:
    from app import main as board
    from app.bootstrap import workspaces_listing

    failed = 0
    async with _opened() as database:
        for slug, account_id in await board.accounts_called(database, account):
            async with database.transaction(account_id, origin=board.origin("cli")) as tx:
                async for one in workspaces_listing.listed(tx):
                    print(f"{slug}/{one.slug}: {one.sentence}")
                    failed += one.is_failed
    return min(failed, 1)


async def _sync(agent: str | None, account: str | None) -> int:
    from app import main as board
    from app.bootstrap import workspaces_listing
    from app.kernel.startup import CannotStart

    async with _opened() as database:
        ordered = []
        for slug, account_id in await board.accounts_called(database, account):
            async with database.transaction(account_id, origin=board.origin("cli")) as tx:
                command_id = await workspaces_listing.ordered(tx, agent)
            ordered += [(slug, account_id, command_id)] if command_id else []
        if not ordered:
            raise CannotStart(f"there is no agent {agent}" if agent else "there is no account")
        return max([await _awaited(database, *one) for one in ordered])


async def _awaited(database: Any, slug: str, account_id: Any, command_id: Any) -> int:
    from app import main as board
    from app.kernel.startup import CannotStart
    from app.runtime import reading

    until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < until:
        async with database.transaction(account_id, origin=board.origin("cli")) as tx:
            command = await reading.one(tx, command_id)
        if command.status == "succeeded":
            done = command.result or {}
            print(f"{slug}: {done['workspaces']} looked at, {done['changed']} changed, {done['failed']} failed")
            return int(bool(done["failed"] or done["gateway"]))
        await asyncio.sleep(LOOK_SECONDS)
    raise CannotStart(f"{slug}: no worker has done it yet; start one with `./callboard worker`")


@asynccontextmanager
async def _opened() -> AsyncIterator[Any]:
    from app import main as board
    from app.cli import connection
    from app.kernel import settings as configuration

    settings = await asyncio.to_thread(connection.connected, configuration.from_environment())
    async with board.opened(settings, size=2) as database:
        yield database
