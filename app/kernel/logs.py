"""Structured logs, one JSON object a line, with secrets taken out."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_KEYS = re.compile(r"token|secret|password|authorization|session_key|api_key", re.IGNORECASE)
SECRET_VALUES = re.compile(r"cb_[A-Za-z0-9]{8}_[A-Za-z0-9_-]+|cbs_[A-Za-z0-9_-]+|(?<=://)[^/@\s]+(?=@)|(?<=Bearer )\S+")


def configure(*, level: str, output: str) -> None:
    renderer: Any = structlog.processors.JSONRenderer() if output == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redacted,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True)


def redact(text: str) -> str:
    return SECRET_VALUES.sub("***", text)


def _redacted(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if SECRET_KEYS.search(key) and not isinstance(value, bool | int | float | None):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = redact(value)
    return event
