"""Breaking a connection that the server would keep open until its peer reads on."""

import os
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path

OPEN = Path("/dev/fd")
# Closing throws away what was not sent, and tells the peer so.
AT_ONCE = struct.pack("ii", 1, 0)


def broken(*, port: int, peer: tuple[str, int]) -> bool:
    """Break the connection that `peer` has to this process's `port`; False when there is none."""
    for descriptor in [int(name) for name in os.listdir(OPEN)]:  # noqa: PTH208
        # Another thread may close any of them meanwhile.
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode) and _broken(os.dup(descriptor), port, peer):
                return True
    return False


def _broken(descriptor: int, port: int, peer: tuple[str, int]) -> bool:
    with socket.socket(fileno=descriptor) as connection:
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        if connection.getsockname()[1] != port or connection.getpeername()[:2] != peer:
            return False
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        connection.shutdown(socket.SHUT_RDWR)
        return True
