"""Which patterns of files have a path in common, and when a reservation is in force."""

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import product
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.errors import Invalid
from app.kernel.wire import convert
from app.tasks.rules import globs, reservations
from app.tasks.schemas.reservations import PATTERN_MOST, Wish
from app.tasks.types import Lease, LeaseKind, Reservation, ReservationMode, Rival

NOW = datetime(2030, 1, 2, tzinfo=UTC)
EXCLUSIVE, SHARED = ReservationMode.EXCLUSIVE, ReservationMode.SHARED

EXAMPLES = [
    ("src/api/**", "src/api/tasks.py", True),
    ("src/api/**", "src/api", True),
    ("src/api/**", "src/api2/x", False),
    ("src/**/tests/*.py", "src/a/b/tests/**", True),
    ("**", "any/where", True),
    ("**/x", "x", True),
    ("**/x", "**/y", False),
    ("**/x/**", "y/**/z", True),
    ("a/**/**/b", "a/b", True),
    ("*.py", "src/main.py", False),
    ("*.py", "main.*", True),
    ("*.py", "*.pyc", False),
    ("a*b", "*ab", True),
    ("a?c", "a[b-d]c", True),
    ("a[!b]c", "abc", False),
    ("a[^b-d]c", "a[c]c", False),
    ("a[]x]c", "a]c", True),
    ("a[a-]c", "a-c", True),
    ("[[]id].tsx", "[[]id].tsx", True),
    ("a**b", "axxb", True),
    ("A", "a", False),
    ("*", "a/b", False),
    ("?", "", False),
]


@pytest.mark.parametrize(("one", "other", "wanted"), EXAMPLES)
def test_examples_of_patterns_that_meet(one, other, wanted):
    assert globs.overlaps(one, other) is globs.overlaps(other, one) is wanted


steps = st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=3), st.sampled_from(("[ab]", "[!a]", "[a-b]*", "a[b]")))
patterns = st.lists(steps, min_size=1, max_size=3).map("/".join)
literals = st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=3).map("/".join)
PATHS = ["/".join(one) for size in (1, 2, 3) for one in product(["a", "b", "c", "ab"], repeat=size)]


def matches(pattern: str, path: str) -> bool:
    """One step after the other, the slow way."""
    return _matches(pattern.split("/"), path.split("/"))


def _matches(steps: list[str], path: list[str]) -> bool:
    if not steps:
        return not path
    if steps[0] == "**":
        return _matches(steps[1:], path) or (bool(path) and _matches(steps, path[1:]))
    return bool(path) and fnmatchcase(path[0], steps[0].replace("[^", "[!")) and _matches(steps[1:], path[1:])


@given(patterns, patterns)
def test_overlap_is_symmetric_and_reflexive(one, other):
    assert globs.overlaps(one, other) is globs.overlaps(other, one)
    # Built anew, so that the walk is taken and not the short way.
    assert globs._walk(globs._steps(one), globs._steps(one), star="**", meet=globs._steps_meet)
    assert globs.overlaps(one, "**")


@given(patterns, literals)
def test_a_path_overlaps_what_it_matches_and_nothing_else(pattern, path):
    assert globs.overlaps(pattern, path) is matches(pattern, path)


@settings(max_examples=60)
@given(patterns, patterns)
def test_what_some_path_matches_overlaps(one, other):
    if any(matches(one, path) and matches(other, path) for path in PATHS):
        assert globs.overlaps(one, other)


short = st.lists(st.one_of(st.just("**"), st.text("a*?", min_size=1, max_size=2)), min_size=1, max_size=2).map("/".join)
WITNESSES = ["/".join(one) for size in range(1, 5) for one in product(["a", "aa", "aaa", "b", "ab", "ba"], repeat=size)]


@settings(max_examples=60)
@given(short, short)
def test_what_overlaps_has_a_path_that_matches_both(one, other):
    """Of patterns this small a witness is as small."""
    found = any(matches(one, path) and matches(other, path) for path in WITNESSES)
    assert globs.overlaps(one, other) is found


