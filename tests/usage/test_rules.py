"""Budgets as numbers: nothing is spent twice, nothing goes below nothing, and no order of steps gets past the cap."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.usage.rules import budgets as rules
from app.usage.rules import periods, pricing, words
from app.usage.types import BudgetFacts, BudgetState, Holding, Limit, Period, Scope, Unit

NOW = datetime(2031, 1, 31, 23, 59, 59, tzinfo=UTC)
ZERO = Decimal()
money = st.decimals(min_value=0, max_value=10, places=2)
price = st.decimals(min_value="0.01", max_value=3, places=2)


def budget(**fields) -> BudgetFacts:
    wanted: dict[str, Any] = {"id": uuid4(), "scope": Scope.ACCOUNT, "unit": Unit.USD, "period": Period.NONE, "period_at": NOW}
    wanted |= {"amount": Decimal("0.50")}
    return BudgetFacts(**wanted | fields)


def admitted(one: BudgetFacts, holding: Holding) -> tuple[BudgetFacts, Holding]:
    """After the run asked for a reservation."""
    if rules.without_room([(one, holding)]):
        return one, rules.waiting(holding, NOW)
    return rules.reserved(one, holding)


step = st.tuples(st.integers(0, 5), st.sampled_from(["reserve", "spend", "release", "unknown", "period"]), price)


@settings(max_examples=150)
@given(amount=money, least=money, unit=st.sampled_from(Unit), steps=st.lists(step, max_size=60))
def test_no_order_of_steps_goes_below_nothing_or_admits_past_the_cap(amount, least, unit, steps):
    one = budget(amount=amount, unit=unit, estimate=least, least=least, period=Period.HOUR)
    runs = dict.fromkeys(range(6), Holding())
    now, charged = NOW, ZERO
    for run, what, used in steps:
        before, held = one, runs[run]
        if what == "reserve":
            one, runs[run] = admitted(one, held)
            if one != before:
                assert one.spent + one.reserved <= one.cap
            assert admitted(one, runs[run]) in ((one, runs[run]), (one, replace(runs[run], waits_since=NOW)))
        elif what == "release":
            one, runs[run] = rules.released(one, held, NOW)
            assert rules.released(one, runs[run], NOW) == (one, runs[run])
        elif what == "period":
            now += timedelta(hours=1)
            one, charged = rules.touched(one, now), ZERO
            assert (one.spent, one.assumed, one.extra, one.soft_at, one.hard_at) == (ZERO, ZERO, ZERO, None, None)
        else:
            known = None if what == "unknown" else used
            took, is_assumed = rules.charge(one, held, known, default=Decimal("0.05"))
            one, runs[run] = rules.spent(one, held, took, is_assumed=is_assumed)
            charged += took
        assert one.reserved == sum(each.outstanding for each in runs.values())
        assert one.spent == charged
        assert min(one.spent, one.reserved, one.assumed, one.estimate, rules.left(one)) >= 0
        assert one.assumed <= one.spent
        assert unit is Unit.RUNS or one.estimate >= least


@settings(max_examples=100)
@given(amount=price, uses=st.lists(price, min_size=1, max_size=20), least=st.none() | price)
def test_runs_admitted_at_once_spend_at_most_the_cap_and_one_reservation(amount, uses, least):
    """As long as no run uses more than the dearest before it, or what it was given."""
    one = budget(amount=amount, estimate=least or ZERO, least=least or ZERO)
    flying: list[tuple[Holding, Decimal]] = []
    waiting = [min(use, least or amount) for use in uses]
    largest = ZERO
    while waiting or flying:
        still = []
        for use in waiting:
            one, held = admitted(one, Holding())
            largest = max(largest, held.outstanding)
            flying += [(held, min(use, held.outstanding))] if held.outstanding else []
            still += [] if held.outstanding else [use]
        if not flying:
            break
        for held, use in flying:
            one, _ = rules.released(*rules.spent(one, held, use), NOW)
        waiting, flying = still, []
        assert one.spent + one.reserved <= one.cap + largest
    assert one.spent <= one.cap


def test_while_nobody_knows_what_a_run_uses_one_finds_out():
    one, first = admitted(budget(), Holding())
    assert (first.amount, one.reserved) == (Decimal("0.50"), Decimal("0.50"))
    assert rules.without_room([(one, Holding())])
    assert not rules.is_full(one)
    one, first = rules.spent(one, first, Decimal("0.30"))
    one, _ = rules.released(one, first, NOW)
    assert (one.spent, one.reserved, one.estimate) == (Decimal("0.30"), ZERO, Decimal("0.30"))
    assert rules.state(one) is BudgetState.EXHAUSTED


def test_the_estimate_rises_at_once_falls_slowly_and_not_below_what_a_person_wants():
    one, least = budget(amount=Decimal(100)), Decimal("0.10")
    found = []
    for use in ("1", "0.5", "0.5", "2", "0"):
        one, held = admitted(replace(one, least=least), Holding())
        one, held = rules.spent(one, held, Decimal(use))
        one, _ = rules.released(one, held, NOW)
        found.append(one.estimate)
    assert found == [Decimal(text) for text in ("1", "0.9", "0.82", "2", "2")]
    for _ in range(40):
        one, held = admitted(one, Holding())
        one, _ = rules.released(*rules.spent(one, held, Decimal("0.01")), NOW)
    assert one.estimate == least


def test_a_run_waits_for_all_budgets_if_one_has_no_room():
    full, roomy = budget(amount=ZERO), budget(amount=Decimal(5), estimate=Decimal(1))
    assert rules.without_room([(roomy, Holding()), (full, Holding())]) == [(full, Holding())]
    assert rules.percent(full) == 100


def test_the_eighth_of_ten_calls_is_told_and_the_eleventh_refused():
    one, told = budget(amount=Decimal(1)), []
    for number in range(1, 12):
        if rules.without_room([(one, Holding())]):
            told.append(("refused", number))
            continue
        held = admitted(one, Holding())
        one, _ = rules.released(*rules.spent(*held, Decimal("0.10")), NOW)
        if rules.is_soft(one) and one.soft_at is None:
            one = replace(one, soft_at=NOW)
            told.append(("soft", number))
    assert told == [("soft", 8), ("refused", 11)]


def test_more_than_was_reserved_counts_in_full_and_the_run_must_reserve_again():
    one, held = admitted(budget(estimate=Decimal("0.10")), Holding())
    one, held = rules.spent(one, held, Decimal("0.70"))
    assert (one.spent, one.reserved, held.outstanding) == (Decimal("0.70"), ZERO, ZERO)
    assert rules.without_room([(one, held)])


def test_a_run_is_counted_once_however_many_answers_it_takes():
    one, held = admitted(budget(unit=Unit.RUNS, amount=Decimal(1)), Holding())
    for _ in range(3):
        used, is_assumed = rules.charge(one, held, None, default=Decimal(1))
        assert not is_assumed
        one, held = rules.spent(one, held, used)
    assert (one.spent, one.reserved) == (Decimal(1), ZERO)
    assert not rules.without_room([(one, held)])
    assert rules.without_room([(one, Holding())])


def test_what_nobody_knows_brings_a_run_up_to_the_estimate_once():
    one, held = admitted(budget(amount=Decimal(10), estimate=Decimal(2)), Holding())
    one, held = rules.spent(one, held, Decimal("0.5"))
    used, is_assumed = rules.charge(one, held, None, default=Decimal("0.05"))
    assert (used, is_assumed) == (Decimal("1.5"), True)
    one, held = rules.spent(one, held, used, is_assumed=True)
    assert rules.charge(one, held, None, default=Decimal("0.05")) == (ZERO, True)
    assert (one.spent, one.assumed) == (Decimal(2), Decimal("1.5"))
    assert rules.charge(budget(), Holding(), None, default=Decimal("0.05")) == (Decimal("0.05"), True)


def test_a_grant_makes_room_for_a_run_and_is_gone_with_the_period():
    one = budget(period=Period.DAY, amount=Decimal(1), spent=Decimal("1.3"), estimate=Decimal("0.4"))
    one = replace(one, hard_at=NOW, soft_at=NOW, soft_percent=70)
    extra = rules.asks_for(one)
    assert extra == Decimal("0.7")
    after = rules.granted(one, extra)
    assert (rules.is_full(after), after.hard_at, after.soft_at) == (False, None, NOW)
    assert rules.touched(after, NOW + timedelta(seconds=1)).cap == 1


@given(amount=st.decimals(0, 10**11, places=6), spent=money, estimate=money, unit=st.sampled_from(Unit))
def test_what_people_are_asked_for_always_lets_a_run_begin(amount, spent, estimate, unit):
    one = budget(amount=amount, spent=spent, estimate=estimate, unit=unit)
    if unit is not Unit.RUNS and rules.is_full(one):
        assert not rules.is_full(rules.granted(one, rules.asks_for(one)))


@pytest.mark.parametrize(
    ("period", "began", "ends"),
    [
        (Period.HOUR, datetime(2031, 1, 31, 23, tzinfo=UTC), datetime(2031, 2, 1, tzinfo=UTC)),
        (Period.DAY, datetime(2031, 1, 31, tzinfo=UTC), datetime(2031, 2, 1, tzinfo=UTC)),
        (Period.WEEK, datetime(2031, 1, 27, tzinfo=UTC), datetime(2031, 2, 3, tzinfo=UTC)),
        (Period.MONTH, datetime(2031, 1, 1, tzinfo=UTC), datetime(2031, 2, 1, tzinfo=UTC)),
        (Period.NONE, None, None),
    ],
)
def test_periods_follow_the_calendar_in_utc(period, began, ends):
    assert (periods.began(period, NOW), periods.ends(period, NOW)) == (began, ends)


@given(days=st.floats(0, 70_000), hours=st.integers(-14, 14), period=st.sampled_from(Period))
def test_every_moment_lies_in_its_period_and_the_next_begins_where_it_ends(days, hours, period):
    at = (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=days)).astimezone(timezone(timedelta(hours=hours)))
    began, ends = periods.began(period, at), periods.ends(period, at)
    if began is None or ends is None:
        assert period is Period.NONE
        return
    assert began <= at < ends
    assert periods.began(period, ends) == ends
    assert periods.began(period, ends - timedelta(microseconds=1)) == began


PRICES = {"usd_per_million_input": 3, "usd_per_million_output": "15.0"}


@pytest.mark.parametrize(
    ("said", "prices", "tokens", "cost"),
    [
        (Decimal("0.02"), PRICES, (1, 1), "0.02"),
        (None, PRICES, (1_000_000, 100_000), "4.5"),
        (ZERO, PRICES, (1_000_000, 0), "3"),
        (ZERO, {}, (10, 10), None),
        (None, {}, (10, 10), None),
        (None, PRICES, (0, 0), None),
        (None, {"usd_per_million_input": 3}, (10, 10), None),
        (None, {"usd_per_million_input": 0, "usd_per_million_output": 0}, (10, 10), "0"),
        (Decimal("NaN"), {}, (1, 1), None),
        (Decimal(-1), {}, (1, 1), None),
        (Decimal("1e400"), {}, (1, 1), "1000000"),
        (None, {"usd_per_million_input": "free", "usd_per_million_output": True}, (1, 1), None),
    ],
)
def test_a_cost_is_what_the_answer_says_else_its_tokens_at_the_prices_else_unknown(said, prices, tokens, cost):
    found = pricing.cost(said, prices, input_tokens=tokens[0], output_tokens=tokens[1])
    assert found == (None if cost is None else Decimal(cost))


@given(value=st.decimals() | st.floats() | st.text() | st.integers() | st.none() | st.booleans() | st.binary())
def test_money_is_never_negative_never_endless_and_fits_its_column(value):
    found = pricing.money(value)
    assert found is None or (0 <= found <= pricing.MOST_USD and found == found.quantize(pricing.MILLIONTH))


def test_people_read_what_happened_and_what_comes_next():
    one = budget(scope=Scope.AGENT, scope_id=UUID(int=1), period=Period.DAY, spent=Decimal("0.500000"), assumed=Decimal("0.1"))
    assert words.title(one, "agent-slug", Limit.HARD) == "The budget of the agent agent-slug, 0.5 USD a day, is exhausted"
    assert words.title(one, "agent-slug", Limit.SOFT).endswith("has passed 80 %")
    assert "0.1 USD is assumed" in words.body(one, Limit.HARD, is_asked=True)
    assert "approve" in words.body(one, Limit.HARD, is_asked=True)
    assert "approve" not in words.body(one, Limit.HARD, is_asked=False)
    assert words.asks(replace(one, unit=Unit.TOKENS), None, Decimal(3)).startswith("Allow 3 tokens more until its period ends")
