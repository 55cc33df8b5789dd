"""How budgets are spoken of to people."""

from decimal import Decimal

from app.usage.types import BudgetFacts, Limit, Period, Scope, Unit

_NAME_MOST = 80
_EVERY = {Period.HOUR: "an hour", Period.DAY: "a day", Period.WEEK: "a week", Period.MONTH: "a month"}


def amount(value: Decimal, unit: Unit) -> str:
    """The number as people write it, with its unit."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text} {'USD' if unit is Unit.USD else unit.removesuffix('s') if value == 1 else unit}"


def about(budget: BudgetFacts, name: str | None) -> str:
    """Which budget it is."""
    whose = "the account" if budget.scope is Scope.ACCOUNT else f"the {budget.scope} {(name or '')[:_NAME_MOST]}".strip()
    every = f" {_EVERY[budget.period]}" if budget.period in _EVERY else ""
    return f"the budget of {whose}, {amount(budget.cap, budget.unit)}{every}"


def title(budget: BudgetFacts, name: str | None, limit: Limit) -> str:
    """What a notification about it is called."""
    what = "is exhausted" if limit is Limit.HARD else f"has passed {budget.soft_percent} %"
    text = f"{about(budget, name)}, {what}"
    return text[0].upper() + text[1:]


def body(budget: BudgetFacts, limit: Limit, *, is_asked: bool) -> str:
    """What comes next."""
    used = f"Spent: {amount(budget.spent, budget.unit)}."
    if budget.assumed > 0:
        used += f" Of that {amount(budget.assumed, budget.unit)} is assumed, because nobody knew."
    if limit is Limit.SOFT:
        return f"{used} Runs go on until it is exhausted."
    ways = "Raise it" + (", or approve the request for more," if is_asked else "")
    wait = "until then they wait" if budget.period is Period.NONE else "until then, or until the next period, they wait"
    return f"{used} Its runs are not sent. {ways} and they go on; {wait}."


def asks(budget: BudgetFacts, name: str | None, extra: Decimal) -> str:
    """What people are asked to approve."""
    until = "" if budget.period is Period.NONE else " until its period ends"
    return f"Allow {amount(extra, budget.unit)} more{until}: {about(budget, name)}, is exhausted"
