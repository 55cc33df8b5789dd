"""A repository of somebody else with the default branch `trunk`, and git as the board runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.bootstrap.git.program import Git, Limits
from app.bootstrap.types.vcs import Place, Tree
from app.kernel.settings import Settings
from tests import remotes

TOKEN = "a-token-for-tests"


@pytest.fixture
def origin(tmp_path) -> Path:
    return remotes.bare(tmp_path / "srv" / "one.git")


@pytest.fixture
def git(tmp_path) -> Git:
    return Git(Settings(data_dir=tmp_path / "data"), limits=Limits(waiting=10.0))


@pytest.fixture
def place(tmp_path, origin) -> Place:
    return Place(url=remotes.url_of(origin), directory=tmp_path / "data" / "repos" / "one", is_from_environment=True)


@pytest.fixture
def tree(git, place) -> Tree:
    return Tree(clone=place.directory, path=git.worktrees / "one" / "first", branch="task/first", base_branch="trunk")


@pytest.fixture
def host(tmp_path) -> Iterator[remotes.Host]:
    (tmp_path / "srv").mkdir(exist_ok=True)
    with remotes.serving(tmp_path / "srv") as host:
        yield host
