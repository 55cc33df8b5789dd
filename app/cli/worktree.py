"""`./callboard worktree list|sweep`: where tasks are worked on, in a terminal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

app = typer.Typer(rich_markup_mode=None, help="See and sweep the worktrees of tasks.", no_args_is_help=True)
Account = Annotated[str | None, typer.Option("--account", help="One account's slug. Default: all accounts.")]


@app.command("list")
def list_(account: Account = None) -> None:
    """List worktrees: task, branch, state, holder, path, commits ahead and behind, uncommitted files; 1 if one failed.

    \b
    ./callboard worktree list --account demo
    """
    raise typer.Exit(asyncio.run(_list(account)))


@app.command()
def sweep(account: Account = None) -> None:
    """Have worktrees compared with the tasks now: what vanished is made anew, what nobody works in is taken away.

    A running worker does it; what was not committed is kept under refs/callboard/rescued.

    \b
    ./callboard worktree sweep
    """
    asyncio.run(_sweep(account))


async def _list(account: str | None) -> int:
    from app import main as board
    from app.bootstrap import worktrees

    failed = 0
    async with _opened() as database:
        for slug, account_id in await board.accounts_called(database, account):
            async with database.transaction(account_id, origin=board.origin("cli")) as tx:
                found = await worktrees.listed(tx)
                if not found:
                    print(f"{slug}: no worktrees; a task gets one when an agent claims it")
                for row in found:
                    print(f"{slug}/{row['repository']}: {_shown(row)}")
                    failed += row["state"] == "failed"
    return min(failed, 1)


async def _sweep(account: str | None) -> None:
    from app import main as board
    from app.bootstrap import worktrees

    async with _opened() as database:
        for slug, account_id in await board.accounts_called(database, account):
            async with database.transaction(account_id, origin=board.origin("cli")) as tx:
                worktrees.order_sweep(tx)
            print(f"{slug}: a sweep is ordered")


def _shown(row: Any) -> str:
    """Two lines about one worktree; what others wrote cannot steer the terminal."""
    seen = f"{row['ahead']} ahead, {row['behind']} behind, {row['changes']} dirty"
    counts = "not looked at yet" if row["ahead"] is None else seen
    who = f"held by {row['holder']}" if row["holder"] else "held by nobody"
    text = f"{row['branch'] or 'no branch yet'}: {row['state']}, {who}, {counts}; task {row['task_id']} {row['title']}"
    rest = row["problem"] or row["path"] or "no directory yet"
    return f"{_plain(text)}\n  {_plain(rest)}"


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


@asynccontextmanager
async def _opened() -> AsyncIterator[Any]:
    from app import main as board
    from app.cli import connection
    from app.kernel import settings as configuration

    settings = await asyncio.to_thread(connection.connected, configuration.from_environment())
    async with board.opened(settings, size=2) as database:
        yield database
