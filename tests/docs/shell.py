"""Commands of the documentation: found in its fenced blocks, and run one after the other by one shell."""

import os
import re
import subprocess
import sys
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from app.kernel.settings import ROOT

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SHELLS = frozenset({"sh", "bash", "shell", "console"})
PROGRAM = re.compile(
    r"(?:[A-Z_]+=(?:\$\([^)]*\)|\S*) +)*(?:\./callboard\b|curl |docker[ /]|cp |pg_|psql |sh |systemctl )|[A-Z]+=\S+$"
)
END = "@@end@@"
# A stream has no end of its own.
CURL = """case "$*" in *stream*) seconds=0.5 ;; *) seconds=30 ;; esac
exec {real} --max-time $seconds -w "%{{stderr}}%{{http_code}}\\n" "$@" 2>>"{statuses}"
"""
# Another token of the same principal would be as good as the first.
CALLBOARD = """export PYTHONPATH="{root}"
if [ "$1" = token ]; then
    [ -s "{tokens}/$3" ] || "{python}" -P -m app "$@" >"{tokens}/$3" || exit
    exec cat "{tokens}/$3"
fi
exec "{python}" -P -m app "$@"
"""
SECONDS = 60.0


class Command(NamedTuple):
    """What is typed, with where it stands."""

    place: str
    text: str


class Done(NamedTuple):
    code: int
    output: str
    statuses: list[int]


def documents() -> list[Path]:
    """All that tells somebody to type something."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs" / "runtime").glob("*.md")), ROOT / "docker" / "README.md"]
    return [path for path in found if path.exists()]


def commands(path: Path) -> list[Command]:
    """The commands of a document, in their order."""
    text = path.read_text()
    found = []
    for block in FENCE.finditer(text):
        indent, language, body = block.groups()
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        if language in SHELLS or (not language and any(PROGRAM.match(line) for line in lines)):
            first = text.count("\n", 0, block.start()) + 2
            found += list(_joined(lines, place=str(path.relative_to(ROOT)), first=first))
    return found


def _joined(lines: list[str], *, place: str, first: int) -> list[Command]:
    """Lines that go on, and functions, are one command."""
    found, begun = [], list[str]()
    for number, line in enumerate(lines, start=first):
        begun.append(line)
        whole = "\n".join(begun)
        goes_on = line.rstrip().endswith(("\\", "|", "&&")) or f"{whole}\n".count("{\n") > whole.count("\n}")
        if not goes_on:
            if whole.strip() and not whole.lstrip().startswith("#"):
                found.append(Command(f"{place}:{number}", whole))
            begun = []
    return found


class Shell:
    """One POSIX shell; what it calls `curl` says with which status it was answered, and `./callboard` is this program."""

    def __init__(self, directory: Path, environment: dict[str, str], *, cwd: Path, tokens: Path) -> None:
        self._statuses = directory / "statuses"
        programs = directory / "programs"
        programs.mkdir(exist_ok=True)
        environment = environment | {"PATH": f"{programs}:{environment['PATH']}"}
        _script(programs / "curl", CURL.format(real=_real("curl"), statuses=self._statuses))
        tokens.mkdir(exist_ok=True)
        _script(directory / "callboard", CALLBOARD.format(root=ROOT, python=sys.executable, tokens=tokens))
        self._process = subprocess.Popen(
            ["/bin/sh"], cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._lines: SimpleQueue[str] = SimpleQueue()
        Thread(target=self._listen, daemon=True).start()

    def run(self, text: str) -> Done:
        self._statuses.write_text("")
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\nprintf '\\n{END} %s\\n' $?\n".encode())
        self._process.stdin.flush()
        output = list[str]()
        while True:
            try:
                line = self._lines.get(timeout=SECONDS)
            except Empty:
                raise AssertionError(f"this does not end: {text}\n{''.join(output)}") from None
            if line.startswith(END):
                statuses = [int(one) for one in self._statuses.read_text().split() if one.isdecimal()]
                return Done(int(line.split()[1]), "".join(output).strip(), statuses)
            output.append(line)

    def end(self) -> None:
        with self._process:
            self._process.kill()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.decode())


def _real(name: str) -> str:
    found = next((place for place in os.defpath.split(":") if place and (Path(place) / name).exists()), "/usr/bin")
    return f"{found}/{name}"


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
