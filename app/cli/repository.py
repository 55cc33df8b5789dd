"""`./callboard repository list|sync`: how clones stand, in a terminal; and the lines that `up` prints while they are made."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any
from uuid import UUID

import typer

from app.kernel.settings import Settings

app = typer.Typer(rich_markup_mode=None, help="See and sync the repositories that the crew works in.", no_args_is_help=True)
Account = Annotated[str | None, typer.Option("--account", help="One account's slug. Default: all accounts.")]
LOOK_SECONDS, LONGEST_SECONDS = 0.5, 5.0
PATIENT_LOOKS = 4
# In which steps of percent progress is printed where lines stay.
STEP = 25


@app.command("list")
def list_() -> None:
    """List repositories, how their clones stand, and what to do about trouble; 1 if one cannot be used.

    \b
    ./callboard repository list
    """
    degraded = 0

    async def show(name: str, tx: Any) -> None:
        nonlocal degraded
        from app.bootstrap import reporting

        found = await reporting.standing(tx)
        if not found:
            print(f"{name}: no repository; set REPO_URL, or name one in the seeds or over REST")
        for one in found:
            print(f"{name}: {reporting.outcome(one)}\n  {one.directory or 'no directory'}")
            degraded += reporting.is_degraded(one)

    asyncio.run(_each(None, show))
    raise typer.Exit(min(degraded, 1))


@app.command()
def sync(
    repository: Annotated[str | None, typer.Argument(help="A repository's name. Default: all of them.")] = None,
    account: Account = None,
) -> None:
    """Bring clones up to date now and wait for it; 1 if one cannot be used.

    A running worker does it, so the board must be up.

    \b
    ./callboard repository sync primary
    """
    raise typer.Exit(asyncio.run(_sync(repository, account)))


async def _sync(repository: str | None, account: str | None) -> int:
    from app import main as board
    from app.bootstrap import reporting
    from app.kernel.startup import CannotStart

    async with _opened() as (settings, database):
        found = []
        for slug, account_id in await board.accounts_called(database, account):
            async with database.transaction(account_id, origin=board.origin("cli")) as tx:
                if await reporting.order(tx, repository, settings=settings):
                    found.append((slug, account_id))
        if not found and repository:
            raise CannotStart(f"there is no repository {repository} with an address")
        for slug, account_id in found:
            print(f"{slug}:")
            await follow(database, account_id, only=repository)
        standing = [one for _, account_id in found for one in await _standing(database, account_id)]
    return int(any(reporting.is_degraded(one) for one in standing if repository in {None, one.name}))


async def watch(settings: Settings, account_id: UUID) -> None:
    """Print how the clones of this account come along until each has an outcome; whatever fails here is no reason to stop."""
    from app import main as board

    with suppress(Exception):
        async with board.opened(settings, size=2) as database:
            await follow(database, account_id)


async def follow(database: Any, account_id: UUID, *, only: str | None = None) -> None:
    """Print each step once, in place on a terminal, until nothing more is under way."""
    from app.bootstrap import reporting

    lines, pause = Lines(print, is_terminal=sys.stdout.isatty()), LOOK_SECONDS
    for look in itertools.count():
        known = [one for one in await _standing(database, account_id) if only in {None, one.name}]
        for one in known:
            lines.show(one, is_late=look >= PATIENT_LOOKS)
        if all(reporting.is_over(one) for one in known):
            return
        # Where nobody works there may be nothing to see for long.
        pause = LOOK_SECONDS if any(one.phase for one in known) else min(pause * 1.2, LONGEST_SECONDS)
        await asyncio.sleep(pause)


class Lines:
    """What is printed of clones: every step on a terminal, in one place; coarse steps, a line each, where lines stay."""

    def __init__(self, write: Callable[..., None], *, is_terminal: bool) -> None:
        self._write = write
        self._is_terminal = is_terminal
        self._shown: dict[str, object] = {}

    def show(self, one: Any, *, is_late: bool = False) -> None:
        """`is_late` says that it has been waited for long enough to say so."""
        from app.bootstrap import reporting

        if reporting.is_over(one):
            self._print(one.name, "over", reporting.outcome(one), ends=True)
        elif one.phase is not None:
            step = one.percent if self._is_terminal else (one.percent or 0) // STEP
            self._print(one.name, (one.phase, step), reporting.progress(one), ends=False)
        elif is_late:
            self._print(one.name, "late", f"{one.name}: waiting for a worker", ends=False)

    def _print(self, name: str, step: object, text: str, *, ends: bool) -> None:
        if self._shown.get(name) == step:
            return
        self._shown[name] = step
        start, end = ("\r\x1b[K", "\n" if ends else "") if self._is_terminal else ("", "\n")
        self._write(f"{start}repository {text}", end=end, flush=True)


async def _standing(database: Any, account_id: UUID) -> Any:
    from app import main as board
    from app.bootstrap import reporting

    async with database.transaction(account_id, origin=board.origin("cli")) as tx:
        return await reporting.standing(tx)


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[Settings, Any]]:
    from app import main as board
    from app.cli import connection
    from app.kernel import settings as configuration

    settings = await asyncio.to_thread(connection.connected, configuration.from_environment())
    async with board.opened(settings, size=2) as database:
        yield settings, database


async def _each(account: str | None, show: Callable[[str, Any], Any]) -> None:
    from app import main as board

    async with _opened() as (_, database):
        for slug, account_id in await board.accounts_called(database, account):
            async with database.transaction(account_id, origin=board.origin("cli")) as tx:
                await show(slug, tx)
