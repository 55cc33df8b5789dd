"""The words of an account's repositories."""

from pathlib import Path
from uuid import UUID

import msgspec

from app.bootstrap.types.vcs import CloneState, Trouble


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as its row says, with the slug of its account, which places its clone; an absent fact is never guessed."""

    id: UUID
    account_slug: str
    name: str
    url: str | None
    base_branch: str | None
    branch_prefix: str | None
    branch_pattern: str | None
    protected_branches: list[str]
    branch_per_task: bool
    keep_worktrees: bool
    clone_depth: int | None
    writable_dir: str | None
    is_primary: bool
    is_from_environment: bool
    version: int


class Sync(msgspec.Struct, frozen=True):
    """The payload of `repository.sync`."""

    repository_id: UUID


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the clone of a repository stands, and whether a sync of it is ordered or under way, or put off after a failure."""

    name: str
    state: CloneState
    phase: str | None
    percent: int | None
    trouble: Trouble | None
    setting: str | None
    advice: str | None
    remark: str | None
    head: str | None
    base_branch: str | None
    directory: str | None
    is_pending: bool
    is_put_off: bool


class Roots(msgspec.Struct, frozen=True, kw_only=True):
    """Where clones may be: `environment` is that of REPO_URL, `shared` holds those of accounts, `base` begins relative paths."""

    environment: Path | None
    shared: Path
    base: Path
