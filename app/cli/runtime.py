"""`./callboard runtime`: what operators ask of the runtime from a terminal."""

from typing import Annotated

import typer

from app.cli import insight

app = typer.Typer(rich_markup_mode=None, help="Look at the durable runtime.", no_args_is_help=True)
insight.add_to(app)


@app.command()
def inventory(check: Annotated[bool, typer.Option("--check", help="Say what is wrong; 1 if anything is.")] = False) -> None:
    """List durable work, its owners and its starts.

    It reads the code alone and needs no database.

    \b
    ./callboard runtime inventory --check    two owners or none, started by nothing, declared nowhere
    """
    from app import main as _board  # noqa: F401 every type is declared by being imported
    from app.runtime import inventory as code
    from app.runtime.taxonomy import REGISTRY

    found = code.places()
    wrong = code.faults(REGISTRY, found)
    if not check:
        print("\n".join(code.lines(REGISTRY, found)))
    _end(wrong, fails=check, otherwise=f"{len(REGISTRY.all())} command types, each with one owner and a start" if check else "")


@app.command()
def contracts(
    verify: Annotated[bool, typer.Option("--verify", help="Compare with what was frozen; 1 if they differ.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Freeze new contracts and new versions.")] = False,
) -> None:
    """List the versioned envelopes, or verify them.

    What was frozen is in docs/runtime/contracts.json.

    \b
    ./callboard runtime contracts --verify    a schema that changed needs another version
    """
    from app import main as _board  # noqa: F401 every room publishes its contracts when it is imported
    from app.runtime import contracts as code

    known, frozen = code.CONTRACTS, code.frozen()
    if write:
        broken = [f"{name} changed; give it another version first" for name in known.broken(frozen)]
        if not broken:
            code.freeze(known)
        _end(broken, fails=True, otherwise=f"{len(known.all())} contracts frozen")
    elif verify:
        _end(known.faults(frozen), fails=True, otherwise=f"{len(known.all())} contracts are as frozen")
    else:
        print("\n".join(f"{one.name}  {one.version}  {one.sha256}" for one in known.all()))


@app.command()
def settings() -> None:
    """List what an account may set while the board runs, as docs/runtime/settings.md does."""
    from app.runtime.rules.settings import table

    print(table(), end="")


def _end(wrong: list[str], *, fails: bool, otherwise: str) -> None:
    for sentence in wrong:
        print(sentence)
    if wrong and fails:
        raise typer.Exit(1)
    if not wrong and otherwise:
        print(otherwise)
