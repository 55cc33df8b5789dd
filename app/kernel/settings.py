"""The one registry of settings: key, meaning, default, type and range are each said once, in `Settings`."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values
from msgspec import Meta

from app.kernel.declared import Setting, declared
from app.kernel.outside import Commands, Origins
from app.kernel.startup import CannotStart
from app.kernel.urls import redacted

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "CALLBOARD_"
REPOSITORY_NAME = re.compile(r"(?!\.)[^\x00-\x1f\x7f/\\]{1,100}")

Postgres = Annotated[str, Meta(pattern=r"^postgres(ql)?(\+\w+)?://", description="a postgresql:// address")]
Http = Annotated[str, Meta(pattern=r"^https?://[^/\s]", description="an http:// or https:// address")]
Allowed = Annotated[Origins, Meta(description="`https://host[:port][=VARIABLE], …`")]
Depth = Annotated[int, Meta(ge=1, le=1_000_000)]
Programs = Annotated[Commands, Meta(description="`name=[VARIABLE …] /path argument …; …`")]


class SettingsError(CannotStart):
    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key} {message}")
        self.key = key
        self.message = message


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one process; paths are absolute, secrets never show in its text."""

    database_url: Annotated[
        Postgres | None,
        Meta(
            title="DATABASE_URL",
            description="PostgreSQL 15 or newer that serves the board; unset: one is started in the data directory.",
            extra={"url": True},
        ),
    ] = None
    database_admin_url: Annotated[
        Postgres | None,
        Meta(
            title="DATABASE_ADMIN_URL",
            description="The same database as a role that may migrate it and create roles; unset: `DATABASE_URL`.",
            extra={"url": True},
        ),
    ] = None
    repo_url: Annotated[
        str | None,
        Meta(title="REPO_URL", description="The Git repository that the crew works in.", extra={"url": True}),
    ] = None
    writable_repo_dir: Annotated[
        Path | None,
        Meta(
            title="WRITABLE_REPO_DIR",
            description="The clone that agents may write to; unset: `repos/<name>` in the data directory.",
        ),
    ] = None
    repo_base_branch: Annotated[
        str | None,
        Meta(title="REPO_BASE_BRANCH", description="The branch that work starts from; unset: the repository's default branch."),
    ] = None
    repo_branch_prefix: Annotated[
        str,
        Meta(title="REPO_BRANCH_PREFIX", description="What the name of a task's branch begins with."),
    ] = "task/"
    repo_branch_pattern: Annotated[
        str,
        Meta(
            title="REPO_BRANCH_PATTERN",
            description="How a task's branch is named after that: {id}, {title} and {agent} are filled in.",
        ),
    ] = "{id}-{title}"
    repo_branch_per_task: Annotated[
        bool,
        Meta(title="REPO_BRANCH_PER_TASK", description="One branch and worktree for each task; off: one for each agent."),
    ] = True
    repo_keep_worktrees: Annotated[
        bool,
        Meta(title="REPO_KEEP_WORKTREES", description="The worktree of a closed task stays; off: only its branch does."),
    ] = False
    repo_protected_branches: Annotated[
        str | None,
        Meta(
            title="REPO_PROTECTED_BRANCHES",
            description="Branches beside the base that no agent commits to, with commas; `*` is any text.",
        ),
    ] = None
    repo_clone_depth: Annotated[
        Depth | None,
        Meta(title="REPO_CLONE_DEPTH", description="How many commits are cloned; unset: all."),
    ] = None
    repo_user: Annotated[
        str | None,
        Meta(title="REPO_USER", description="The user's name that REPO_TOKEN goes with; unset: `git`."),
    ] = None
    repo_token: Annotated[
        str | None,
        Meta(
            title="REPO_TOKEN",
            description="The token or password for REPO_URL, and for no other repository.",
            extra={"secret": True},
        ),
    ] = None
    repository_origins: Annotated[
        Allowed | None,
        Meta(
            title="CALLBOARD_REPOSITORY_ORIGINS",
            description="Where repositories of accounts may be, beside REPO_URL; the variable holds the token for that origin.",
        ),
    ] = None
    worktrees_dir: Annotated[
        Path | None,
        Meta(title="CALLBOARD_WORKTREES_DIR", description="The worktrees of tasks; unset: `worktrees` in the data directory."),
    ] = None
    workspaces_dir: Annotated[
        Path | None,
        Meta(
            title="CALLBOARD_WORKSPACES_DIR", description="The workspaces of agents; unset: `workspaces` in the data directory."
        ),
    ] = None
    manuals_dir: Annotated[
        Path,
        Meta(title="CALLBOARD_MANUALS_DIR", description="AGENTS.md and HEARTBEAT.md, which every workspace gets."),
    ] = Path("docs/runtime")
    gateway_config: Annotated[
        Path | None,
        Meta(
            title="CALLBOARD_GATEWAY_CONFIG",
            description="The configuration that is written for the gateway; unset: `gateway.json` in the data directory.",
        ),
    ] = None
    gateway_data_dir: Annotated[
        str | None,
        Meta(
            title="CALLBOARD_GATEWAY_DATA_DIR",
            description="The data directory as the gateway and its agents see it; unset: as the board does.",
        ),
    ] = None
    openclaw_gateway_url: Annotated[
        Http | None,
        Meta(
            title="OPENCLAW_GATEWAY_URL",
            description="The gateway that runs the agents; unset: agents pull their work.",
            extra={"url": True},
        ),
    ] = None
    openclaw_gateway_token: Annotated[
        str | None,
        Meta(title="OPENCLAW_GATEWAY_TOKEN", description="The bearer token for that gateway.", extra={"secret": True}),
    ] = None
    data_dir: Annotated[
        Path,
        Meta(title="CALLBOARD_DATA_DIR", description="Database, clones and credentials of this board."),
    ] = Path(".callboard")
    host: Annotated[str, Meta(title="CALLBOARD_HOST", description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(title="CALLBOARD_PORT", description="The port to listen on.", ge=1, le=65535)] = 8000
    public_url: Annotated[
        Http | None,
        Meta(title="CALLBOARD_PUBLIC_URL", description="Where agents and people reach the board; unset: the listening address."),
    ] = None
    token: Annotated[
        str | None,
        Meta(title="CALLBOARD_TOKEN", description="The agent's token that `./callboard mcp` uses.", extra={"secret": True}),
    ] = None
    workers: Annotated[int, Meta(title="CALLBOARD_WORKERS", description="API processes.", ge=1, le=64)] = 1
    worker_processes: Annotated[
        int,
        Meta(title="CALLBOARD_WORKER_PROCESSES", description="Worker processes that `up` starts.", ge=0, le=64),
    ] = 1
    worker_slots: Annotated[
        int,
        Meta(title="CALLBOARD_WORKER_SLOTS", description="Commands in flight in one worker process.", ge=1, le=1000),
    ] = 50
    pool_size: Annotated[
        int,
        Meta(title="CALLBOARD_POOL_SIZE", description="Database connections of one process.", ge=2, le=200),
    ] = 16
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(title="CALLBOARD_LOG_LEVEL", description="The least level that is logged."),
    ] = "info"
    log_format: Annotated[
        Literal["json", "console"],
        Meta(title="CALLBOARD_LOG_FORMAT", description="Logs for machines or for people."),
    ] = "json"
    otlp_endpoint: Annotated[
        Http | None,
        Meta(
            title="CALLBOARD_OTLP_ENDPOINT",
            description="A collector of OpenTelemetry traces (OTLP over HTTP); unset: none are sent.",
            extra={"url": True},
        ),
    ] = None
    seeds_dir: Annotated[
        Path,
        Meta(title="CALLBOARD_SEEDS_DIR", description="The seeds that `up` and `seed` load."),
    ] = Path("seeds")
    templates_dir: Annotated[
        Path | None,
        Meta(
            title="CALLBOARD_TEMPLATES_DIR",
            description="Prompt templates that replace the built-in ones of the same name; unset: none.",
        ),
    ] = None
    lint_rules: Annotated[
        Path | None,
        Meta(
            title="CALLBOARD_LINT_RULES",
            description="More words that no prompt may hold, one `rule: pattern` a line; unset: the built-in rules alone.",
        ),
    ] = None
    gateway_timeout_seconds: Annotated[
        int,
        Meta(title="CALLBOARD_GATEWAY_TIMEOUT_SECONDS", description="How long one answer of a gateway may take.", ge=5, le=600),
    ] = 300
    gateway_origins: Annotated[
        Allowed | None,
        Meta(
            title="CALLBOARD_GATEWAY_ORIGINS",
            description="Where executor profiles may send, beside that gateway; the variable holds the token for that origin.",
        ),
    ] = None
    executor_commands: Annotated[
        Programs | None,
        Meta(
            title="CALLBOARD_EXECUTOR_COMMANDS",
            description="The commands that executor profiles may run, and the only variables of the environment each is handed.",
        ),
    ] = None
    drain_seconds: Annotated[
        int,
        Meta(title="CALLBOARD_DRAIN_SECONDS", description="How long a stop waits for work in flight.", ge=1, le=300),
    ] = 30
    clock: Annotated[
        Literal["system", "simulated"],
        Meta(
            title="CALLBOARD_CLOCK",
            description="How time passes in a new database, for good; `simulated`: only when told to, with one worker.",
        ),
    ] = "system"
    max_body_bytes: Annotated[
        int,
        Meta(title="CALLBOARD_MAX_BODY_BYTES", description="The largest request body.", ge=1024, le=104_857_600),
    ] = 12_582_912  # the longest document, however its characters are escaped

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [(setting.name, self._shown(setting)) for setting in DECLARED]

    def _shown(self, setting: Setting) -> object:
        value = getattr(self, setting.name)
        if value is None or not (setting.is_secret or setting.is_url):
            return value
        return "***" if setting.is_secret else redacted(value)


