"""What every answer that is no success says, whatever transport or model reads it."""

from typing import Any

import structlog

from app.kernel.errors import STATUS, CallboardError, Code
from app.kernel.types import Origin

DEFECT = "something went wrong here; the log knows this request id"
log = structlog.get_logger()


def content(code: Code, message: str, details: dict[str, object], call: Origin) -> dict[str, Any]:
    """What every answer that is no success says, on every transport."""
    error = {"contract_version": "v1", "code": code, "message": message, "details": details, "request_id": call.request_id}
    return {"ok": False, "error": error, "correlation_id": call.correlation_id}


def refused(error: Exception, call: Origin) -> tuple[int, dict[str, Any]]:
    """Status and content of a refusal or a defect where no route makes the answer; a defect is logged."""
    if isinstance(error, CallboardError):
        return STATUS[error.code], content(error.code, error.message, error.details, call)
    log.error("internal", request_id=call.request_id, exc_info=error)
    return STATUS[Code.INTERNAL], content(Code.INTERNAL, DEFECT, {}, call)
