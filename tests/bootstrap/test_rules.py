from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bootstrap import rules
from app.bootstrap.types import Action

VARIABLES = MappingProxyType({"REPO_URL": "https://git.example/a", "REPO_BASE_BRANCH": None})


@pytest.mark.parametrize(
    ("wanted", "loaded", "present", "action"),
    [
        ("a", None, None, Action.CREATE),
        ("a", "a", "a", Action.UNCHANGED),
        ("b", "a", "a", Action.UPDATE),
        ("a", "a", "edited", Action.KEEP),
        ("b", "a", "edited", Action.KEEP),
        ("a", "a", None, Action.KEEP),
        ("a", None, "made by a person", Action.KEEP),
        ("a", None, "a", Action.UNCHANGED),
        ("b", "a", "b", Action.UNCHANGED),
    ],
)
def test_what_becomes_of_a_record(wanted, loaded, present, action):
    assert rules.action(wanted, loaded=loaded, present=present) is action


@given(st.text(max_size=2), st.none() | st.text(max_size=2), st.text(max_size=2))
def test_a_row_is_written_over_only_when_it_is_what_the_seeds_made(wanted, loaded, present):
    decided = rules.action(wanted, loaded=loaded, present=present)
    assert decided is not Action.CREATE
    assert (decided is Action.UPDATE) == (present == loaded and present != wanted)


def test_a_digest_knows_neither_the_order_of_fields_nor_empty_ones():
    assert rules.digest({"a": 1, "b": "x"}) == rules.digest({"b": "x", "a": 1, "c": None, "d": [], "e": {}, "f": ""})


@pytest.mark.parametrize(("one", "other"), [({"a": False}, {}), ({"a": 0}, {}), ({"a": {"b": True}}, {"a": {"b": False}})])
def test_a_digest_knows_false_from_unset(one, other):
    assert rules.digest(one) != rules.digest(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at ${REPO_URL}", "at https://git.example/a"),
        ("at ${REPO_URL:-nowhere}", "at https://git.example/a"),
        ("from ${REPO_BASE_BRANCH:-}.", "from ."),
        ("from ${REPO_BASE_BRANCH:-the usual branch}", "from the usual branch"),
        ("write $${REPO_URL} and $HOME", "write ${REPO_URL} and $HOME"),
    ],
)
def test_a_text_is_filled(text, expected):
    assert rules.filled(text, VARIABLES) == (expected, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${HOME:-x}", "HOME may not be used; only REPO_BASE_BRANCH, REPO_URL may"),
        ("${OPENCLAW_GATEWAY_TOKEN}", "OPENCLAW_GATEWAY_TOKEN may not be used; only REPO_BASE_BRANCH, REPO_URL may"),
        ("${REPO_BASE_BRANCH}", "REPO_BASE_BRANCH is not set and has no default"),
        ("${REPO_URL", "`${` begins no variable; write `$${` for the text itself"),
        ("${REPO_URL:-${HOME}}", "HOME may not be used; only REPO_BASE_BRANCH, REPO_URL may"),
    ],
)
def test_a_text_that_cannot_be_filled_says_why(text, problem):
    assert problem in rules.filled(text, VARIABLES)[1]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@git.example/a.git", "https://git.example/a.git"),
        ("https://secret@git.example:8443/a", "https://git.example:8443/a"),
        ("ssh://git:secret@git.example/a", "ssh://git@git.example/a"),
        ("git@git.example:a.git", "git@git.example:a.git"),
        ("/srv/a.git", "/srv/a.git"),
        (None, None),
    ],
)
def test_an_address_is_shown_without_credentials(url, shown):
    assert rules.without_credentials(url) == shown