def from_environment() -> Settings:
    return load(os.environ, ROOT / ".env")


def load(environ: Mapping[str, str], dotenv: Path | None, *, root: Path = ROOT) -> Settings:
    """The settings that `environ` and, behind it, the file `dotenv` give; relative paths start at `root`."""
    # Interpolation would make one file mean different things and breaks passwords with `${`.
    given = dotenv_values(dotenv, interpolate=False) if dotenv and dotenv.is_file() else {}
    texts = _filled(given) | _filled(environ)
    _refuse_unknown(texts)
    settings = _converted(texts)
    if settings.database_admin_url and not settings.database_url:
        raise SettingsError("DATABASE_ADMIN_URL", "needs DATABASE_URL: set both, or neither")
    data_dir = root / settings.data_dir.expanduser()
    return msgspec.structs.replace(
        _outside(settings, {**given, **environ}),
        data_dir=data_dir,
        seeds_dir=root / settings.seeds_dir.expanduser(),
        templates_dir=root / settings.templates_dir.expanduser() if settings.templates_dir else None,
        lint_rules=root / settings.lint_rules.expanduser() if settings.lint_rules else None,
        worktrees_dir=root / (settings.worktrees_dir or data_dir / "worktrees").expanduser(),
        workspaces_dir=root / (settings.workspaces_dir or data_dir / "workspaces").expanduser(),
        manuals_dir=root / settings.manuals_dir.expanduser(),
        gateway_config=root / (settings.gateway_config or data_dir / "gateway.json").expanduser(),
        writable_repo_dir=_writable_repo_dir(settings, data_dir, root),
    )


