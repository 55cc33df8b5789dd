"""Turns what is known about a notification into the two texts that an agent reads."""

import hashlib
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from traceback import walk_tb
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, FunctionLoader, StrictUndefined, Template, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.delivery.fence import TooLarge
from app.delivery.outside import Outside
from app.delivery.render import language
from app.delivery.specimens import specimens
from app.delivery.suspicion import suspicions
from app.delivery.types.prompts import Prompt, PromptContext
from app.delivery.types.templates import Problem, TemplateName, TemplateSource
from app.delivery.viewing import view

PROMPT_LIMIT = 200_000
STEPS_LIMIT = 5_000
SECONDS_LIMIT = 0.5
TRYING_SECONDS = 2.0
TOO_LARGE = "prints too much or takes too long"
# Between two looks at the clock.
STRIDE = 64
SUFFIX = language.SUFFIX
DIRECTORY = Path(__file__).parents[1] / "templates"

# A width in a format.
_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)")


@dataclass(frozen=True, slots=True)
class Templates:
    """Compiled templates of one source; a wake-up by schedule has its own pair."""

    instructions: Template
    input: Template
    wakeup_instructions: Template
    wakeup_input: Template
    version: str
    source: TemplateSource = TemplateSource.BUILT_IN


class _Sandbox(ImmutableSandboxedEnvironment):
    # Each of them makes gigabytes of two short values.
    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, _context: object, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not (numbers and operator != "**") and _made(operator, left, right) > PROMPT_LIMIT:
            raise TooLarge
        return self.binop_table[operator](left, right)


def _made(operator: str, left: Any, right: Any) -> float:
    """At most how much comes of it."""
    match operator, left, right:
        case "*", str() | list() | tuple(), int():
            return len(left) * right
        case "*", int(), str() | list() | tuple():
            return left * len(right)
        case "%", str(), _:
            return math.inf if _WIDE.search(left) else 0
    return math.inf


class _Budget:
    """What one rendering may take: steps of its loops and parts of its output, and processor time."""

    def __init__(self) -> None:
        self._left = STEPS_LIMIT
        self._until = time.thread_time() + SECONDS_LIMIT

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0 or (self._left % STRIDE == 0 and time.thread_time() > self._until):
            raise TooLarge


