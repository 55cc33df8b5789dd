"""A fork on disk: a copy of the project in which only `seeds/` and `.env` are another's."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from app.kernel.settings import ROOT

OWNER = "miller@mill.example"
ACCOUNT_SLUG = "mill"
LEADER, WORKERS, REVIEWERS = "loom", ("weft", "warp", "shuttle", "heddle"), ("selvedge", "fuller")
CREW = {
    LEADER: "name: Loom\nrole: Hands out cloth\nflags: {can_create_tasks: true}\n",
    "weft": "name: Weft\nrole: Weaver\nskills: [even-tension]\n",
    "warp": "name: Warp\nrole: Weaver\ncapacity: 2\n",
    "shuttle": "name: Shuttle\nrole: Carries thread\n",
    "heddle": "name: Heddle\nrole: Lifts threads\n",
    "selvedge": "name: Selvedge\nrole: Looks at cloth\nflags: {is_reviewer: true}\n",
    "fuller": "name: Fuller\nrole: Finishes cloth\nflags: {is_reviewer: true}\n",
}
ACCOUNT = f"""
slug: {ACCOUNT_SLUG}
name: The Mill
people: [{{email: {OWNER}, handle: miller, name: Miller, role: owner}}]
settings: {{orchestrator: {LEADER}}}
"""
REPOSITORIES = """
- name: cloth
  url: ${REPO_URL:-}
  base_branch: ${REPO_BASE_BRANCH:-}
  branch_prefix: ${REPO_BRANCH_PREFIX:-}
  writable_dir: ${WRITABLE_REPO_DIR:-}
- name: thread
  url: {thread}
  base_branch: trunk
  branch_prefix: bolt/
"""
DOCUMENTS = {"briefing": "The mill weaves.", "repository": "Cloth and thread live apart."}
LEFT_BEHIND = (
    ".git",
    ".venv",
    ".venv.lock",
    ".callboard",
    ".env",
    "seeds",
    ".hypothesis",
    ".mypy_cache",
    ".ruff_cache",
)


def make(directory: Path, *, thread_url: str, settings: dict[str, str]) -> Path:
    """The fork below `directory`, with its seeds, its `.env`, and an environment in which nothing has to be installed."""
    fork = directory / "fork"
    shutil.copytree(ROOT, fork, ignore=shutil.ignore_patterns(*LEFT_BEHIND), symlinks=True)
    _seeds(fork / "seeds", thread_url)
    (fork / ".env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    _installed(fork)
    return fork


def _seeds(seeds: Path, thread_url: str) -> None:
    for folder in ("agents", "documents", "skills"):
        (seeds / folder).mkdir(parents=True)
    (seeds / "account.yaml").write_text(ACCOUNT)
    (seeds / "repository.yaml").write_text(REPOSITORIES.replace("{thread}", thread_url))
    for slug, front in CREW.items():
        (seeds / "agents" / f"{slug}.md").write_text(f"---\nslug: {slug}\n{front}---\nA soul of the mill.\n")
    for slug, text in DOCUMENTS.items():
        (seeds / "documents" / f"{slug}.md").write_text(f"---\nslug: {slug}\ntitle: {slug}\ntype: reference\n---\n{text}\n")
    skill = "---\nslug: even-tension\nname: Even tension\ndescription: Keeps cloth flat.\n---\nPull evenly.\n"
    (seeds / "skills" / "even-tension.md").write_text(skill)


def _installed(fork: Path) -> None:
    """What runs this also runs the fork; a user's first call installs from the lock instead."""
    home = fork / ".venv"
    venv.create(home, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (home / "lib" / version / "site-packages" / "same.pth").write_text(sysconfig.get_path("purelib") + "\n")
    shutil.copy(fork / "requirements.lock", home / "installed.lock")


def environment(home: Path) -> dict[str, str]:
    """Nothing but a home of its own."""
    home.mkdir(exist_ok=True)
    return {"PATH": os.defpath + ":/usr/local/bin", "HOME": str(home)}


def called(fork: Path, home: Path, *arguments: str) -> str:
    """What `./callboard …` of the fork prints."""
    done = subprocess.run(
        ["./callboard", *arguments], cwd=fork, env=environment(home), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"./callboard {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
    return done.stdout
