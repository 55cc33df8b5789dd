"""Where clones, worktrees and workspaces are, and what git is told about a clone."""

from pathlib import Path

from app.bootstrap.types.repositories import Facts, Roots
from app.bootstrap.types.vcs import GitError, Place, Trouble
from app.kernel.settings import ROOT, Settings

NO_URL = "the repository has no address: give it one"


def roots(settings: Settings) -> Roots:
    return Roots(environment=settings.writable_repo_dir, shared=settings.data_dir / "repos", base=ROOT)


def worktrees(settings: Settings) -> Path:
    """The directory of all worktrees."""
    return settings.worktrees_dir or settings.data_dir / "worktrees"


def workspaces(settings: Settings) -> Path:
    """The directory of all workspaces."""
    return settings.workspaces_dir or settings.data_dir / "workspaces"


def seen(path: Path, settings: Settings) -> str | None:
    """The path as the gateway sees it, where that is another one."""
    if settings.gateway_data_dir is None or not path.is_relative_to(settings.data_dir):
        return None
    found = f"{settings.gateway_data_dir.rstrip('/')}/{path.relative_to(settings.data_dir)}"
    return None if found == str(path) else found


def directory(facts: Facts, roots: Roots) -> Path:
    """The clone of the environment's repository where its setting says; else where the seeds say; else one of its own."""
    if facts.is_from_environment and roots.environment is not None:
        return roots.environment
    if facts.writable_dir:
        return roots.base / Path(facts.writable_dir).expanduser()
    own = roots.shared / facts.account_slug
    # The environment's clone may have the name of an account, or be below it; a slug holds no dot.
    is_taken = roots.environment is not None and roots.environment.is_relative_to(own)
    return (roots.shared / f"{facts.account_slug}.own" if is_taken else own) / facts.name


def place_of(facts: Facts, settings: Settings) -> Place:
    """What git is told; GitError when the repository has no address."""
    if facts.url is None:
        raise GitError(Trouble.BAD_URL, NO_URL, setting="url")
    return Place(
        url=facts.url,
        directory=directory(facts, roots(settings)),
        base_branch=facts.base_branch,
        depth=facts.clone_depth,
        is_from_environment=facts.is_from_environment,
    )
