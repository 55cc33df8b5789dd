"""The application as the server's own processes make it, with less patience than in earnest."""

from typing import Any

from app import main
from app.events.streaming import Limits


def application() -> Any:
    served: Any = main.application()

    async def impatient(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            served.app.state.streams.limits = Limits(stall_seconds=1.0, keep_alive_seconds=0.5)
        await served(scope, receive, send)

    return impatient


def run(port: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian(
        target="tests.events.served:application",
        factory=True,
        interface=Interfaces.ASGI,
        port=port,
        workers_kill_timeout=120,
        loop=Loops.uvloop,
        websockets=False,
    ).serve()


if __name__ == "__main__":
    import sys

    run(int(sys.argv[1]))
