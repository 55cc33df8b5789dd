"""The API processes."""

import os

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from app.cli.address import check_port
from app.delivery import templating
from app.kernel.settings import Settings

# Waiting agents each hold a request open, so this is far above what the database does at once.
OPEN_REQUESTS = 4096
PENDING_CONNECTIONS = 2048


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let requests in flight end."""
    templating.ready(settings)
    check_port(settings)
    # The application is made in Granian's own processes, which read the environment.
    os.environ["DATABASE_URL"] = settings.database_url or ""
    Granian(
        target="app.main:application",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        workers_kill_timeout=settings.drain_seconds,
        loop=Loops.uvloop,
        backlog=PENDING_CONNECTIONS,
        backpressure=OPEN_REQUESTS,
        websockets=False,
        log_access=False,
        log_level=LogLevels.warning,
    ).serve()
