"""Counts and traces every request, whoever answers it."""

import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.trace import SpanKind

from app.observability import tracing
from app.observability.metrics import REQUEST_SECONDS, REQUESTS

NOWHERE = "(none)"
FAILED = 500


class Measured:
    """Wraps the application inside the one that gives calls their ids."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        status = FAILED

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun, method = time.perf_counter(), scope["method"]
        correlation_id = scope["state"]["origin"].correlation_id
        with tracing.span(f"{method}", correlation_id=correlation_id, kind=SpanKind.SERVER) as current:
            try:
                await self.app(scope, receive, heard)
            finally:
                # Known only once the router has looked; a path that leads nowhere must not become a label.
                route = str(scope.get("path_template") or NOWHERE)
                REQUESTS.labels(route, method, str(status)).inc()
                REQUEST_SECONDS.labels(route, method).observe(time.perf_counter() - begun)
                current.update_name(f"{method} {route}")
                current.set_attribute("http.response.status_code", status)
                if status >= FAILED:
                    tracing.failed(current, str(status))
