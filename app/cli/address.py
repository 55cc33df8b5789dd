"""Where the board listens."""

import errno
import socket

from app.kernel.settings import Settings
from app.kernel.startup import CannotStart


def board_url(settings: Settings) -> str:
    """The address under which this machine reaches the board."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - it is replaced here
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def check_port(settings: Settings) -> None:
    """Raise unless the board could listen there now."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        where = f"port {settings.port} on {settings.host}"
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"{where} is in use: stop the other program or set CALLBOARD_PORT") from None
        raise CannotStart(f"cannot listen on {where}: {error.strerror}; see CALLBOARD_HOST and CALLBOARD_PORT") from None