def _outside(settings: Settings, environment: Mapping[str, str | None]) -> Settings:
    """The settings with what the variables that are named hold."""
    origins, commands, places = settings.gateway_origins, settings.executor_commands, settings.repository_origins
    # What a command is handed it may show to anybody.
    secret = BY_KEY.keys() | (origins.variables if origins else set()) | (places.variables if places else set())
    if commands and (shown := commands.variables & secret):
        raise SettingsError("CALLBOARD_EXECUTOR_COMMANDS", f"must not hand on {min(shown)}")
    return msgspec.structs.replace(
        settings,
        gateway_origins=origins and origins.filled(environment),
        repository_origins=places and places.filled(environment),
        executor_commands=commands and commands.filled(environment),
    )


def _filled(given: Mapping[str, str | None]) -> dict[str, str]:
    texts = {key: _unquoted((value or "").strip()) for key, value in given.items() if key in BY_KEY or key.startswith(PREFIX)}
    return {key: value for key, value in texts.items() if value}


def _unquoted(text: str) -> str:
    # Docker's --env-file hands quotes on as part of the value.
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1].strip() if quoted else text


def _refuse_unknown(texts: Mapping[str, str]) -> None:
    for key in sorted(texts.keys() - BY_KEY.keys()):
        close = get_close_matches(key, BY_KEY, n=1)
        hint = f"did you mean {close[0]}?" if close else "`./callboard settings` lists them all."
        raise SettingsError(key, f"is not a setting; {hint}")


