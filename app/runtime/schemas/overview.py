"""The wire shapes of what the runtime knows and does as a whole."""

from datetime import datetime
from typing import Any
from uuid import UUID

from app.kernel.wire import View
from app.runtime.types import CommandState, ErrorClass, Queue


class Load(View):
    """`due` could run now and `waiting` will later; `oldest_due_seconds` is how long the oldest of the due has waited."""

    due: int
    waiting: int
    running: int
    held: int
    oldest_due_seconds: float | None
    is_paused: bool


class TypeLoad(Load):
    command_type: str


class QueueLoad(Load):
    """`limit` is how many commands may be due at once before new ones are refused; 0 is any number."""

    queue: Queue
    limit: int
    types: list[TypeLoad]


class QueuesView(View):
    """`is_paused` is the account's pause of everything; `is_complete` is false where counting stopped at its bound."""

    queues: list[QueueLoad]
    is_paused: bool
    is_complete: bool


class WorkerView(View):
    """A living worker of the installation; `running` counts this account's commands alone."""

    id: UUID
    host: str
    pid: int
    version: str
    slots: int
    running: int
    started_at: datetime
    beat_at: datetime


class WorkersView(View):
    items: list[WorkerView]


class TypeView(View):
    """`payload` is a JSON Schema; `started_by` is empty for what only people and schedules start."""

    command_type: str
    summary: str
    payload: dict[str, Any]
    policy_profile: str
    queue: Queue
    idempotency: str
    owner: str
    started_by: list[str]
    is_submittable: bool


class ProfileSummary(View):
    """A profile as it is shipped; times are in seconds."""

    name: str
    attempts: int
    base: float
    factor: float
    cap: float
    timeout: float
    total: float
    retry_on: list[ErrorClass]
    waits_on: list[ErrorClass]
    dead_letter: bool
    alerts: bool
    needs_approval: bool
    halts_lane: bool
    retention_days: int


class StateView(View):
    state: CommandState
    moves: list[CommandState]


class TaxonomyView(View):
    command_types: list[TypeView]
    profiles: list[ProfileSummary]
    queues: list[Queue]
    error_classes: list[ErrorClass]
    states: list[StateView]