def sandboxed(loader: BaseLoader) -> _Sandbox:
    environment = _Sandbox(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    # Nothing a prompt needs, and each of them a way to burn time or memory.
    environment.globals.clear()
    return environment


def load(
    *overrides: Path, contents: Mapping[str, str] | None = None, source: TemplateSource = TemplateSource.BUILT_IN
) -> Templates:
    """Compile the templates; `contents` stand before files, and an earlier directory before a later."""
    given = {f"{name}{SUFFIX}": text for name, text in (contents or {}).items()}
    files = FileSystemLoader([*overrides, DIRECTORY])
    # With a file's name, so that an error says where it is.
    loader = ChoiceLoader([FunctionLoader(lambda name: (given[name], name, None) if name in given else None), files])
    environment = sandboxed(loader)
    names = [name for name in files.list_templates() if name.endswith(".j2")]
    sources = "\0".join(f"{name}\0{loader.get_source(environment, name)[0]}" for name in names)
    return Templates(
        instructions=environment.get_template(f"instructions{SUFFIX}"),
        input=environment.get_template(f"input{SUFFIX}"),
        wakeup_instructions=environment.get_template(f"wakeup_instructions{SUFFIX}"),
        wakeup_input=environment.get_template(f"wakeup_input{SUFFIX}"),
        version=hashlib.sha256(sources.encode()).hexdigest(),
        source=source,
    )


@cache
def built_in() -> Templates:
    return load()


@cache
def of_fork(directory: Path | None) -> Templates:
    """The templates of this installation: the built-in ones, but for those that the directory has."""
    if directory is None:
        return built_in()
    return load(directory, source=TemplateSource.FORK if any(files_of(directory)) else TemplateSource.BUILT_IN)


def files_of(directory: Path) -> dict[str, Path]:
    """The templates that the directory has, by their names."""
    return {name.value: path for name in TemplateName if (path := directory / f"{name}{SUFFIX}").is_file()}


def strange_in(directory: Path) -> list[str]:
    """What looks like a template and replaces none, such as one with a misspelt name."""
    known = {path.name for path in files_of(directory).values()}
    return sorted(path.name for path in directory.iterdir() if path.name.endswith(SUFFIX) and path.name not in known)


def of_account(contents: tuple[tuple[str, str], ...], directory: Path | None) -> Templates:
    """The templates of an account, each by its name; those that it has not are the installation's."""
    return _of_account(contents, directory) if contents else of_fork(directory)


@lru_cache(maxsize=128)
def _of_account(contents: tuple[tuple[str, str], ...], directory: Path | None) -> Templates:
    overrides = (directory,) if directory else ()
    return load(*overrides, contents=dict(contents), source=TemplateSource.ACCOUNT)


def sources(directory: Path | None) -> dict[str, tuple[TemplateSource, str]]:
    """Each template of this installation: whose it is, and its text."""
    own = files_of(directory) if directory else {}
    built = {name.value: DIRECTORY / f"{name}{SUFFIX}" for name in TemplateName}
    return {
        name: (TemplateSource.FORK if name in own else TemplateSource.BUILT_IN, (own | built | own)[name].read_text("utf-8"))
        for name in built
    }


@cache
def variables() -> frozenset[str]:
    """The names that a template may use."""
    return frozenset(view(next(specimens()).context, outside=Outside(str, lambda: None)))


def checked(name: str, content: str) -> list[Problem]:
    """What keeps this text from being a template of an account."""
    return language.problems(content, place=name, known=variables(), environment=sandboxed(ChoiceLoader([])))


def compiled(contents: Mapping[str, str], directory: Path | None) -> tuple[Templates | None, Problem | None]:
    """The templates of an account, or what keeps them from being read."""
    try:
        return of_account(tuple(sorted(contents.items())), directory), None
    except Exception as error:  # noqa: BLE001 whatever a template makes of its reader
        place, line = where(error)
        return None, Problem(place=place, line=line, rule="syntax", message=str(error) or type(error).__name__)


def render(context: PromptContext, *, token: Callable[[], str], templates: Templates | None = None) -> Prompt:
    """Render one prompt; the same context, templates and tokens give the same bytes."""
    chosen = templates or built_in()
    budget = _Budget()
    outside = Outside(token, budget.spend)
    seen = view(context, outside=outside)
    is_wakeup = context.wakeup is not None
    instructions = _print(chosen.wakeup_instructions if is_wakeup else chosen.instructions, seen, outside, budget)
    text = _print(chosen.wakeup_input if is_wakeup else chosen.input, seen, outside, budget)
    rendered = f"{instructions}\0{text}".encode()
    return Prompt(
        instructions=instructions,
        input=text,
        template_version=chosen.version,
        template_source=chosen.source,
        digest=hashlib.sha256(rendered).hexdigest(),
        size=len(rendered) - 1,
        seen=context.seen,
        suspicions=suspicions(outside.read),
    )


def tried(
    templates: Templates, *, then: Callable[[Prompt, str], Problem | None] = lambda _prompt, _place: None
) -> Problem | None:
    """Render every kind of prompt; the first thing that goes wrong, or that `then` finds in a prompt, and where."""
    until = time.thread_time() + TRYING_SECONDS
    for one in specimens():
        try:
            prompt = render(one.context, token=lambda: "0" * 16, templates=templates)
        except TooLarge:
            return Problem(place=one.name, line=0, rule="rendering", message=TOO_LARGE)
        except Exception as error:  # noqa: BLE001 whatever a template makes of its values
            place, line = where(error)
            return Problem(place=place, line=line, rule="rendering", message=f"{error} (for {one.name})")
        if time.thread_time() > until:
            return Problem(place=one.name, line=0, rule="rendering", message=TOO_LARGE)
        if (found := then(prompt, one.name)) is not None:
            return found
    return None


def where(error: BaseException) -> tuple[str, int]:
    if isinstance(error, TemplateSyntaxError):
        return (error.name or "template").removesuffix(SUFFIX), error.lineno
    place, line = "template", 0
    for frame, number in walk_tb(error.__traceback__):
        if frame.f_code.co_filename.endswith(SUFFIX):
            place, line = Path(frame.f_code.co_filename).name.removesuffix(SUFFIX), number
    return place, line


def _print(template: Template, seen: Mapping[str, object], outside: Outside, budget: _Budget) -> str:
    parts: list[str] = []
    room = PROMPT_LIMIT
    for part in template.generate(seen):
        room -= len(part)
        budget.spend()
        if room < 0:
            raise TooLarge
        parts.append(part)
    return outside.vault.unseal("".join(parts), limit=PROMPT_LIMIT)
