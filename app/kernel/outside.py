"""What the operator lets accounts reach: origins of gateways, each with its token, and commands by name."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit

Origin = tuple[str, str, int]
PORTS = {"http": 80, "https": 443}
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")


def origin_of(url: str) -> Origin | None:
    """Scheme, host and port of an http or https address; None if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port


@dataclass(frozen=True, slots=True)
class Bound:
    """An origin, and the environment variable with the token for it alone."""

    origin: Origin
    variable: str | None
    token: str | None = field(default=None, repr=False)


class Origins:
    """`https://host[:port][=VARIABLE], …`"""

    def __init__(self, text: str, *, environment: Mapping[str, str | None] | None = None) -> None:
        self._text = text
        self.bound = tuple(_bound(part.strip(), environment or {}) for part in text.split(",") if part.strip())

    def filled(self, environment: Mapping[str, str | None]) -> Self:
        """The same with the tokens that the environment holds."""
        return type(self)(self._text, environment=environment)

    def find(self, url: str) -> Bound | None:
        wanted = origin_of(url)
        return next((bound for bound in self.bound if bound.origin == wanted), None)

    @property
    def variables(self) -> set[str]:
        return {bound.variable for bound in self.bound if bound.variable}

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return repr(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origins) and self.bound == other.bound

    def __hash__(self) -> int:
        return hash(self.bound)


def _bound(part: str, environment: Mapping[str, str | None]) -> Bound:
    url, _, variable = part.partition("=")
    parts, origin = urlsplit(url.strip()), origin_of(url.strip())
    if origin is None or parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{url.strip()} is no origin")
    name = variable.strip() or None
    if name is not None and not re.fullmatch(VARIABLE, name):
        raise ValueError(f"{name} is no name of an environment variable")
    return Bound(origin, name, (environment.get(name) or None) if name else None)


@dataclass(frozen=True, slots=True)
class Program:
    """A command of the operator's: what is run, and the only variables of the environment that it is handed."""

    name: str
    words: tuple[str, ...]
    variables: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class Commands:
    """`name=[VARIABLE …] /path argument …; …`, quoted as for a shell, which runs none of it."""

    def __init__(self, text: str, *, environment: Mapping[str, str | None] | None = None) -> None:
        self._text = text
        programs = [_program(part.strip()) for part in text.split(";") if part.strip()]
        self.programs = {program.name: _handed(program, environment or {}) for program in programs}
        if len(self.programs) < len(programs):
            raise ValueError("a name is given twice")

    def filled(self, environment: Mapping[str, str | None]) -> Self:
        """The same with the values that the environment holds."""
        return type(self)(self._text, environment=environment)

    @property
    def variables(self) -> set[str]:
        return {name for program in self.programs.values() for name in program.variables}

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return repr(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Commands) and self.programs == other.programs

    def __hash__(self) -> int:
        return hash(tuple(self.programs.values()))


def _program(part: str) -> Program:
    name, _, line = part.partition("=")
    words = shlex.split(line)
    if not NAME.fullmatch(name.strip()):
        raise ValueError(f"{name.strip()} is no name of a command")
    start = next((index for index, word in enumerate(words) if word.startswith("/")), None)
    if start is None or not all(re.fullmatch(VARIABLE, word) for word in words[:start]):
        raise ValueError(f"{name.strip()} names no absolute path")
    return Program(name.strip(), tuple(words[start:]), tuple(words[:start]))


def _handed(program: Program, environment: Mapping[str, str | None]) -> Program:
    values = ((name, environment.get(name)) for name in program.variables)
    return replace(program, environment=tuple((name, value) for name, value in values if value is not None))
