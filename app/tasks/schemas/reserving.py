"""What the holder of a task asks for its files."""

from uuid import UUID

from app.kernel.wire import Body
from app.tasks.schemas import Fence
from app.tasks.schemas.reservations import Patterns, Wishes, normal


class AgentReserve(Body):
    """`reserve` adds files or renews their time; `release` gives back what the task has, by the pattern it was reserved with."""

    task_id: UUID
    reserve: Wishes = []
    release: Patterns = []
    fence: Fence | None = None

    def __post_init__(self) -> None:
        self.release = [normal(one) for one in self.release]
        if not self.reserve and not self.release:
            raise ValueError("name files to `reserve` or to `release`")
        if {one.pattern for one in self.reserve} & set(self.release):
            raise ValueError("Object names one pattern in both fields `reserve` and `release`")
