"""What a storm over repositories stands on: the seeds of its account, and the end of gits that run in its directory."""

import os
import signal
from contextlib import suppress
from pathlib import Path

BUILDERS = tuple(f"builder-{number}" for number in range(10))
REVIEWERS = tuple(f"closer-{number}" for number in range(2))
AGENT = "---\nslug: {slug}\nname: {slug}\nrole: Engineer\nreach: pull\n{more}---\nYou work.\n"
ACCOUNT = """slug: storm
name: Storm
people: [{email: owner@example.com, handle: owner, name: Owner, role: owner}]
settings: {lease_seconds: 30, open_pool: true, self_review: forbid}
"""


def seeds(directory: Path) -> Path:
    """A directory of seeds with the crew and the environment's repository."""
    (directory / "agents").mkdir(parents=True)
    (directory / "account.yaml").write_text(ACCOUNT)
    (directory / "repository.yaml").write_text("name: near\nurl: ${REPO_URL:-}\n")
    crew = dict.fromkeys(BUILDERS, "") | dict.fromkeys(REVIEWERS, "flags: {is_reviewer: true}\n")
    for slug, more in crew.items():
        (directory / "agents" / f"{slug}.md").write_text(AGENT.format(slug=slug, more=more))
    return directory


def end_git(directory: Path) -> bool:
    """Kill a process of git that works below a directory, at once because it is quickly done; whether there was one."""
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        with suppress(OSError):
            if not (place / "comm").read_text().startswith("git"):
                continue
            if str(directory).encode() in (place / "cmdline").read_bytes() + (place / "environ").read_bytes():
                os.kill(int(place.name), signal.SIGKILL)
                return True
    return False
