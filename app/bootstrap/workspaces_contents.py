"""What stands in an agent's workspace: made of its identity, its skills, the manuals and the account's facts."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from app.agents.layering import Compiled, Text, cleaned, compile_identity
from app.agents.types import Layer
from app.bootstrap.rules import front_matter, workspaces
from app.bootstrap.types.workspaces import ENVIRONMENT, Piece
from app.delivery import templating
from app.delivery.render.pages import Pages, strange_in
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart

TEMPLATES = Path(__file__).with_name("templates")
OVERRIDES = templating.PAGES
MANUALS = ("AGENTS.md", "HEARTBEAT.md")
PAGES = ("SOUL.md", "AGENTS.md", "IDENTITY.md", "USER.md", "TOOLS.md", "HEARTBEAT.md")
MANUAL_MOST = 1 << 20
NAME_MOST = 200
WARNINGS_MOST = 20
NO_TOKEN = "cb_00000000_none"  # noqa: S105 stands where a page is only tried


class Skill(msgspec.Struct, frozen=True):
    slug: str
    name: str
    description: str
    content: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent's files are made of; `account` and `repositories` are the account's."""

    account: Mapping[str, str]
    agent: Mapping[str, str]
    layers: Mapping[Layer, Text]
    skills: tuple[Skill, ...]
    verbs: tuple[tuple[str, str], ...]
    repositories: tuple[Mapping[str, Any], ...]
    board_url: str
    days: tuple[str, ...]
    manuals: Mapping[str, str]


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """`pieces` are the board's; `scaffold` is the agent's from the moment it lies there."""

    pieces: Mapping[str, Piece]
    scaffold: Mapping[str, bytes]
    skills: tuple[str, ...]
    warnings: tuple[str, ...]


def contents(facts: Facts, *, token: str, settings: Settings) -> Contents:
    """All files of one workspace; the same facts and token give the same bytes."""
    warnings = [f"{name}: there is no such manual; a built-in text stands in" for name in MANUALS if name not in facts.manuals]
    identity = compile_identity(facts.layers)
    warnings += identity.warnings
    warnings += [
        f"{c.layer.upper()}: the section {c.heading!r} is left out, since {c.winner.upper()} has it" for c in identity.conflicts
    ]
    skills = dict(_skills(facts, warnings))
    values = _values(facts, identity, tuple(skills))
    pages = _pages(values, facts, settings, warnings)
    files = {f"skills/{skill.slug}/SKILL.md": text.encode() for skill, text in skills.items()}
    pieces = {name: _piece(content) for name, content in (pages | files).items() if name in PAGES or name in files}
    pieces[ENVIRONMENT] = _piece(_environment(facts, token), is_private=True)
    return Contents(
        pieces=pieces,
        scaffold={name: content for name, content in pages.items() if name not in PAGES},
        skills=tuple(skill.slug for skill in skills),
        warnings=_few(warnings),
    )


def manuals(directory: Path) -> dict[str, str]:
    """The manuals that every workspace gets, as far as they can be read."""
    found = {}
    for name in MANUALS:
        try:
            with (directory / name).open("rb") as file:
                text = cleaned(file.read(MANUAL_MOST).decode("utf-8", errors="replace")).strip("\n")
        except OSError:
            continue
        if text.strip():
            found[name] = text
    return found


def ready(settings: Settings) -> None:
    """CannotStart when a page that the installation replaces cannot be made."""
    directory = _overrides(settings)
    if directory is None:
        return
    if strange := strange_in(directory, _built_in()):
        raise CannotStart(f"CALLBOARD_TEMPLATES_DIR: {directory}: {', '.join(strange)} replaces no page of a workspace")
    try:
        for one in specimens():
            dict(_rendered(_templates(directory), _values(one, compile_identity(one.layers), one.skills), one))
    except Exception as error:  # noqa: BLE001 whatever a template makes of its values
        raise CannotStart(f"CALLBOARD_TEMPLATES_DIR: {directory}: {type(error).__name__}: {error}") from None


def specimens() -> Iterator[Facts]:
    """Facts to try pages on, with everything there can be and with as little."""
    account, agent = {"slug": "account", "name": "account"}, {"slug": "agent-slug", "name": "name", "role": "role"}
    bare = Facts(
        account=account,
        agent=agent | {"description": ""},
        layers={},
        skills=(),
        verbs=(),
        repositories=(),
        board_url="http://board.example",
        days=("2030-01-02",),
        manuals={},
    )
    yield bare
    yield msgspec.structs.replace(
        bare,
        agent=agent | {"description": "description"},
        layers={layer: Text(f"## {layer}\ntext", "agent") for layer in Layer},
        skills=(Skill("skill-slug", "name", "description", "text"), Skill("other-slug", "name", "", "text")),
        verbs=(("verb", "What it does."),),
        repositories=tuple(
            {"name": "name", "url": fact, "base_branch": fact, "branch_prefix": fact, "is_primary": fact is not None}
            for fact in ("fact", None)
        ),
        manuals=dict.fromkeys(MANUALS, "manual"),
    )


