"""What a budget allows: a run is admitted with a reservation, charged with what it used, and gives the rest back."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_UP, Decimal

from msgspec.structs import replace

from app.usage.rules import periods
from app.usage.types import BudgetFacts, BudgetState, Holding, Unit

NOTHING = Decimal()
MILLIONTH = Decimal("0.000001")
# What the column holds.
MOST = Decimal(999_999_999_999)
# How much of the estimate the next run leaves standing when it used less.
INERTIA = Decimal("0.8")
# What people are asked for when a budget is exhausted, of its amount.
GRANT = Decimal("0.25")
Held = tuple[BudgetFacts, Holding]


def touched(budget: BudgetFacts, now: datetime) -> BudgetFacts:
    """The budget as it is now: in a new period nothing is spent yet, and what is in flight stays reserved."""
    start = periods.began(budget.period, now)
    if start is None or start <= budget.period_at:
        return budget
    fresh = replace(budget, spent=NOTHING, assumed=NOTHING, extra=NOTHING, soft_at=None, hard_at=None)
    return replace(fresh, period_at=start)


def wanted(budget: BudgetFacts) -> Decimal:
    """What is reserved for one more run: its estimate, and all that is left while there is none, so that one finds out."""
    if budget.unit is Unit.RUNS:
        return min(Decimal(1), budget.cap)
    return min(budget.estimate or max(budget.cap - budget.spent, NOTHING), budget.cap)


def is_full(budget: BudgetFacts) -> bool:
    """Whether no run fits any more, even when nothing is in flight."""
    size = wanted(budget)
    return size <= 0 or budget.spent + size > budget.cap


def has_room(budget: BudgetFacts) -> bool:
    return not is_full(budget) and budget.spent + budget.reserved + wanted(budget) <= budget.cap


def is_served(budget: BudgetFacts, holding: Holding) -> bool:
    """Whether the run needs nothing more of it: something is reserved, or the run was counted."""
    return holding.outstanding > 0 or (budget.unit is Unit.RUNS and holding.spent > 0)


def without_room(held: Sequence[Held]) -> list[Held]:
    """Those that do not admit the run; one is enough to keep it from all of them."""
    return [(budget, holding) for budget, holding in held if not is_served(budget, holding) and not has_room(budget)]


def reserved(budget: BudgetFacts, holding: Holding) -> Held:
    """After the run was admitted, for the first time or once more."""
    if is_served(budget, holding):
        return budget, Holding(amount=holding.spent + holding.outstanding, spent=holding.spent)
    size = wanted(budget)
    return replace(budget, reserved=budget.reserved + size), Holding(amount=holding.spent + size, spent=holding.spent)


def waiting(holding: Holding, now: datetime) -> Holding:
    """After the run was not admitted: it holds nothing, and waits since the first time."""
    return Holding(amount=holding.spent, spent=holding.spent, waits_since=holding.waits_since or now)


def charge(budget: BudgetFacts, holding: Holding, known: Decimal | None, *, default: Decimal) -> tuple[Decimal, bool]:
    """What an answer takes of the budget, and whether that is an assumption.

    A run is counted once. What nobody knows brings the run up to the estimate, or to the default where there is none.
    """
    if budget.unit is Unit.RUNS:
        return max(Decimal(1) - holding.spent, NOTHING), False
    if known is not None:
        return known, False
    return max((budget.estimate or default) - holding.spent, NOTHING), True


def spent(budget: BudgetFacts, holding: Holding, used: Decimal, *, is_assumed: bool = False) -> Held:
    """After the run used so much, all of which counts, whatever was reserved."""
    after = replace(holding, spent=min(holding.spent + used, MOST))
    freed = holding.outstanding - after.outstanding
    budget = replace(
        budget,
        spent=min(budget.spent + used, MOST),
        assumed=min(budget.assumed + used, MOST) if is_assumed else budget.assumed,
        reserved=max(budget.reserved - freed, NOTHING),
        # Dearer than any before: the next one may be so too.
        estimate=max(budget.estimate, after.spent),
    )
    return budget, after


def released(budget: BudgetFacts, holding: Holding, now: datetime) -> Held:
    """After the run's end: what it did not use is free, and what it used tells what the next one may use."""
    if holding.closed_at is not None:
        return budget, holding
    left = max(budget.reserved - holding.outstanding, NOTHING)
    closed = replace(holding, waits_since=None, closed_at=now)
    return replace(budget, reserved=left, estimate=_learned(budget, holding)), closed


def _learned(budget: BudgetFacts, holding: Holding) -> Decimal:
    """A moving average that rises at once and falls slowly, and never below what a person wants."""
    if holding.spent <= 0 or holding.spent >= budget.estimate:
        return budget.estimate
    average = budget.estimate * INERTIA + holding.spent * (1 - INERTIA)
    size = Decimal(1) if budget.unit is Unit.TOKENS else MILLIONTH
    return max(budget.least, average.quantize(size, rounding=ROUND_UP))


def percent(budget: BudgetFacts) -> int:
    """How much of it is spent, in whole percent, rounded down."""
    return int(min(budget.spent * 100 / budget.cap, MOST)) if budget.cap > 0 else 100


def is_soft(budget: BudgetFacts) -> bool:
    return budget.cap > 0 and budget.spent * 100 >= budget.soft_percent * budget.cap


def state(budget: BudgetFacts) -> BudgetState:
    if is_full(budget):
        return BudgetState.EXHAUSTED
    return BudgetState.SOFT if is_soft(budget) else BudgetState.OPEN


def changed(budget: BudgetFacts) -> BudgetFacts:
    """After its numbers were changed by hand: a limit that it is below of again is told anew when it comes."""
    return replace(
        budget,
        soft_at=budget.soft_at if is_soft(budget) else None,
        hard_at=budget.hard_at if is_full(budget) else None,
    )


def granted(budget: BudgetFacts, extra: Decimal) -> BudgetFacts:
    """After people allowed so much more until the period ends."""
    return changed(replace(budget, extra=min(budget.extra + extra, MOST - budget.amount)))


def asks_for(budget: BudgetFacts) -> Decimal:
    """How much more people are asked for: a part of the amount, and at least what lets one run begin."""
    size = MILLIONTH if budget.unit is Unit.USD else Decimal(1)
    part = max(budget.amount * GRANT, budget.spent + (budget.estimate or size) - budget.cap)
    return max(part, size).quantize(size, rounding=ROUND_UP)


def fits(budget: BudgetFacts, *, most: int) -> int:
    """How many of those who wait to let try: as many as have room, and one in any case, which finds out for the others."""
    size = wanted(budget)
    if size <= 0:
        return 1
    return int(min(max((budget.cap - budget.spent - budget.reserved) / size, Decimal(1)), Decimal(most)))


def left(budget: BudgetFacts) -> Decimal:
    """What nobody spent or reserved."""
    return max(budget.cap - budget.spent - budget.reserved, NOTHING)


def expected(budget: BudgetFacts) -> Decimal | None:
    """What the next run reserves; None while nobody knows what one uses."""
    return Decimal(1) if budget.unit is Unit.RUNS else budget.estimate or None
