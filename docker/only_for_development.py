"""The packages in a site-packages directory that the board does not need to run, one name a line."""

import re
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

try:
    from packaging.requirements import Requirement
except ImportError:
    from pip._vendor.packaging.requirements import Requirement


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(wanted: list[str], installed: dict[str, Distribution]) -> set[tuple[str, str]]:
    """Each distribution that these requirements lead to, with each extra of it that is asked for."""
    found = set[tuple[str, str]]()
    open_ends = [(Requirement(text), "") for text in wanted]
    while open_ends:
        one, extra = open_ends.pop()
        if one.marker and not one.marker.evaluate({"extra": extra}):
            continue
        name = normal(one.name)
        for asked in {"", *one.extras}:
            if name in installed and (name, asked) not in found:
                found.add((name, asked))
                open_ends += [(Requirement(text), asked) for text in installed[name].requires or []]
    return found


def main(project: Path, packages: str) -> None:
    installed = {normal(one.metadata["Name"]): one for one in distributions(path=[packages])}
    wanted = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
    kept = {name for name, _ in needed(wanted, installed)}
    for name in sorted(installed.keys() - kept):
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main(Path("pyproject.toml"), sys.argv[1])
