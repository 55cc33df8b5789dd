"""The wire shapes of how well the runtime does."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from app.kernel.wire import Body, View
from app.runtime.rules.insight import Standing


class ObjectiveView(View):
    """One objective: its value in the window, its bound, and whether it is kept."""

    name: str
    value: float | None
    unit: str
    bound: float
    direction: str
    standing: Standing
    meaning: str


class SloView(View):
    """`counts` are what the values were computed from; at most `counted_most` commands of each state are read."""

    since: datetime
    until: datetime
    objectives: list[ObjectiveView]
    counts: dict[str, float]
    counted_most: int


class KpiView(View):
    """Key numbers of the window; with a baseline, by which part each fell since and whether that is as much as wanted."""

    since: datetime
    until: datetime
    values: dict[str, float | None]
    formulas: dict[str, str]
    baseline: dict[str, Any] | None = None
    baseline_at: datetime | None = None
    improvement: dict[str, float | None] | None = None
    is_reached: dict[str, bool | None] | None = None


class SaveBaseline(Body):
    hours: Annotated[int, Meta(ge=1, le=2160)] = 24


class OrphanView(View):
    what: str
    id: UUID
    name: str


class OrphansView(View):
    items: list[OrphanView]
