"""Whole files made of templates, in the same sandbox as prompts."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from jinja2 import FileSystemLoader, Template

from app.delivery.fence import TooLarge
from app.delivery.render import sandboxed

PAGE_LIMIT = 4 << 20
SUFFIX = ".j2"


class Pages:
    """The templates of a directory, but for those that an override has of the same name."""

    def __init__(self, directory: Path, *overrides: Path) -> None:
        environment = sandboxed(FileSystemLoader([*overrides, directory]))
        self._templates: dict[str, Template] = {
            path.name.removesuffix(SUFFIX): environment.get_template(path.name) for path in sorted(directory.glob(f"*{SUFFIX}"))
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._templates)

    def page(self, name: str, values: Mapping[str, object]) -> str:
        """One file; what a template names it must be given, and the end is one line end."""
        parts, room = list[str](), PAGE_LIMIT
        for part in self._templates[name].generate(values):
            room -= len(part)
            if room < 0:
                raise TooLarge
            parts.append(part)
        return "".join(parts).strip("\n") + "\n"


def strange_in(directory: Path, known: Pages) -> list[str]:
    """What looks like a template and replaces none of those that are known."""
    names = {f"{name}{SUFFIX}" for name in known}
    return sorted(path.name for path in directory.iterdir() if path.name.endswith(SUFFIX) and path.name not in names)
