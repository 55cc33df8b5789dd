"""Where the clone of a repository is, and what git is told about it."""

from pathlib import Path

from app.bootstrap.types.repositories import Facts, Roots
from app.bootstrap.types.vcs import GitError, Place, Trouble
from app.kernel.settings import ROOT, Settings

NO_URL = "the repository has no address: give it one"


def roots(settings: Settings) -> Roots:
    return Roots(environment=settings.writable_repo_dir, shared=settings.data_dir / "repos", base=ROOT)


def directory(facts: Facts, roots: Roots) -> Path:
    """The clone of the environment's repository where its setting says; else where the seeds say; else one of its own."""
    if facts.is_from_environment and roots.environment is not None:
        return roots.environment
    if facts.writable_dir:
        return roots.base / Path(facts.writable_dir).expanduser()
    own = roots.shared / facts.account_slug
    # The environment's clone may have the name of an account; a slug holds no dot.
    return (roots.shared / f"{facts.account_slug}.own" if own == roots.environment else own) / facts.name


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
