"""The words of version control: where a repository is, what git found or did, and what stood in the way."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec


class Trouble(StrEnum):
    """Why a repository cannot be used; each has one sentence of advice."""

    NO_GIT = "no_git"
    BAD_URL = "bad_url"
    UNREACHABLE = "unreachable"
    NOT_FOUND = "not_found"
    CREDENTIALS = "credentials"
    NO_BRANCH = "no_branch"
    NO_COMMITS = "no_commits"
    NO_SPACE = "no_space"
    NOT_WRITABLE = "not_writable"
    NOT_A_CLONE = "not_a_clone"
    UNSAFE_CONFIG = "unsafe_config"
    PROTECTED = "protected"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    ESCAPES = "escapes"
    BUSY = "busy"
    TIMEOUT = "timeout"
    BROKEN = "broken"


class CloneState(StrEnum):
    """`off` is one that nothing is done for, as its repository has no address or there is no git."""

    WAITING = "waiting"
    SYNCING = "syncing"
    READY = "ready"
    DEGRADED = "degraded"
    OFF = "off"


class GitError(Exception):
    """What git could not do; `setting` is the key to look at and `advice` what to do, neither holds an address or a secret."""

    def __init__(self, trouble: Trouble, advice: str, *, setting: str | None = None, may_pass: bool = False) -> None:
        super().__init__(f"{setting}: {advice}" if setting else advice)
        self.trouble = trouble
        self.advice = advice
        self.setting = setting
        self.may_pass = may_pass


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A repository and the clone of it; `source` says whose facts these are: settings of the environment, or the account's.

    `base_branch` unset is the default branch of the repository, `depth` unset its whole history.
    """

    url: str
    directory: Path
    base_branch: str | None = None
    depth: int | None = None
    is_from_environment: bool = False


class Progress(msgspec.Struct, frozen=True):
    """How far a step is, in percent where git says so."""

    phase: str
    percent: int | None = None


Report = Callable[[Progress], None]


class Cloned(msgspec.Struct, frozen=True, kw_only=True):
    """What is there after a sync; `aside` is where a clone of another address was put, `remark` what was left as it is."""

    head: str
    base_branch: str
    is_new: bool = False
    has_moved: bool = False
    aside: Path | None = None
    remark: str | None = None


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """One worktree of a clone, on a branch of its own that started from `base`, a commit.

    Of several owners that share a clone none works on a branch of another.
    """

    clone: Path
    path: Path
    branch: str
    base_branch: str
    base: str | None = None
    owner: str = "board"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A worktree that is there; `is_resumed` if its branch was there before."""

    head: str
    base: str
    is_resumed: bool = False


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A worktree as git lists it."""

    path: Path
    branch: str | None
    head: str | None
    locked: str | None = None
    is_missing: bool = False


class Change(msgspec.Struct, frozen=True):
    """One file that differs: a letter as git gives it (`A`, `M`, `D`, `R`, `?`, `U`), and its path."""

    letter: str
    path: str
    before: str | None = None


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    sha: str
    subject: str
    author: str
    at: str


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """A branch against its base, and its worktree against the branch.

    `ahead` and `behind` count commits against the base branch as it was last fetched; `unpushed` those that the remote lacks.
    """

    head: str
    base: str
    ahead: int
    behind: int
    unpushed: int
    files: int
    insertions: int
    deletions: int
    commits: list[Commit]
    changes: list[Change]
    is_cut: bool = False


class Author(msgspec.Struct, frozen=True):
    name: str
    email: str


class Diff(msgspec.Struct, frozen=True):
    text: str
    files: int
    is_cut: bool


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """`is_new` if the remote did not have this commit on this branch yet."""

    head: str
    is_new: bool
