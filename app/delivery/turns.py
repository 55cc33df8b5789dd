"""What one attempt at a run knows: whose turn it is, what is frozen and made so far, and what was said in the end."""

from uuid import UUID

import msgspec

from app.delivery.rounds import Round
from app.delivery.types.runs import Caller, Profile
from app.kernel.types import ActorKind, Principal
from app.notifications.types import NotificationType
from app.usage.types import Run


class Settled(msgspec.Struct, frozen=True):
    """The notification has come to its end; nothing is left to send."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at one notification; its command and attempt are the fence."""

    notification_id: UUID
    session_id: UUID
    command_id: UUID
    attempt: int


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A run that may go on: `made` are its rounds so far, the last of which is to be sent, or was answered before a worker died.

    `renew_after` is how long the recipient's lease on the task does without being renewed; `spent` attempts were made before
    it was given up and replayed, `seen` is how far the prompt shows the thread. A command runs in the first of `directories` that
    is there.
    """

    turn: Turn
    account_id: UUID
    type: NotificationType
    task_id: UUID | None
    agent_id: UUID
    agent_name: str
    slug: str
    gateway_id: str
    session_key: str
    profiles: tuple[Profile, ...]
    directories: tuple[str, ...]
    prompt: bytes
    ask: int
    made: tuple[Round, ...]
    silences: int
    depth: int
    wanted: bool
    renew_after: float
    spent: int
    seen: int
    reason: str | None

    @property
    def notification_id(self) -> UUID:
        return self.turn.notification_id

    @property
    def is_answered(self) -> bool:
        """Whether what was asked last was heard, but perhaps not acted upon."""
        return bool(self.made) and self.made[-1].answer is not None

    @property
    def is_acting(self) -> bool:
        """Whether tools were called, so that the run is to be brought to its end."""
        return len(self.made) > 1

    @property
    def caller(self) -> Caller:
        return Caller(agent_slug=self.slug, gateway_id=self.gateway_id, session_key=self.session_key)

    @property
    def principal(self) -> Principal:
        return Principal(kind=ActorKind.AGENT, id=self.agent_id, account_id=self.account_id, name=self.agent_name)

    @property
    def run(self) -> Run:
        return Run(
            id=self.notification_id,
            agent_id=self.agent_id,
            task_id=self.task_id,
            command_id=self.turn.command_id,
            attempt=self.turn.attempt,
        )


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the rounds: the words of the last answer, and whether tools were called before."""

    text: str
    is_acting: bool