def samples(settings: Settings) -> Iterator[tuple[str, str]]:
    """The pages of the specimens, to be read before agents read them."""
    for one in specimens():
        made = contents(one, token=NO_TOKEN, settings=settings)
        yield from ((name, piece.content.decode()) for name, piece in made.pieces.items())
        yield from ((name, text.decode()) for name, text in made.scaffold.items())


@cache
def _built_in() -> Pages:
    return Pages(TEMPLATES)


@cache
def _templates(directory: Path) -> Pages:
    return Pages(TEMPLATES, directory)


def _overrides(settings: Settings) -> Path | None:
    directory = settings.templates_dir / OVERRIDES if settings.templates_dir else None
    return directory if directory and directory.is_dir() else None


def _pages(values: Mapping[str, object], facts: Facts, settings: Settings, warnings: list[str]) -> dict[str, bytes]:
    directory = _overrides(settings)
    if directory is not None:
        try:
            return dict(_rendered(_templates(directory), values, facts))
        except Exception as error:  # noqa: BLE001 whatever a template makes of its values
            warnings.append(f"the templates of this installation failed and are passed over: {type(error).__name__}: {error}")
    return dict(_rendered(_built_in(), values, facts))


def _rendered(pages: Pages, values: Mapping[str, object], facts: Facts) -> Iterator[tuple[str, bytes]]:
    for name in PAGES:
        yield name, pages.page(name, {**values, "manual": facts.manuals.get(name)}).encode()
    yield "MEMORY.md", pages.page("MEMORY.md", values).encode()
    yield "memory/WORKING.md", pages.page("WORKING.md", values).encode()
    for day in facts.days:
        yield f"memory/{day}.md", pages.page("DAY.md", {**values, "day": day}).encode()


def _values(facts: Facts, identity: Compiled, skills: tuple[Skill, ...]) -> dict[str, object]:
    layers = {
        layer.value: "\n\n".join(section.text for section in identity.sections if section.layer is layer) for layer in Layer
    }
    return {
        "account": {key: _line(value) for key, value in facts.account.items()},
        "agent": {key: _line(value) if key != "description" else value.strip() for key, value in facts.agent.items()},
        "layers": layers,
        "skills": [{"slug": one.slug, "name": _line(one.name), "description": _line(one.description)} for one in skills],
        "verbs": [{"name": name, "summary": _line(summary)} for name, summary in facts.verbs],
        "repositories": facts.repositories,
        "board_url": facts.board_url,
    }


def _skills(facts: Facts, warnings: list[str]) -> Iterator[tuple[Skill, str]]:
    for skill in facts.skills:
        if not workspaces.is_safe(skill.slug):
            warnings.append(f"the skill {skill.slug[:64]!r} is left out: its slug is no safe name for a directory")
        elif not (text := cleaned(skill.content)).strip():
            warnings.append(f"the skill {skill.slug} is left out: it says nothing")
        else:
            made = front_matter.ensured(text, name=skill.slug, description=_line(skill.description))
            yield skill, made.rstrip("\n") + "\n"


def _environment(facts: Facts, token: str) -> bytes:
    """What the agent's own tools need to reach the board as this agent, and nothing else."""
    told = {
        "CALLBOARD_PUBLIC_URL": shlex.quote(facts.board_url),
        "CALLBOARD_TOKEN": token,
        "ACCOUNT_SLUG": facts.account["slug"],
        "AGENT_SLUG": facts.agent["slug"],
    }
    lines = "".join(f"{key}={value}\n" for key, value in told.items())
    return f"# From the board, for this agent alone. Show it to nobody.\n{lines}".encode()


def _piece(content: bytes, *, is_private: bool = False) -> Piece:
    return Piece(content, hashlib.sha256(content).hexdigest(), is_private)


def _line(text: str) -> str:
    return " ".join(text.split())[:NAME_MOST]


def _few(warnings: list[str]) -> tuple[str, ...]:
    if len(warnings) <= WARNINGS_MOST:
        return tuple(warnings)
    return (*warnings[:WARNINGS_MOST], f"and {len(warnings) - WARNINGS_MOST} more")
