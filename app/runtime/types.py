"""The words of the durable runtime: states of a command, classes of failure, and the profiles that decide about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from app.kernel.types import Principal


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


class Queue(StrEnum):
    """Where a command waits, each with a limit of its own; what has a lane waits in `outbound`, whatever its type says."""

    CONTROL = "control"
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    TICKS = "ticks"


class Idempotency(StrEnum):
    """What makes two orders the same: a key of the caller, a state of an entity, a tick of a schedule, or its cause."""

    CALLER = "caller"
    ENTITY = "entity"
    TICK = "tick"
    CAUSE = "cause"


class Nothing(msgspec.Struct, frozen=True):
    """The payload of a command that needs none."""


class HeldBy(StrEnum):
    """Why a held command waits; a pause is written `pause:<kind>:<name>`."""

    APPROVAL = "approval"
    OPERATOR = "operator"


class LaneState(StrEnum):
    """`waiting` is for room under a limit or for the end of a pause, `halted` for the verdict on a dead letter."""

    IDLE = "idle"
    READY = "ready"
    WAITING = "waiting"
    LEASED = "leased"
    HALTED = "halted"


class DeadLetterState(StrEnum):
    OPEN = "open"
    REPLAYING = "replaying"
    RESOLVED = "resolved"
    DISCARDED = "discarded"


class ReplayObstacle(StrEnum):
    """Why a dead letter is not replayed."""

    NOT_OPEN = "not_open"
    PROFILE = "profile_forbids"
    UNKNOWN_TYPE = "unknown_type"
    INELIGIBLE = "not_eligible"
    OWN_REQUEST = "own_request"


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


class SettingKind(StrEnum):
    """A flag that turns something on, a switch that stops it, how many, how long, and a flag that takes something away."""

    FEATURE = "feature"
    KILL_SWITCH = "kill_switch"
    LIMIT = "limit"
    PERIOD = "period"
    REMOVAL = "removal"


class PauseKind(StrEnum):
    ALL = "all"
    QUEUE = "queue"
    TYPE = "type"


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Misfire(StrEnum):
    """What becomes of ticks that passed while nobody could run them."""

    SKIP = "skip"
    RUN_ONCE = "run_once"
    CATCH_UP = "catch_up"


class AlertSeverity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class ClockMode(StrEnum):
    SYSTEM = "system"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Data that governs retries; times in seconds. `waits_on` classes use up no attempt, they wait until the command expires.

    `total` is how long after its first start a command may be tried again; `alerts` raises an alert with the dead letter,
    `needs_approval` holds the command until people approve it, and `halts_lane` lets nothing pass its dead letter. What it
    gives up may be replayed if it `replays`.
    """

    name: str
    attempts: int
    base: float
    factor: float
    cap: float
    timeout: float
    total: float
    retry_on: frozenset[ErrorClass]
    waits_on: frozenset[ErrorClass] = frozenset()
    dead_letter: bool = True
    alerts: bool = False
    needs_approval: bool = False
    halts_lane: bool = False
    replays: bool = True
    retention_days: int = 30


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
    """One attempt that this worker holds; (id, attempt, worker) is the fence of everything it writes.

    In seconds: `late` since it was due, `elapsed` since its first attempt began.
    """

    account_id: UUID
    id: UUID
    type: str
    profile: str
    attempt: int
    lost: int
    released: int
    waited: int
    spent: int
    payload: bytes
    lane_id: UUID | None
    lane_seq: int | None
    lane_epoch: int | None
    request_id: str
    correlation_id: str
    cause_id: UUID | None
    depth: int
    expired: bool
    late: float = 0.0
    elapsed: float = 0.0

    @property
    def budget_used(self) -> int:
        return self.attempt - self.spent - self.lost - self.released - self.waited


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an approval needs: how many people of at least which role, within how many seconds, and of what it was asked."""

    summary: str = ""
    quorum: int = 1
    min_role: str = "admin"
    expires_seconds: float = 86_400.0
    escalate_seconds: float | None = None
    target_kind: str | None = None
    target_id: UUID | None = None
    target_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHeld:
    """Told in the transaction that enqueues a command which people must approve."""

    command_id: UUID
    type: str
    actor: Principal | None
    terms: Terms
    payload: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnded:
    """Told when somebody cancels a command that waits, so that who waits with it can stop."""

    command_id: UUID
    actor: Principal | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A command that begins anew; `spent` attempts lie before it."""

    id: UUID
    type: str
    spent: int
    payload: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandsReplayed:
    """Told in the transaction that replays dead letters, so that who gave up with their commands can take it back."""

    commands: tuple[Replayed, ...]
    actor: Principal
