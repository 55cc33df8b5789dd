"""Reading a seeds directory: YAML and Markdown in, records out, or every mistake in it at once."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec
import yaml
from msgspec import Meta

from app.bootstrap import rules
from app.bootstrap.types import (
    ACCOUNT_FILE,
    REPOSITORY_FILE,
    AccountSeed,
    AgentSeed,
    DocumentSeed,
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
KNOWN = (ACCOUNT_FILE, REPOSITORY_FILE, *MARKDOWN, "README.md")
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
        shelf = Shelf(account=self._yaml(self._directory / ACCOUNT_FILE, AccountSeed))
        if (self._directory / REPOSITORY_FILE).exists():
            shelf.repository = self._yaml(self._directory / REPOSITORY_FILE, RepositorySeed)
        for folder, kind in MARKDOWN.items():
            if (self._directory / folder).is_dir():
                paths = sorted((self._directory / folder).iterdir(), key=lambda path: path.stem)
                seen = (self._markdown(path, kind) for path in paths if not path.name.startswith("."))
                getattr(shelf, folder).extend(seed for seed in seen if seed)
        return shelf

    def _yaml(self, path: Path, kind: type[S]) -> S | None:
        text = self._text(path)
        return None if text is None else self._converted(path, text, kind)

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

    def _converted(self, path: Path, text: str, kind: type[S]) -> S | None:
        try:
            given = yaml.load(text, _Loader)  # noqa: S506 it is a SafeLoader
        except yaml.YAMLError as error:
            self._note(path, f"is no YAML: {error}")
            return None
        # Filled after parsing, so that no value can change what the file says.
        given = self._filled(path, given)
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
            expected = next((meta.description for meta in get_args(kind)[1:] if isinstance(meta, Meta)), None)
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
