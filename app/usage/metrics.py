"""What runs used, as every process counts it."""

from decimal import Decimal

from prometheus_client import Counter

from app.observability.metrics import REGISTRY

TOKENS = Counter("callboard_usage_tokens", "Tokens that answers used.", ["direction"], registry=REGISTRY)
COST = Counter("callboard_usage_cost_usd", "What answers cost whose cost is known, in USD.", registry=REGISTRY)
ANSWERS = Counter("callboard_usage_answers", "Answers whose usage was recorded.", ["cost"], registry=REGISTRY)
REFUSED = Counter("callboard_budget_refusals", "Runs that a budget let wait.", ["scope", "unit", "why"], registry=REGISTRY)


def answered(*, input_tokens: int, output_tokens: int, cost_usd: Decimal | None) -> None:
    """Count one answer."""
    TOKENS.labels("input").inc(input_tokens)
    TOKENS.labels("output").inc(output_tokens)
    ANSWERS.labels("unknown" if cost_usd is None else "known").inc()
    if cost_usd is not None:
        COST.inc(float(cost_usd))


def refused(scope: str, unit: str, *, is_crowded: bool) -> None:
    """Count one run that was not admitted."""
    REFUSED.labels(scope, unit, "crowded" if is_crowded else "exhausted").inc()
