"""Identifiers: UUIDv7, so that rows are born in index order."""

import os
import time
from uuid import UUID, SafeUUID

# Where pages begin that go back from the newest, and forth from the oldest.
NEWEST_ID = UUID(int=2**128 - 1)
OLDEST_ID = UUID(int=0)
COUNT_MOST = 0xFFF


def uuid7(*, milliseconds: int, randomness: bytes) -> UUID:
    """RFC 9562 version 7 from a Unix time in milliseconds and ten random bytes."""
    value = (milliseconds & (2**48 - 1)) << 80 | int.from_bytes(randomness[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return _uuid(value)


def _uuid(value: int) -> UUID:
    # The constructor checks what cannot be wrong here, and takes four times as long.
    made = object.__new__(UUID)
    object.__setattr__(made, "int", value)
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made


class _Sequence:
    """Ids of one process, each greater than the one before; the twelve bits behind the milliseconds count within them."""

    def __init__(self) -> None:
        self._milliseconds = 0
        self._count = 0

    def next(self, milliseconds: int, randomness: bytes) -> UUID:
        if milliseconds > self._milliseconds:
            # The first of a millisecond begins low, so that there is room to count.
            self._milliseconds, self._count = milliseconds, int.from_bytes(randomness[:2], "big") & 0x3FF
        elif self._count == COUNT_MOST:
            # More ids than a millisecond holds, or a clock that went back: the next one is borrowed.
            self._milliseconds, self._count = self._milliseconds + 1, 0
        else:
            self._count += 1
        return uuid7(milliseconds=self._milliseconds, randomness=self._count.to_bytes(2, "big") + randomness[2:])


_sequence = _Sequence()


def new_id() -> UUID:
    return _sequence.next(time.time_ns() // 1_000_000, os.urandom(10))
