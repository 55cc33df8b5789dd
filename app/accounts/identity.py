"""Who a token stands for, remembered for at most a second."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from app.accounts import service
from app.accounts.service import Credential
from app.kernel.db import UNREACHABLE
from app.kernel.errors import Unauthenticated, Unavailable
from app.kernel.types import Principal
from app.kernel.wake import IDENTITY, Wakes

KEPT_SECONDS = 1.0
MOST = 10_000


class Identities:
    """A cache that a revocation empties in every process; without the wake connection nothing is cached.

    Nor is it where the database's time is not this process's, and `now` therefore None.
    """

    def __init__(self, pool: Any, *, wakes: Wakes, monotonic: Callable[[], float], now: Callable[[], datetime] | None) -> None:
        self._pool = pool
        self._wakes = wakes
        self._monotonic = monotonic
        self._now = now
        self._known: dict[bytes, tuple[Credential, float]] = {}
        wakes.on_heard(self._heard)
        wakes.on_lost(self._known.clear)

    async def authenticate(self, token: str) -> Principal:
        """The principal of a token, or Unauthenticated."""
        key = hashlib.sha256(token.encode()).digest()
        found = self._known.get(key)
        if found is None or self._monotonic() - found[1] > KEPT_SECONDS:
            found = (await self._looked_up(token), self._monotonic())
            self._keep(key, found)
        credential = found[0]
        if self._now is not None and credential.expires_at is not None and credential.expires_at <= self._now():
            raise Unauthenticated("this token is unknown, expired or revoked")
        return credential.principal

    async def _looked_up(self, token: str) -> Credential:
        try:
            return await service.authenticate(self._pool, token)
        except UNREACHABLE as error:
            raise Unavailable("the database is not reachable; try again") from error

    def _keep(self, key: bytes, found: tuple[Credential, float]) -> None:
        if len(self._known) >= MOST:
            self._known.clear()
        # A bound token ends with its session, which is closed by many verbs: it is looked up at every call.
        if self._now is not None and self._wakes.is_connected and found[0].principal.session_id is None:
            self._known[key] = found

    def _heard(self, channel: str, _subjects: frozenset[str]) -> None:
        if channel == IDENTITY:
            self._known.clear()
