"""Each attempt of a command as a span in the trace of what caused it."""

from functools import wraps

from opentelemetry.trace import SpanKind

from app.observability import tracing
from app.runtime.handlers import Attempt, Handler


def traced(handlers: dict[str, Handler]) -> dict[str, Handler]:
    return {name: _traced(handler) for name, handler in handlers.items()}


def _traced(handler: Handler) -> Handler:
    @wraps(handler)
    async def run(attempt: Attempt) -> None:
        claim = attempt.claim
        about: tracing.Attributes = {
            "callboard.command.id": str(claim.id),
            "callboard.command.type": claim.type,
            "callboard.command.profile": claim.profile,
            "callboard.command.attempt": claim.attempt,
        }
        name = f"command {claim.type}"
        with tracing.span(name, correlation_id=claim.correlation_id, kind=SpanKind.CONSUMER, attributes=about):
            await handler(attempt)

    return run
