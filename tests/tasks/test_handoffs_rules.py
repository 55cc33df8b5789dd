"""How handoffs are cut to fit: the rule alone."""

from hypothesis import given
from hypothesis import strategies as st

from app.tasks.rules.handoffs import LINES, size, within

lines = st.lists(st.text(alphabet="ab", min_size=1, max_size=8), max_size=4)
contents = st.lists(
    st.fixed_dictionaries({}, optional={"summary": st.text("ab", max_size=12)} | dict.fromkeys(LINES, lines)), max_size=6
)
limits = st.integers(0, 120)


@given(contents, limits)
def test_all_together_are_never_longer_than_the_limit(given_now, limit):
    assert sum(size(content) for content, _ in within(given_now, limit)) <= limit


@given(contents, limits)
def test_nothing_is_cut_that_fits_and_what_is_cut_says_so(given_now, limit):
    found = within(given_now, limit)
    assert len(found) == len(given_now)
    for (content, is_cut), whole in zip(found, given_now, strict=True):
        assert is_cut == (size(content) < size(whole))
    if sum(map(size, given_now)) <= limit:
        assert not any(is_cut for _, is_cut in found)


@given(contents, limits)
def test_what_is_shown_is_the_beginning_of_each_part(given_now, limit):
    for (content, _), whole in zip(within(given_now, limit), given_now, strict=True):
        for part, kept in content.items():
            assert kept == whole[part][: len(kept)]


def test_the_newer_is_served_before_the_older_and_the_summary_before_the_lines():
    newer, older = {"summary": "ab", "decisions": ["abc", "abcd"]}, {"summary": "abcdef"}
    assert within([newer, older], 7) == [({"summary": "ab", "decisions": ["abc"]}, True), ({"summary": "ab"}, True)]
