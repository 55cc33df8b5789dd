"""The closed registry of errors: a code, its HTTP status, and whether the same call may succeed later."""

import math
from enum import StrEnum


class Code(StrEnum):
    MALFORMED_REQUEST = "malformed_request"
    VALIDATION_FAILED = "validation_failed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INVALID_TRANSITION = "invalid_transition"
    VERSION_CONFLICT = "version_conflict"
    DUPLICATE = "duplicate"
    POSSIBLE_DUPLICATE = "possible_duplicate"
    LEASE_LOST = "lease_lost"
    LEASE_REQUIRED = "lease_required"
    HELD = "held"
    DEPENDENCY_OPEN = "dependency_open"
    DEPENDENCY_ARCHIVED = "dependency_archived"
    DEPENDENCY_CYCLE = "dependency_cycle"
    ORCHESTRATOR_IN_USE = "orchestrator_in_use"
    PROFILE_IN_USE = "profile_in_use"
    REPOSITORY_IN_USE = "repository_in_use"
    IDEMPOTENCY_IN_FLIGHT = "idempotency_in_flight"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    REQUIREMENT_FAILED = "requirement_failed"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CIRCUIT_OPEN = "circuit_open"
    DEPENDENCY_UNAVAILABLE = "dependency_unavailable"
    INTERNAL = "internal"


STATUS: dict[Code, int] = {
    Code.MALFORMED_REQUEST: 400,
    Code.VALIDATION_FAILED: 422,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.INVALID_TRANSITION: 409,
    Code.VERSION_CONFLICT: 409,
    Code.DUPLICATE: 409,
    Code.POSSIBLE_DUPLICATE: 409,
    Code.LEASE_LOST: 409,
    Code.LEASE_REQUIRED: 409,
    Code.HELD: 409,
    Code.DEPENDENCY_OPEN: 409,
    Code.DEPENDENCY_ARCHIVED: 409,
    Code.DEPENDENCY_CYCLE: 409,
    Code.ORCHESTRATOR_IN_USE: 409,
    Code.PROFILE_IN_USE: 409,
    Code.REPOSITORY_IN_USE: 409,
    Code.IDEMPOTENCY_IN_FLIGHT: 409,
    Code.IDEMPOTENCY_MISMATCH: 422,
    Code.REQUIREMENT_FAILED: 422,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.RATE_LIMITED: 429,
    Code.OVERLOADED: 503,
    Code.CIRCUIT_OPEN: 503,
    Code.DEPENDENCY_UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}


class CallboardError(Exception):
    """The root of every refusal; `details` reach the caller, so nothing secret goes in."""

    code = Code.INTERNAL
    retry_after: int | None = None

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Malformed(CallboardError):
    code = Code.MALFORMED_REQUEST


class Invalid(CallboardError):
    code = Code.VALIDATION_FAILED

    @classmethod
    def field(cls, name: str, message: str) -> "Invalid":
        return cls(f"{name}: {message}", fields=[{"field": name, "message": message}])


class Unauthenticated(CallboardError):
    code = Code.UNAUTHENTICATED


class Forbidden(CallboardError):
    code = Code.FORBIDDEN

    def __init__(self, message: str, *, reason: str, **details: object) -> None:
        super().__init__(message, reason=reason, **details)
        self.reason = reason


class Missing(CallboardError):
    code = Code.NOT_FOUND

    @classmethod
    def thing(cls, kind: str, identity: object) -> "Missing":
        return cls(f"there is no {kind} {identity}", kind=kind, id=str(identity))


class InvalidTransition(CallboardError):
    code = Code.INVALID_TRANSITION


class VersionConflict(CallboardError):
    code = Code.VERSION_CONFLICT


class Duplicate(CallboardError):
    code = Code.DUPLICATE


class PossibleDuplicate(CallboardError):
    code = Code.POSSIBLE_DUPLICATE


class LeaseLost(CallboardError):
    code = Code.LEASE_LOST


class LeaseRequired(CallboardError):
    code = Code.LEASE_REQUIRED


class Held(CallboardError):
    code = Code.HELD


class DependencyOpen(CallboardError):
    code = Code.DEPENDENCY_OPEN


class DependencyArchived(CallboardError):
    code = Code.DEPENDENCY_ARCHIVED


class DependencyCycle(CallboardError):
    code = Code.DEPENDENCY_CYCLE


class OrchestratorInUse(CallboardError):
    code = Code.ORCHESTRATOR_IN_USE


class ProfileInUse(CallboardError):
    code = Code.PROFILE_IN_USE


class RepositoryInUse(CallboardError):
    code = Code.REPOSITORY_IN_USE


class RequirementFailed(CallboardError):
    code = Code.REQUIREMENT_FAILED


class TooLarge(CallboardError):
    code = Code.PAYLOAD_TOO_LARGE


class IdempotencyMismatch(CallboardError):
    code = Code.IDEMPOTENCY_MISMATCH


class IdempotencyInFlight(CallboardError):
    code = Code.IDEMPOTENCY_IN_FLIGHT
    retry_after = 1


class Overloaded(CallboardError):
    code = Code.OVERLOADED
    retry_after = 1


class CircuitOpen(CallboardError):
    """A dependency that keeps failing is not called for `retry_after` seconds."""

    code = Code.CIRCUIT_OPEN

    def __init__(self, message: str, *, retry_after: float, **details: object) -> None:
        super().__init__(message, **details)
        self.retry_after = math.ceil(retry_after)


class Unavailable(CallboardError):
    code = Code.DEPENDENCY_UNAVAILABLE
    retry_after = 1


class Fenced(Exception):
    """Somebody else holds the lease now; what this holder was about to write is dropped."""
