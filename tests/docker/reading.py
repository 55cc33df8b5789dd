"""What the files under docker/ say, read without Docker."""

import re
from pathlib import Path
from typing import Any

import yaml

from app.kernel.settings import ROOT

DOCKER = ROOT / "docker"
INTERPOLATED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::?[-?]((?:[^{}]|\$\{[^{}]*\})*))?\}")


class Loader(yaml.SafeLoader):
    """YAML with the tags of Compose."""


Loader.add_constructor("!reset", lambda *_: None)


def compose(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((DOCKER / name).read_text("utf-8"), Loader)
    return found


def filled(value: Any, environment: dict[str, str]) -> Any:
    """The same with its variables filled in, as Compose does."""
    if isinstance(value, dict):
        return {key: filled(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, environment) for one in value]
    if not isinstance(value, str):
        return value
    return INTERPOLATED.sub(lambda hit: environment.get(hit[1]) or filled(hit[2] or "", environment), value)


def services(environment: dict[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = filled(compose("compose.yaml")["services"], environment or {})
    return found


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    found: dict[str, list[tuple[str, str]]] = {"": []}
    stage = ""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stage = rest.split()[-1]
        found.setdefault(stage, []).extend([(word, rest.strip())] if word else [])
    return found


def texts() -> list[Path]:
    return sorted(path for path in DOCKER.rglob("*") if path.is_file() and not _is_ours_alone(path))


def _is_ours_alone(path: Path) -> bool:
    return path.suffix == ".env" or any(part.startswith((".", "__pycache__")) for part in path.relative_to(DOCKER).parts)
