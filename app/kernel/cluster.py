"""What a PostgreSQL data directory says about its server."""

import os
import socket
from pathlib import Path
from urllib.parse import quote

import msgspec

SOCKET = ".s.PGSQL.5432"


class Postmaster(msgspec.Struct, frozen=True):
    directory: Path
    pid: int
    socket_dir: Path
    is_ready: bool

    def is_alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not self._is_something_else()

    def forget(self) -> None:
        """Remove what a dead server left, where PostgreSQL itself would take it for a living one."""
        if self._is_something_else():
            (self.directory / "postmaster.pid").unlink(missing_ok=True)
            (self.socket_dir / f"{SOCKET}.lock").unlink(missing_ok=True)

    def _is_something_else(self) -> bool:
        # Its process id may be another program's after a container's restart, or a zombie's that nobody reaps.
        try:
            return b"postgres" not in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False

    def answers(self) -> bool:
        """Whether someone listens on its socket; a recycled process id does not."""
        if not self.is_ready:
            return False
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket_dir / SOCKET))
            except OSError:
                return False
        return True

    def url(self, *, user: str, database: str) -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self.socket_dir), safe='/')}&port=5432"


def postmaster(directory: Path) -> Postmaster | None:
    """The server that `postmaster.pid` names, dead or alive; None without one or while it is being written."""
    try:
        lines = (directory / "postmaster.pid").read_text().splitlines()
        pid, _data, _started, _port, socket_dir, *rest = lines
        return Postmaster(directory=directory, pid=int(pid), socket_dir=Path(socket_dir), is_ready=rest[-1].strip() == "ready")
    except (OSError, ValueError, IndexError):
        return None
