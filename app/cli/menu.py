"""The commands of `./callboard`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli import repository, runtime, workspace, worktree
from app.kernel import settings as configuration
from app.kernel.startup import CannotStart

HIDDEN = typer.Option("--attached", hidden=True, help="End when standard input closes.")

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(rich_markup_mode=None, help="Move the database's schema.", no_args_is_help=True)
lint = typer.Typer(rich_markup_mode=None, help="Read what agents read.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(lint, name="lint")
app.add_typer(runtime.app, name="runtime")
app.add_typer(repository.app, name="repository")
app.add_typer(workspace.app, name="workspace")
app.add_typer(worktree.app, name="worktree")


def main() -> None:
    try:
        app(prog_name="./callboard")
    except CannotStart as error:
        print(f"callboard: {error}", file=sys.stderr)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def callboard(context: typer.Context) -> None:
    """The task board for crews of AI agents. Without a command: up.

    \b
    ./callboard                        start everything; Ctrl-C stops it
    ./callboard demo                   watch a crew take a task from inbox to done
    ./callboard token demo engineer    a new token for the agent `engineer`
    CALLBOARD_PORT=9000 ./callboard    the same board on another port
    DATABASE_URL=postgresql://… ./callboard worker    more workers, on any machine

    Settings come from the environment and the file .env; `./callboard settings` lists them.
    """
    if context.invoked_subcommand is None:
        up()


@app.command()
def up(attached: Annotated[bool, HIDDEN] = False) -> None:
    """Start the board: database, API and workers.

    \b
    The first start makes everything in CALLBOARD_DATA_DIR and shows the first credentials.
    Ctrl-C or SIGTERM lets work in flight end and stops all of it; a second Ctrl-C does so at once.
    """
    from app.cli import up as command

    settings = configuration.from_environment()
    _attach(settings, attached)
    asyncio.run(command.run(settings))


@app.command()
def serve(attached: Annotated[bool, HIDDEN] = False) -> None:
    """Serve the API alone.

    It uses the database of a running board, or DATABASE_URL.

    \b
    CALLBOARD_PORT=8001 ./callboard serve    one more beside a running board
    """
    from app.cli import connection
    from app.cli import serve as command

    settings = configuration.from_environment()
    _attach(settings, attached)
    command.run(connection.connected(settings))


@app.command()
def worker(attached: Annotated[bool, HIDDEN] = False) -> None:
    """Run one worker alone: it delivers and does durable work.

    Start as many as you like, on any machine that reaches the database.
    """
    from app.cli import connection
    from app.cli import worker as command

    settings = configuration.from_environment()
    _attach(settings, attached)
    command.run(connection.connected(settings))


@app.command()
def seed(directory: Annotated[Path | None, typer.Argument(help="Default: CALLBOARD_SEEDS_DIR.")] = None) -> None:
    """Load seeds; loading twice changes nothing.

    \b
    ./callboard seed my-seeds    what a person has edited since is kept, and said
    """
    from app.cli import connection, seeds

    settings = connection.connected(configuration.from_environment())
    report = asyncio.run(seeds.load(settings, directory.resolve() if directory else settings.seeds_dir))
    seeds.show(report, settings.data_dir)


@app.command()
def token(
    account: Annotated[str, typer.Argument(help="The account's slug.")],
    principal: Annotated[str, typer.Argument(help="An agent's slug or a person's e-mail address.")],
) -> None:
    """Make a new token and print it alone.

    It is never shown again.

    \b
    ./callboard token demo owner@example.com
    TOKEN=$(./callboard token demo engineer)
    """
    from app import main as board
    from app.cli import connection

    settings = connection.connected(configuration.from_environment())
    print(asyncio.run(board.issue_token(settings, account, principal)))


@app.command()
def mcp(
    url: Annotated[
        str | None, typer.Option("--url", help="Where the board is. Default: CALLBOARD_HOST and CALLBOARD_PORT.")
    ] = None,
    toolset: Annotated[
        str | None, typer.Option("--toolset", help="More tools: tasks, documents, team, memory, vcs or all.")
    ] = None,
) -> None:
    """Connect an MCP client over standard input and output.

    It passes everything on to a running board, as the agent of CALLBOARD_TOKEN.

    \b
    CALLBOARD_TOKEN=$(./callboard token demo engineer) ./callboard mcp --toolset all
    """
    settings = configuration.from_environment()
    from app.cli import mcp as command

    asyncio.run(command.run(settings, url, toolset))


@app.command()
def demo() -> None:
    """Play the whole story live with a scripted crew.

    It uses the running board, or starts one and stops it at the end.
    """
    from app.cli import board, connection
    from app.cli import demo as command

    settings = configuration.from_environment()
    with board.running(settings) as url:
        code = command.main(connection.connected(settings), url)
    raise typer.Exit(code)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Check format, lint, types, imports; run the tests.

    Other arguments go to pytest.

    \b
    ./callboard test -k lanes -x
    """
    from app.cli import checks

    raise typer.Exit(checks.run(context.args))


@app.command()
def settings(
    example: Annotated[bool, typer.Option("--example", help="As the text of .env.example.")] = False,
) -> None:
    """Print every setting with its default and range.

    \b
    ./callboard settings --example > .env
    """
    print(configuration.settings_example() if example else configuration.settings_table(), end="")


@db.command()
def upgrade() -> None:
    """Bring the schema up to date, as `up` does at its start."""
    from app.cli import connection
    from app.kernel import migrate

    settings = connection.connected(configuration.from_environment())
    asyncio.run(migrate.upgrade(connection.admin_url(settings), connection.service_user(settings), mode=settings.clock))


@db.command(context_settings={"ignore_unknown_options": True})
def downgrade(revision: Annotated[str, typer.Argument(help="A revision, or how far back.")] = "-1") -> None:
    """Take migrations back; data in the columns and tables that go is lost.

    \b
    ./callboard db downgrade -1      the last one
    ./callboard db downgrade base    all of them
    """
    from app.cli import connection
    from app.kernel import migrate

    settings = connection.connected(configuration.from_environment())
    asyncio.run(migrate.downgrade(connection.admin_url(settings), revision))


@db.command()
def url() -> None:
    """Print the address of the database, its password included, for pg_dump and psql.

    \b
    pg_dump --format=custom --file=board.dump "$(./callboard db url)"
    """
    from app.cli import connection

    print(connection.admin_url(connection.connected(configuration.from_environment())))


@lint.callback()
def _lint() -> None:
    """Keep this a group, with one command now."""


@lint.command()
def prompts(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or directories. Default: templates, seeds, manuals and rendered prompts.")
    ] = None,
    rules: Annotated[list[Path] | None, typer.Option("--rules", help="More rules, one `rule: pattern` a line.")] = None,
) -> None:
    """Find what only one installation has: names of roles, repositories, branches, paths and vendors.

    Each finding is `file:line: rule: text`; with any the exit code is 1.

    \b
    ./callboard lint prompts my-templates my-seeds --rules our-words.txt
    """
    from app.cli import lint as command

    found = command.problems(configuration.from_environment(), paths or [], rules or [])
    for one in found:
        print(one)
    raise typer.Exit(1 if found else 0)


def _attach(settings: configuration.Settings, attached: bool) -> None:
    if attached:
        from app.cli import attached as tie

        tie.end_with_parent(seconds=settings.drain_seconds + tie.CLOSING_SECONDS)
