"""Loading seeds, and handing over the credentials that this made."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app import main
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart


async def load(settings: Settings, directory: Path) -> main.SeedReport:
    if not await asyncio.to_thread(directory.is_dir):
        raise CannotStart(f"no seeds: {directory} is not a directory; see CALLBOARD_SEEDS_DIR")
    return await main.seed(settings, directory)


def show(report: main.SeedReport, data_dir: Path) -> None:
    """Print what was loaded; credentials only to a terminal, else to a file that it names."""
    for line in report.lines:
        print(line)
    if report.credentials:
        _hand_over(report.credentials, data_dir / "credentials")


def _hand_over(credentials: Sequence[tuple[str, str]], path: Path) -> None:
    width = max(len(principal) for principal, _ in credentials)
    text = "".join(f"  {principal:{width}}  {token}\n" for principal, token in credentials)
    if sys.stdout.isatty():
        print(f"\nFirst credentials, shown only now:\n{text}")
        return
    # Output that is not a terminal is often a log that others read.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    print(f"\nFirst credentials are in {path}; read them and delete the file.\n")
