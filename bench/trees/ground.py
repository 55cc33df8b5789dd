"""What a storm over repositories stands on: the seeds of its account, and the gits that run in its directory."""

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


def gits(directory: Path) -> list[int]:
    """The processes of git that work below a directory."""
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        with suppress(OSError):
            words = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
            is_git = (place / "comm").read_text().startswith("git")
            if is_git and str(directory).encode() in words:
                found.append(int(place.name))
    return found
