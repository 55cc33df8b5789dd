"""When somebody is asked again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.rules import PATIENCE, suppression
from app.messages.types import Earlier, Suppression

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SHORT, LONG = PATIENCE - timedelta(microseconds=1), PATIENCE


def earlier(*, asked: timedelta, arrived: timedelta | None = None, is_answered: bool = False) -> Earlier:
    """A request that was made, and arrived, so long ago."""
    return Earlier(asked_at=NOW - asked, arrived_at=None if arrived is None else NOW - arrived, is_answered=is_answered)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (None, None),
        (earlier(asked=timedelta(0)), Suppression.UNDELIVERED),
        (earlier(asked=SHORT), Suppression.UNDELIVERED),
        (earlier(asked=LONG), None),
        (earlier(asked=LONG, arrived=SHORT), Suppression.UNANSWERED),
        (earlier(asked=LONG * 2, arrived=LONG), None),
        (earlier(asked=SHORT, is_answered=True), None),
        # Another transaction may have begun after this one.
        (earlier(asked=-timedelta(seconds=1)), Suppression.UNDELIVERED),
    ],
)
def test_a_request_waits_for_an_answer_or_four_hours(before, expected):
    assert suppression(before, now=NOW) == expected


spans = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30))


@given(spans, st.none() | spans, st.booleans(), spans)
def test_time_and_an_answer_only_ever_free_the_way(asked, arrived, is_answered, later):
    before = earlier(asked=asked, arrived=arrived, is_answered=is_answered)
    if suppression(before, now=NOW) is None:
        assert suppression(before, now=NOW + later) is None
    assert suppression(earlier(asked=asked, arrived=arrived, is_answered=True), now=NOW) is None
    assert suppression(before, now=NOW + PATIENCE) is None
