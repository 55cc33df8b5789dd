"""The words of agents' workspaces."""

from enum import StrEnum


class WorkspaceState(StrEnum):
    """`removed` is the workspace of an agent that was retired."""

    SYNCED = "synced"
    FAILED = "failed"
    REMOVED = "removed"
