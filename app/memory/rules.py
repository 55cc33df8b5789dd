"""Who comes to a scope, what may be written there, and which version a write becomes."""

import re
from datetime import datetime
from uuid import UUID

from app.kernel.types import ActorKind, Role
from app.memory.types import CHECKPOINT, NAME_MOST, Caller, Latest, MemoryState, Place, Reach, Scope, Succession, Tier

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_OVERSEERS = frozenset({Role.ADMIN, Role.OWNER})


def reach(scope: Scope, caller: Caller, place: Place) -> Reach:
    """Agents have their own scope and the runs they work on; a person's own scope is theirs, and administrators may read it.

    Whether a person's role lets them write at all, the policies say.
    """
    if not place.is_there:
        return Reach.ABSENT
    if caller.kind is ActorKind.AGENT:
        return Reach.WRITE if place.is_own and scope is not Scope.USER else Reach.ABSENT
    if scope is not Scope.USER or place.is_own:
        return Reach.WRITE
    return Reach.READ if caller.role in _OVERSEERS else Reach.ABSENT


def is_name(text: str) -> bool:
    return len(text) <= NAME_MOST and _NAME.fullmatch(text) is not None


def is_reserved(scope: Scope, name: str) -> bool:
    return scope is Scope.RUN and name.startswith(CHECKPOINT)


def default_tier(scope: Scope) -> Tier:
    return Tier.WORKING if scope is Scope.RUN else Tier.LONG_TERM


def needs_expected_version(scope: Scope) -> bool:
    """A run's own writers follow each other; what outlives a run may have changed behind the writer's back."""
    return scope is not Scope.RUN


def is_expired(latest: Latest, now: datetime) -> bool:
    return latest.expires_at is not None and latest.expires_at <= now


def there(latest: Latest | None, now: datetime) -> Latest | None:
    """The newest version where it can be read: neither deleted nor expired."""
    if latest is None or is_expired(latest, now) or latest.state is MemoryState.DELETED:
        return None
    return latest


def known(latest: Latest | None, now: datetime) -> Latest | None:
    """The newest version of an item whose history can be read; a deletion is part of it, and with its expiry it ends."""
    return None if latest is None or is_expired(latest, now) else latest


def current_version(latest: Latest | None, now: datetime) -> int:
    """What `expected_version` has to be; 0 for what is not there."""
    found = there(latest, now)
    return found.version if found else 0


def succession(latest: Latest | None, now: datetime, *, new_id: UUID) -> Succession:
    """An item goes on after a deletion; after its expiry the name begins another item, and counts on while the old rows last."""
    if latest is None:
        return Succession(memory_id=new_id, version=1, created_at=now, is_new=True)
    version = latest.version + 1
    if is_expired(latest, now):
        return Succession(memory_id=new_id, version=version, created_at=now, is_new=True)
    is_new = latest.state is MemoryState.DELETED
    return Succession(memory_id=latest.memory_id, version=version, created_at=latest.created_at, is_new=is_new)
