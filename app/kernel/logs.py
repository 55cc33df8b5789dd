"""Structured logs, one JSON object a line, with secrets taken out."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

SECRET_KEYS = re.compile(r"token|secret|password|authorization|session_key|api_key", re.IGNORECASE)
SECRET_VALUES = re.compile(r"cb_[A-Za-z0-9]{8}_[A-Za-z0-9_-]+|cbs_[A-Za-z0-9_-]+|(?<=://)[^/@\s]+(?=@)|(?<=Bearer )\S+")


def configure(*, level: str, output: str) -> None:
    renderer: Any = structlog.processors.JSONRenderer() if output == "json" else structlog.dev.ConsoleRenderer(colors=False)
    begin: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    end: list[Processor] = [structlog.processors.format_exc_info, _redacted, renderer]
    structlog.configure(
        processors=[*begin, *end],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What libraries say leaves in the same way.
    handler = logging.StreamHandler(sys.stderr)
    known = [structlog.stdlib.add_logger_name, *begin]
    rest = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *end]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=known, processors=rest))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def redact(text: str) -> str:
    return SECRET_VALUES.sub("***", text)


def _redacted(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if SECRET_KEYS.search(key) and not isinstance(value, bool | int | float | None):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = redact(value)
    return event
