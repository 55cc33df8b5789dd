"""Everything that must hold before a change lands."""

import os
import subprocess
import sys
from collections.abc import Sequence

from app.kernel.settings import ROOT

# Run as modules, because the scripts of a virtual environment name the place where it was made.
CHECKS = (
    ("format", ["-m", "ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["-m", "ruff", "check", "--quiet", "."]),
    ("types", ["-m", "mypy", "--no-error-summary"]),
    ("imports", ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"]),
    ("prompts", ["-m", "app", "lint", "prompts"]),
)

MOST = 4
# One more than there are cores, since tests often wait; a file stays in one process, and each has a database server of its own.
SIDE_BY_SIDE = (f"--numprocesses={min(MOST, (os.cpu_count() or 1) + 1)}", "--dist=loadfile")


def run(arguments: Sequence[str]) -> int:
    """Run every check, then the tests with `arguments`; the first failure's exit code."""
    codes = []
    for name, command in CHECKS:
        done = _python(command, quiet=name == "imports")
        print(f"{name}: {'failed' if done else 'ok'}", flush=True)
        codes.append(done)
    codes.append(_python(["-m", "pytest", *SIDE_BY_SIDE, *arguments]))
    return next((code for code in codes if code), 0)


def _python(command: Sequence[str], *, quiet: bool = False) -> int:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=False, capture_output=quiet, text=True)
    if quiet and done.returncode:
        print(done.stdout, done.stderr)
    return done.returncode
