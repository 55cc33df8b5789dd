"""Repositories as seeds give them: texts of variables as what they stand for, what is wrong with them, and their rows."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from app.bootstrap.types import Kind, Record, RepositorySeed


def completed(given: Sequence[Any], values: Mapping[str, str | None]) -> Iterator[Any]:
    """The repositories of a file; the first that is the environment's has the environment's facts where it gives none."""
    is_due = values["REPO_URL"] is not None
    for one in given:
        if is_due and isinstance(one, dict) and one.get("url") == values["REPO_URL"]:
            is_due = False
            yield {name: values[variable] for name, variable in _VARIABLES.items() if values[variable]} | one
        else:
            yield one


def typed(given: Any) -> Any:
    """A repository as its file gives it, with the texts that come from variables as what they stand for."""
    if not isinstance(given, dict):
        return given
    found = {name: value for name, value in given.items() if value != "" or name not in _TYPED}
    for name in found.keys() & _TYPED.keys():
        if isinstance(found[name], str):
            found[name] = _TYPED[name](found[name].strip())
    return found


def _number(text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text


def _truth(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


_VARIABLES: Mapping[str, str] = {
    "base_branch": "REPO_BASE_BRANCH",
    "branch_prefix": "REPO_BRANCH_PREFIX",
    "branch_pattern": "REPO_BRANCH_PATTERN",
    "branch_per_task": "REPO_BRANCH_PER_TASK",
    "keep_worktrees": "REPO_KEEP_WORKTREES",
    "protected_branches": "REPO_PROTECTED_BRANCHES",
    "clone_depth": "REPO_CLONE_DEPTH",
    "writable_dir": "WRITABLE_REPO_DIR",
}
_TYPED: Mapping[str, Callable[[str], object]] = {
    "clone_depth": _number,
    "branch_per_task": _truth,
    "keep_worktrees": _truth,
    "protected_branches": _names,
}


def problems(seeds: Sequence[RepositorySeed], *, shown: Callable[[str | None], str | None]) -> Iterator[str]:
    """What does not fit together; `shown` is an address without its credentials."""
    places = [seed.writable_dir for seed in seeds if seed.url and seed.writable_dir]
    if len({seed.name for seed in seeds}) < len(seeds):
        yield "names must differ"
    if len(set(places)) < len(places):
        yield "each needs a writable_dir of its own; without one it gets one"
    for seed in seeds:
        if seed.url != shown(seed.url):
            yield f"{seed.name}: url must hold no credentials; REPO_TOKEN and CALLBOARD_REPOSITORY_ORIGINS are for them"


def records(seeds: Sequence[RepositorySeed], *, environment: str | None) -> Iterator[Record]:
    """The rows that are asked for, none without an address; that of the environment is the first with its address."""
    own = next((seed.name for seed in seeds if seed.url and seed.url == environment), None)
    for seed in seeds:
        if seed.url:
            given = msgspec.to_builtins(seed) | {"is_from_environment": seed.name == own}
            facts = {name: None if value == "" else value for name, value in given.items() if name != "name"}
            yield Record(Kind.REPOSITORY, seed.name, facts)