def _converted(texts: Mapping[str, str]) -> Settings:
    for key, text in texts.items():
        setting = BY_KEY[key]
        try:
            _convert({setting.name: text})
        except msgspec.ValidationError:
            shown = "" if setting.is_secret or setting.is_url else f', not "{text}"'
            raise SettingsError(key, f"must be {setting.values}{shown}") from None
    settings = _convert({BY_KEY[key].name: text for key, text in texts.items()})
    return msgspec.structs.replace(
        settings,
        database_url=_plain_scheme(settings.database_url),
        database_admin_url=_plain_scheme(settings.database_admin_url),
    )


def _convert(values: Mapping[str, str]) -> Settings:
    return msgspec.convert(values, Settings, strict=False, dec_hook=lambda kind, value: kind(value))


def _plain_scheme(url: str | None) -> str | None:
    # SQLAlchemy's `postgresql+driver://` is common in the wild; asyncpg refuses it.
    return "postgresql://" + url.split("://", 1)[1] if url else None


def _writable_repo_dir(settings: Settings, data_dir: Path, root: Path) -> Path | None:
    if settings.writable_repo_dir:
        return root / settings.writable_repo_dir.expanduser()
    if not settings.repo_url:
        return None
    try:
        path = urlsplit(settings.repo_url).path
    except ValueError:
        # An address that is none is told by the component of health, not by a start that fails.
        path = ""
    name = path.rstrip("/").replace(":", "/").rsplit("/", 1)[-1].removesuffix(".git")
    # A name that leads elsewhere is none.
    return data_dir / "repos" / (name if REPOSITORY_NAME.fullmatch(name) else "repository")


def settings_table() -> str:
    """The settings as a Markdown table, for the README."""
    rows = [f"| `{s.key}` | {f'`{s.default}`' if s.default else 'unset'} | {s.values} | {s.description} |" for s in DECLARED]
    return "\n".join(["| key | default | value | meaning |", "|---|---|---|---|", *rows]) + "\n"


def settings_example() -> str:
    """The text of `.env.example`."""
    lines = ["# Copy to .env and change what you need; the environment wins over this file.", ""]
    for s in DECLARED:
        lines += [f"# {s.description} ({s.values})", f"# {s.key}={s.default}", ""]
    return "\n".join(lines[:-1]) + "\n"


DECLARED = tuple(declared(Settings))
BY_KEY = {setting.key: setting for setting in DECLARED}
