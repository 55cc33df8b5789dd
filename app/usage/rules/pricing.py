"""What an answer cost: what it says itself, else its tokens at the profile's prices, else nobody knows."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

PER_INPUT, PER_OUTPUT = "usd_per_million_input", "usd_per_million_output"
MILLION = 1_000_000
MILLIONTH = Decimal("0.000001")
# More than this no answer costs and no model asks.
MOST_USD = Decimal(1_000_000)
MOST_TOKENS = 2**31 - 1


def cost(said: Decimal | None, prices: Mapping[str, object], *, input_tokens: int, output_tokens: int) -> Decimal | None:
    """A zero that the answer says is no knowledge, since a subscription says it of everything; one by price is meant."""
    known = money(said)
    if known:
        return known
    return price(prices, input_tokens=input_tokens, output_tokens=output_tokens)


def price(prices: Mapping[str, object], *, input_tokens: int, output_tokens: int) -> Decimal | None:
    """The tokens at these prices; None where a price that is needed is missing, or nothing was counted."""
    used = {PER_INPUT: tokens(input_tokens), PER_OUTPUT: tokens(output_tokens)}
    total, is_counted = Decimal(), False
    for name, many in used.items():
        if not many:
            continue
        each = money(prices.get(name))
        if each is None:
            return None
        total, is_counted = total + each * many / MILLION, True
    return money(total) if is_counted else None


def money(value: object) -> Decimal | None:
    """An amount that can be charged, in millionths; None for what is no such amount."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:
        return None
    return min(amount, MOST_USD).quantize(MILLIONTH)


def tokens(many: int) -> int:
    """As many as can be charged."""
    return min(max(many, 0), MOST_TOKENS)
