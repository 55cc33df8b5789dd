"""What a gateway's refusal means: its class, when to come again, and an excerpt without secrets."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec

from app.delivery.types.runs import FailureClass, GatewayError

EXCERPT_LIMIT = 300
RETRY_AFTER_LIMIT = 86_400.0

_HEEDED = frozenset({FailureClass.RATE_LIMITED, FailureClass.QUOTA})
_BY_STATUS: Mapping[int, FailureClass] = {
    HTTPStatus.UNAUTHORIZED: FailureClass.AUTH,
    HTTPStatus.FORBIDDEN: FailureClass.AUTH,
    HTTPStatus.PAYMENT_REQUIRED: FailureClass.QUOTA,
    HTTPStatus.REQUEST_TIMEOUT: FailureClass.TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS: FailureClass.RATE_LIMITED,
}
_CODES: Mapping[FailureClass, tuple[str, ...]] = {
    FailureClass.QUOTA: (
        "insufficient_quota",
        "quota_exceeded",
        "usage_limit_reached",
        "billing_error",
        "billing_hard_limit_reached",
        "credit_balance_too_low",
        "insufficient_credits",
    ),
    FailureClass.RATE_LIMITED: ("rate_limit_exceeded", "rate_limit_error", "rate_limited", "too_many_requests"),
    FailureClass.AUTH: ("invalid_api_key", "authentication_error", "permission_error", "unauthorized", "forbidden"),
    FailureClass.UNAVAILABLE: ("server_error", "api_error", "internal_error", "overloaded_error", "service_unavailable"),
    FailureClass.TIMEOUT: ("timeout", "timeout_error", "request_timeout"),
}
_BY_CODE = {code: failure for failure, codes in _CODES.items() for code in codes}


def refusal(status: int, headers: Mapping[str, str], body: bytes, *, secrets: Iterable[str], now: datetime) -> GatewayError:
    """The failure that an answer other than a success is; what it says of quotas goes before its status."""
    default = FailureClass.UNAVAILABLE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else FailureClass.REFUSED
    error = _error_in(body)
    failure = _BY_STATUS.get(status, default)
    if by_code(error) is FailureClass.QUOTA:
        failure = FailureClass.QUOTA
    heeded = failure in _HEEDED or status == HTTPStatus.SERVICE_UNAVAILABLE
    words = " ".join(redacted(body.decode(errors="replace"), secrets=secrets).split())[:EXCERPT_LIMIT]
    return GatewayError(
        failure,
        f"the gateway answered {status}: {words}" if words else f"the gateway answered {status}",
        status=status,
        retry_after=_after(headers, error, now=now) if heeded else None,
    )


def reported(error: object, *, status: int) -> GatewayError:
    """The failure that a success reports in its body; only a code is repeated, for the words may hold what was sent."""
    code = _code(error)
    if code is None:
        return GatewayError(FailureClass.REFUSED, "the gateway reported an error", status=status)
    failure = _BY_CODE.get(code, FailureClass.REFUSED)
    return GatewayError(failure, f"the gateway reported {code}", status=status)


def by_code(error: object) -> FailureClass | None:
    return _BY_CODE.get(_code(error) or "")


def redacted(text: str, *, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _code(error: object) -> str | None:
    named = [error.get("code"), error.get("type")] if isinstance(error, dict) else []
    codes = [code for code in named if isinstance(code, str) and re.fullmatch(r"[a-z0-9_.-]{1,40}", code)]
    return next((code for code in codes if code in _BY_CODE), codes[0] if codes else None)


def _error_in(body: bytes) -> object:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return decoded.get("error") if isinstance(decoded, dict) else None


def _after(headers: Mapping[str, str], error: object, *, now: datetime) -> float | None:
    said = retry_after(headers.get("retry-after", ""), now=now)
    if said is None and isinstance(error, dict):
        seconds = error.get("resets_in_seconds")
        said = float(seconds) if isinstance(seconds, int | float) else None
    return None if said is None else min(max(said, 0.0), RETRY_AFTER_LIMIT)


def retry_after(value: str, *, now: datetime) -> float | None:
    """In how many seconds to come again, from seconds or a date."""
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return min(float(value), RETRY_AFTER_LIMIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), RETRY_AFTER_LIMIT)
