"""Reading a seeds directory: YAML and Markdown in, records out, or every mistake in it at once."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec
import yaml
from msgspec import Meta

from app.agents.layering import cleaned
from app.agents.types import Layer, LayerScope
from app.bootstrap import rules
from app.bootstrap.rules import seeded
from app.bootstrap.types import (
    ACCOUNT_FILE,
    IDENTITY_FOLDER,
    REPOSITORY_FILE,
    AccountSeed,
    AgentSeed,
    DocumentSeed,
    LayerSeed,
    RepositorySeed,
    Seeds,
    Shelf,
    SkillSeed,
)
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart

MARKDOWN: dict[str, type[AgentSeed | DocumentSeed | SkillSeed]] = {
    "agents": AgentSeed,
    "documents": DocumentSeed,
    "skills": SkillSeed,
}
KNOWN = (ACCOUNT_FILE, REPOSITORY_FILE, *MARKDOWN, IDENTITY_FOLDER, "README.md")
LAYERS = {f"{layer.upper()}.md": layer for layer in Layer}
FRONT = "---\n"
BOOLEAN = "tag:yaml.org,2002:bool"

S = TypeVar("S", bound=msgspec.Struct)


def read(directory: Path, *, settings: Settings, account_slug: str | None = None, gateway_url: str | None = None) -> Seeds:
    """All records of `directory`, for another account or gateway than its own where one is given."""
    reading = _Reading(directory, variables(settings))
    shelf = reading.shelf()
    account = shelf.account
    if account and not reading.problems:
        reading.problems += [f"{name}: {problem}" for name, problem in rules.contradictions(shelf, account)]
    if reading.problems or not account:
        raise CannotStart("\n  ".join([f"the seeds in {directory} cannot be loaded:", *reading.problems]))
    account = msgspec.structs.replace(account, slug=account_slug or account.slug)
    has_gateway = bool(gateway_url or settings.openclaw_gateway_url)
    records = rules.records(shelf, account, gateway_url=gateway_url, has_gateway=has_gateway)
    return Seeds(slug=account.slug, records=tuple(records))


def variables(settings: Settings) -> dict[str, str | None]:
    """The only settings that seeds may name; nothing secret is among them."""
    return {
        "REPO_URL": rules.without_credentials(settings.repo_url),
        "REPO_BASE_BRANCH": settings.repo_base_branch,
        "REPO_BRANCH_PREFIX": settings.repo_branch_prefix,
        "REPO_BRANCH_PATTERN": settings.repo_branch_pattern,
        "REPO_BRANCH_PER_TASK": "true" if settings.repo_branch_per_task else "false",
        "REPO_KEEP_WORKTREES": "true" if settings.repo_keep_worktrees else "false",
        "REPO_PROTECTED_BRANCHES": settings.repo_protected_branches,
        "REPO_CLONE_DEPTH": str(settings.repo_clone_depth) if settings.repo_clone_depth else None,
        "WRITABLE_REPO_DIR": str(settings.writable_repo_dir) if settings.writable_repo_dir else None,
    }


class _Loader(yaml.SafeLoader):
    """Only `true` and `false` are truth values, as in YAML 1.2, so that `off` is a word."""

    yaml_implicit_resolvers = {
        first: [one for one in resolvers if one[0] != BOOLEAN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(BOOLEAN, re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))


class _Reading:
    """One pass over a directory, which goes on after a mistake to find the others."""

    def __init__(self, directory: Path, values: Mapping[str, str | None]) -> None:
        self._directory = directory
        self._values = values
        self.problems: list[str] = []

    def shelf(self) -> Shelf:
        for path in sorted(self._directory.iterdir()):
            if path.name not in KNOWN and not path.name.startswith("."):
                self._note(path, f"is no seed; seeds are {', '.join(KNOWN[:-1])}")
        shelf = Shelf(account=self._yaml(self._directory / ACCOUNT_FILE, AccountSeed), repository_url=self._values["REPO_URL"])
        if (self._directory / REPOSITORY_FILE).exists():
            shelf.repositories = self._repositories(self._directory / REPOSITORY_FILE)
        for folder, kind in MARKDOWN.items():
            if (self._directory / folder).is_dir():
                paths = sorted((self._directory / folder).iterdir(), key=lambda path: path.stem)
                seen = (self._markdown(path, kind) for path in paths if not path.name.startswith("."))
                getattr(shelf, folder).extend(seed for seed in seen if seed)
        shelf.layers = list(self._layers(self._directory / IDENTITY_FOLDER))
        return shelf

    def _layers(self, root: Path) -> Iterator[tuple[LayerSeed, str]]:
        """Layers of identity: `shared/SOUL.md`, `agents/agent-slug/USER.md`, `folders/name/IDENTITY.md`."""
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            if path.is_dir() or path.name.startswith("."):
                continue
            match (*path.relative_to(root).parts[:-1], LAYERS.get(path.name)):
                case ("shared", Layer() as layer):
                    place: dict[str, str | None] = {"scope": LayerScope.SHARED, "layer": layer}
                case ("agents", name, Layer() as layer) if layer is not Layer.SOUL:
                    place = {"scope": LayerScope.AGENT, "name": name, "layer": layer}
                case ("folders", name, Layer() as layer):
                    place = {"scope": LayerScope.FOLDER, "name": name, "layer": layer}
                case _:
                    self._note(
                        path, "is no layer: they are shared/, agents/agent-slug/ and folders/name/ with " + ", ".join(LAYERS)
                    )
                    continue
            text, problems = self._text(path), list(_problems(LayerSeed, place, ""))
            for problem in problems:
                self._note(path, problem)
            if text is not None and not problems:
                yield msgspec.convert(place, LayerSeed), f"{cleaned(self._filled(path, text)).strip()}\n"

    def _yaml(self, path: Path, kind: type[S]) -> S | None:
        text = self._text(path)
        return None if text is None else self._converted(path, text, kind)

    def _repositories(self, path: Path) -> list[RepositorySeed]:
        """One mapping, or a list of them."""
        text = self._text(path)
        given = None if text is None else self._parsed(path, text)
        if given is None:
            return []
        listed = given if isinstance(given, list) else [given]
        typed = [seeded.typed(one) for one in seeded.completed(listed, self._values)]
        kind = list[RepositorySeed] if isinstance(given, list) else RepositorySeed
        problems = list(_problems(kind, typed if isinstance(given, list) else typed[0], ""))
        for problem in problems:
            self._note(path, problem)
        return [] if problems else msgspec.convert(typed, list[RepositorySeed])

    def _markdown(self, path: Path, kind: type[S]) -> tuple[S, str] | None:
        text = self._text(path)
        if text is None:
            return None
        front, fence, body = text.partition(f"\n{FRONT}")
        if path.suffix != ".md" or not fence or not front.startswith(FRONT):
            self._note(path, "is no Markdown file that begins with front matter between two lines of ---")
            return None
        seed = self._converted(path, front, kind)
        content = self._filled(path, body)
        if seed is not None and getattr(seed, "slug", None) != path.stem:
            self._note(path, "slug must be the file's name")
        return None if seed is None else (seed, f"{content.strip()}\n")

    def _text(self, path: Path) -> str | None:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            self._note(path, f"cannot be read: {error.strerror}")
            return None
        except UnicodeDecodeError:
            self._note(path, "cannot be read: it is not UTF-8")
            return None
        if "\0" in text:
            self._note(path, "holds a NUL byte")
            return None
        return text

    def _parsed(self, path: Path, text: str) -> Any:
        """What the YAML says, None when it is none."""
        try:
            given = yaml.load(text, _Loader)  # noqa: S506 it is a SafeLoader
        except yaml.YAMLError as error:
            self._note(path, f"is no YAML: {error}")
            return None
        # Filled after parsing, so that no value can change what the file says.
        return {} if given is None else self._filled(path, given)

    def _converted(self, path: Path, text: str, kind: type[S]) -> S | None:
        given = self._parsed(path, text)
        if given is None:
            return None
        problems = list(_problems(kind, given, ""))
        for problem in problems:
            self._note(path, problem)
        return None if problems else msgspec.convert(given, kind)

    def _filled(self, path: Path, given: Any) -> Any:
        if isinstance(given, dict):
            return {key: self._filled(path, value) for key, value in given.items()}
        if isinstance(given, list):
            return [self._filled(path, value) for value in given]
        if not isinstance(given, str):
            return given
        text, problems = rules.filled(given, self._values)
        for problem in problems:
            self._note(path, problem)
        return text

    def _note(self, path: Path, problem: str) -> None:
        self.problems.append(f"{path.relative_to(self._directory)}: {' '.join(problem.split())}")


def _problems(kind: Any, given: object, at: str) -> Iterator[str]:
    """All that is wrong with `given`, where a plain conversion would stop at the first."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _problems_of_struct(kind, given, f"{at}." if at else "")
    elif get_origin(kind) is list and isinstance(given, list):
        for number, item in enumerate(given):
            yield from _problems(get_args(kind)[0], item, f"{at}[{number}]")
    else:
        try:
            msgspec.convert(given, kind)
        except msgspec.ValidationError as error:
            told = (meta for part in (kind, *get_args(kind)) for meta in get_args(part)[1:] if isinstance(meta, Meta))
            expected = next((meta.description for meta in told), None)
            yield f"{at} must be {expected}" if expected else f"{at}: {error}"


def _problems_of_struct(kind: type[msgspec.Struct], given: object, at: str) -> Iterator[str]:
    if not isinstance(given, dict):
        yield f"{at.rstrip('.') or 'the content'} must be a mapping"
        return
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    yield from (f"unknown key {at}{key}" for key in given if key not in fields)
    for name, field in fields.items():
        if name in given:
            yield from _problems(field.type, given[name], f"{at}{name}")
        elif field.required:
            yield f"{at}{name} is missing"
