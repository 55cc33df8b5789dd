"""What steers a process while it runs, as the rooms below the runtime may ask it."""

from typing import Protocol
from uuid import UUID


class Controls(Protocol):
    """Answered from memory, so that a decision costs no round trip; what is not known counts as what is safe."""

    def flag(self, account_id: UUID, name: str) -> bool:
        """Whether the flag is on, or the kill switch engaged."""
        ...

    def limit(self, account_id: UUID, name: str) -> int: ...


class NotStarted:
    """A process that asks without having started its controls is wrong."""

    def flag(self, account_id: UUID, name: str) -> bool:
        raise RuntimeError(f"{name} of {account_id} is asked for, and the controls of this process were not started")

    def limit(self, account_id: UUID, name: str) -> int:
        raise RuntimeError(f"{name} of {account_id} is asked for, and the controls of this process were not started")
