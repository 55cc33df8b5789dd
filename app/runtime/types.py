"""The words of the durable runtime: states of a command, classes of failure, and the profiles that decide about them."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class CommandState(StrEnum):
    HELD = "held"
    QUEUED = "queued"
    RUNNING = "running"
    RETRY_SCHEDULED = "retry_scheduled"
    SUCCEEDED = "succeeded"
    FAILED_TERMINAL = "failed_terminal"
    DEAD_LETTERED = "dead_lettered"
    REPLAY_REQUESTED = "replay_requested"
    CANCELED = "canceled"


class LaneState(StrEnum):
    IDLE = "idle"
    READY = "ready"
    LEASED = "leased"


class DeadLetterState(StrEnum):
    OPEN = "open"
    REPLAYING = "replaying"
    RESOLVED = "resolved"
    DISCARDED = "discarded"


class ErrorClass(StrEnum):
    """Why an attempt failed; the profile decides from it what comes next."""

    TRANSIENT = "transient"
    TIMEOUT = "attempt_timeout"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "dependency_unavailable"
    NO_ANSWER = "no_answer"
    WORKER_LOST = "worker_lost"
    VALIDATION = "validation_failed"
    AUTH = "unauthenticated"
    NOT_FOUND = "not_found"
    DENIED = "forbidden"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Data that governs retries; times in seconds. `waits_on` classes use up no attempt, they wait until the command expires."""

    name: str
    attempts: int
    base: float
    factor: float
    cap: float
    timeout: float
    retry_on: frozenset[ErrorClass]
    waits_on: frozenset[ErrorClass] = frozenset()
    dead_letter: bool = True


@dataclass(frozen=True, slots=True)
class RetryAt:
    delay: float
    counts: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    state: CommandState


Verdict = RetryAt | GiveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One attempt that this worker holds; (id, attempt, worker) is the fence of everything it writes."""

    account_id: UUID
    id: UUID
    type: str
    profile: str
    attempt: int
    lost: int
    released: int
    waited: int
    payload: bytes
    lane_id: UUID | None
    lane_seq: int | None
    lane_epoch: int | None
    request_id: str
    correlation_id: str
    cause_id: UUID | None
    depth: int
    expired: bool

    @property
    def budget_used(self) -> int:
        return self.attempt - self.lost - self.released - self.waited
