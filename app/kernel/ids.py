"""Identifiers: UUIDv7, so that rows are born in index order."""

import os
import time
from uuid import UUID

# Where pages begin that go back from the newest, and forth from the oldest.
NEWEST_ID = UUID(int=2**128 - 1)
OLDEST_ID = UUID(int=0)


def uuid7(*, milliseconds: int, randomness: bytes) -> UUID:
    """RFC 9562 version 7 from a Unix time in milliseconds and ten random bytes."""
    value = (milliseconds & (2**48 - 1)) << 80 | int.from_bytes(randomness[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def new_id() -> UUID:
    return uuid7(milliseconds=time.time_ns() // 1_000_000, randomness=os.urandom(10))
