"""Traces: spans by the OpenTelemetry API, sent over OTLP when an address is set, and nothing otherwise."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

TRACE_DIGITS = 32
_providers: list[Any] = []
_tracer = trace.get_tracer("callboard")
Attributes = Mapping[str, str | int | float | bool]


def configure(endpoint: str | None, *, service: str, version: str) -> None:
    """Send spans to `endpoint`, the address of a collector's OTLP over HTTP."""
    if endpoint is None:
        return
    # Half a second and 20 MB that nobody without a collector should pay.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _providers.append(provider)


def shut_down() -> None:
    """Send what is waiting, and stop."""
    while _providers:
        _providers.pop().shutdown()


@contextmanager
def span(
    name: str, *, correlation_id: str | None = None, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None
) -> Iterator[Span]:
    """A span around the block; one without a parent here joins the trace whose id is the correlation id."""
    if not _providers:
        yield trace.INVALID_SPAN
        return
    context = None
    if not trace.get_current_span().get_span_context().is_valid and correlation_id is not None:
        context = _of(correlation_id)
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=dict(attributes or {})) as current:
        yield current


def failed(current: Span, reason: str) -> None:
    current.set_status(Status(StatusCode.ERROR, reason))


def traceparent(correlation_id: str) -> str | None:
    """The header for a call outside: the present span, or a new one in the trace of the correlation id."""
    now = trace.get_current_span().get_span_context()
    if now.is_valid:
        return f"00-{now.trace_id:032x}-{now.span_id:016x}-{int(now.trace_flags):02x}"
    return f"00-{correlation_id}-{secrets.token_hex(8)}-01" if _is_trace(correlation_id) else None


def _of(correlation_id: str) -> Any:
    if not _is_trace(correlation_id):
        return None
    # The parent is somewhere else or nowhere; only the trace's id matters.
    parent = SpanContext(
        trace_id=int(correlation_id, 16), span_id=secrets.randbits(64) or 1, is_remote=True, trace_flags=TraceFlags(1)
    )
    return trace.set_span_in_context(NonRecordingSpan(parent))


def _is_trace(correlation_id: str) -> bool:
    digits = len(correlation_id) == TRACE_DIGITS and all(digit in "0123456789abcdef" for digit in correlation_id)
    return digits and int(correlation_id, 16) != 0
