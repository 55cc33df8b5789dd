"""What every adapter does, so that a run does not know which one it goes through."""

from datetime import datetime
from typing import Protocol

from app.delivery.types.runs import Ask, Caller, ParsedAnswer, Profile, RawAnswer, SendHeaders


class Gateway(Protocol):
    """One adapter: `encode` and `read` are pure, `send` goes outside; what goes wrong is a GatewayError of its class."""

    def encode(self, ask: Ask, *, profile: Profile, caller: Caller) -> bytes:
        """The request of this ask, the same bytes each time; it is frozen and sent again unchanged."""
        ...

    async def send(
        self, request: bytes, *, profile: Profile, token: str | None, headers: SendHeaders, now: datetime
    ) -> RawAnswer:
        """Send it once and bring back the answer of a success; cancelled, the call outside is ended too."""
        ...

    def read(self, raw: RawAnswer) -> ParsedAnswer:
        """What the answer says, calls and used; the same answer is read the same way after a crash."""
        ...

    def offers_tools(self, profile: Profile) -> bool:
        """Whether the tools of an ask reach the model."""
        ...
