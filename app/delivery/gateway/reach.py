"""What is within reach of a command that runs here: programs on its path, and packages installed beside it."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import which

_ABOVE = 3
# Where installers put packages, seen from the directory that holds `bin`.
_PACKAGES = ("lib/python*/site-packages", "lib/python*/dist-packages", "lib/node_modules", "node_modules")


def denied_within(denied: Sequence[str], *, program: str, path: str) -> list[str]:
    """Those of these names that a program on `path`, or a package beside the command, bears; blocking."""
    packages = {_plain(name) for name in _installed(Path(program))}
    return [name for name in denied if which(name, path=path) or _plain(name) in packages]


def _installed(program: Path) -> Iterable[str]:
    for start in {program, program.resolve()}:
        for above in list(start.parents)[:_ABOVE]:
            for pattern in _PACKAGES:
                for place in above.glob(pattern):
                    yield from _names(place)


def _names(place: Path) -> Iterable[str]:
    for entry in place.iterdir():
        if entry.name.startswith("@"):
            yield from (f"{entry.name}/{below.name}" for below in entry.iterdir())
        elif entry.suffix in {".dist-info", ".egg-info"}:
            yield entry.stem.partition("-")[0]
        elif place.name == "node_modules":
            yield entry.name


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