def test_the_walk_stays_within_its_bounds_for_patterns_made_to_branch(monkeypatch):
    """At most each part of one is compared with each part of the other, however many stars there are."""
    compared = 0
    meet = globs._tokens_meet

    def counted(one, other):
        nonlocal compared
        compared += 1
        return meet(one, other)

    monkeypatch.setattr(globs, "_tokens_meet", counted)
    one, other = "*a" * (PATTERN_MOST // 2) + "b", "a*" * (PATTERN_MOST // 2) + "c"
    assert not globs.overlaps(one, other)
    assert compared <= PATTERN_MOST**2
    deep = "/".join(["**", "*x?"] * (globs.STEPS_MOST // 2))
    compared = 0
    assert globs.overlaps(f"{deep}/y", f"z/{deep}/*") is True
    assert globs.overlaps(f"{deep}/y", f"{deep}/z") is False
    assert compared <= globs.STEPS_MOST**2 * 9


REFUSED = [
    "..",
    "a/../b",
    "/etc/passwd",
    "/",
    "./a",
    "a//b",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\x7f",
    "a[b",
    "a[/]b",
    "a[b-a]",
    "[!\0-\U0010ffff]",
    "",
    "x" * (PATTERN_MOST + 1),
    "/".join("a" * (globs.STEPS_MOST + 1)),
    "\ud800",
    "a/b/..",
    "~/../x",
]


@pytest.mark.parametrize("pattern", REFUSED, ids=repr)
def test_a_pattern_that_leaves_the_repository_or_means_nothing_is_refused(pattern):
    with pytest.raises(Invalid) as refused:
        convert({"pattern": pattern}, Wish)
    assert refused.value.details["fields"]


@given(st.text(max_size=40))
def test_whatever_is_kept_can_be_compared(text):
    try:
        kept = convert({"pattern": text}, Wish).pattern
    except Invalid:
        return
    assert globs.overlaps(kept, kept + "x") in (True, False)
    assert not kept.startswith("/")
    assert ".." not in kept.split("/")


def test_a_directory_means_everything_below_it():
    assert convert({"pattern": "src/api/"}, Wish).pattern == "src/api/**"


def rival(pattern: str, mode: ReservationMode) -> Rival:
    return Rival(task_id=UUID(int=1), title="T", holder="engineer", pattern=pattern, mode=mode, until=NOW)


def test_only_two_that_share_do_not_conflict():
    for mine, theirs in product(ReservationMode, repeat=2):
        found = reservations.conflicts([Reservation(pattern="a/*", mode=mine)], [rival("a/b", theirs), rival("c", theirs)])
        assert len(found) == (0 if mine is theirs is SHARED else 1)
        assert [reservations.shown(one)["mine"] for one in found] == ["a/*"] * len(found)


seconds = st.one_of(st.none(), st.integers(-5, 5))


@given(st.one_of(st.none(), st.integers(1, 3)), st.integers(1, 3), seconds, seconds)
def test_a_reservation_is_in_force_with_its_lease_and_within_its_time(fence, live, until, lease_until):
    def at(left: int | None) -> datetime | None:
        return None if left is None else NOW + timedelta(seconds=left)

    one = Reservation(pattern="a", mode=EXCLUSIVE, fence=fence, until=at(until))
    wanted = fence == live and lease_until is not None and lease_until > 0 and (until is None or until > 0)
    assert reservations.in_force(one, fence=live, lease_until=at(lease_until), now=NOW) is wanted
    if wanted:
        assert reservations.ends(one, lease_until=at(lease_until)) == at(
            min(one for one in (until, lease_until) if one is not None)
        )


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_what_is_added_counts_once_and_a_claim_puts_all_under_its_lease(before, wanted):
    mine = [Reservation(pattern=one, mode=SHARED, fence=1) for one in before]
    more = [Reservation(pattern=one, mode=EXCLUSIVE, ttl_seconds=30) for one in wanted]
    found = reservations.merged(mine, more)
    assert {one.pattern: one.mode for one in found} == dict.fromkeys(before, SHARED) | dict.fromkeys(wanted, EXCLUSIVE)
    lease = Lease(agent_id=UUID(int=2), kind=LeaseKind.WORK, fence=7, until=NOW + timedelta(hours=1))
    for one in reservations.under(lease, found, now=NOW):
        assert reservations.in_force(one, fence=7, lease_until=lease.until, now=NOW)
        assert one.until == (NOW + timedelta(seconds=30) if one.mode is EXCLUSIVE else None)
        assert msgspec.structs.replace(one, fence=None, until=None) in [
            msgspec.structs.replace(each, fence=None) for each in found
        ]
