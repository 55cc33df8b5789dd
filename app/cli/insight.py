"""`./callboard runtime slo|kpi|orphans|top`: how well the runtime does, in a terminal."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

Account = Annotated[str | None, typer.Option("--account", help="One account's slug. Default: all accounts.")]
Hours = Annotated[int, typer.Option("--hours", min=1, max=2160, help="How far back.")]
MARKS = {"ok": "ok", "breach": "BREACH", "no_data": "no data"}


def slo(account: Account = None, hours: Hours = 24) -> None:
    """Show each objective, its value and whether it is kept; 1 if one is not.

    \b
    ./callboard runtime slo --account demo --hours 1
    """
    from app.runtime import insight

    worst = 0

    async def show(name: str, tx: Any) -> None:
        nonlocal worst
        view = await insight.slo(tx, hours)
        print(f"{name}: {view.counts['ended']:,.0f} commands ended in {hours} h")
        for one in view.objectives:
            value = "-" if one.value is None else f"{one.value:,.2f}{one.unit}"
            mark = MARKS[one.standing]
            print(f"  {one.name:<18}{value:>12}  {one.direction} {one.bound:g}{one.unit:<3} {mark:<8} {one.meaning}")
            worst = max(worst, int(one.standing == "breach"))

    _each(account, show)
    raise typer.Exit(worst)


def kpi(
    account: Account = None,
    hours: Hours = 24,
    baseline: Annotated[
        str, typer.Option("--baseline", help="`save` these numbers, or `compare` with the saved ones.")
    ] = "compare",
) -> None:
    """Show key numbers with their formulas, beside the saved baseline.

    \b
    ./callboard runtime kpi --baseline save
    """
    from app.runtime import insight
    from app.runtime.schemas.insight import SaveBaseline

    if baseline not in {"save", "compare"}:
        raise typer.BadParameter("it is `save` or `compare`", param_hint="--baseline")

    async def show(name: str, tx: Any) -> None:
        saved = baseline == "save"
        view = await (insight.save_baseline(tx, None, SaveBaseline(hours=hours)) if saved else insight.kpi(tx, hours))
        print(f"{name}{' (saved as the baseline)' if saved else ''}")
        for key, value in view.values.items():
            before, fallen = (view.baseline or {}).get(key), (view.improvement or {}).get(key)
            then = "" if before is None else f"  was {before:,.2f}"
            change = "" if fallen is None else f", fell by {100 * fallen:,.0f} %"
            print(f"  {key:<20}{'-' if value is None else f'{value:,.3f}':>12}{then}{change}   = {view.formulas[key]}")

    _each(account, show)


def orphans(account: Account = None) -> None:
    """List what nobody looks after any more; 1 if there is any."""
    from app.runtime import insight

    found = 0

    async def show(name: str, tx: Any) -> None:
        nonlocal found
        items = (await insight.orphans(tx)).items
        found += len(items)
        for one in items:
            print(f"{name}: {one.what}: {one.id} {one.name}")

    _each(account, show)
    if not found:
        print("nothing is orphaned")
    raise typer.Exit(min(found, 1))


def top(
    once: Annotated[bool, typer.Option("--once", help="Show one picture and end.")] = False,
    seconds: Annotated[float, typer.Option("--every", min=0.2, max=60, help="Seconds between two pictures.")] = 1.0,
) -> None:
    """Watch queues, rates, latencies and workers live; Ctrl-C ends it.

    \b
    ./callboard runtime top --once | head
    """
    from app import main as board
    from app.cli import connection
    from app.cli import top as command
    from app.kernel import settings as configuration

    settings = connection.connected(configuration.from_environment())

    async def watch() -> None:
        async with board.opened(settings, size=2) as database:
            await command.watch(database.runtime, seconds=seconds, once=once)

    try:
        asyncio.run(watch())
    except KeyboardInterrupt:
        sys.exit(0)


def add_to(group: typer.Typer) -> None:
    for function in (slo, kpi, orphans, top):
        group.command()(function)


def _each(account: str | None, show: Callable[[str, Any], Awaitable[None]]) -> None:
    """Call `show` with each account's slug and a transaction of it."""
    from app import main as board
    from app.cli import connection
    from app.kernel import settings as configuration

    settings = connection.connected(configuration.from_environment())

    async def run() -> None:
        async with board.opened(settings, size=2) as database:
            for slug, account_id in await board.accounts_called(database, account):
                async with database.transaction(account_id, origin=board.origin("cli")) as tx:
                    await show(slug, tx)

    asyncio.run(run())
