"""What wake-ups may cost: windows, credits and chains, by chance."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import ActorKind
from app.tasks.rules import guards as rules
from app.tasks.rules.guards import Admission
from app.tasks.types import Chain, Guard, Link

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
gaps = st.lists(st.tuples(st.integers(0, 2_000), st.booleans()), max_size=80)


def played(steps: list[tuple[int, bool]], *, limit: int) -> list[tuple[datetime, bool]]:
    """When wake-ups were made, each with whether it was talk; steps are seconds that pass."""
    guard, now, found = Guard(), NOW, []
    for seconds, is_talk in steps:
        now += timedelta(seconds=seconds)
        if rules.admit(guard, now=now, limit=limit, is_talk=is_talk) is Admission.MADE:
            rules.count(guard, now=now)
            found.append((now, is_talk))
    return found


@given(gaps, st.integers(1, 6))
def test_a_window_of_an_hour_never_holds_more_than_it_may(steps, limit):
    made = played(steps, limit=limit)
    windows: list[list[tuple[datetime, bool]]] = []
    for one in made:
        if not windows or one[0] - windows[-1][0][0] >= HOUR:
            windows.append([])
        windows[-1].append(one)
    for window in windows:
        # Talk is only added while there is room for it, whatever moves came before.
        assert all(place < limit for place, (_, is_talk) in enumerate(window) if is_talk)
    # Wherever an hour begins, two windows lie in it.
    for start, _ in made:
        assert sum(start <= at < start + HOUR for at, is_talk in made if is_talk) <= 2 * limit


@given(st.integers(1, 50), st.integers(0, 3_599))
def test_moves_go_on_where_talk_is_cut(limit, seconds):
    guard, now = Guard(wakes=limit, wakes_since=NOW), NOW + timedelta(seconds=seconds)
    assert rules.admit(guard, now=now, limit=limit, is_talk=True) is Admission.STUCK
    assert rules.admit(guard, now=now, limit=limit, is_talk=False) is Admission.MADE
    assert rules.admit(guard, now=NOW + HOUR, limit=limit, is_talk=True) is Admission.MADE
    assert rules.admit(guard, now=now, limit=limit, is_talk=False, is_endless=True) is Admission.STOPPED
    guard.wakes = limit - 1
    assert rules.admit(guard, now=now, limit=limit, is_talk=False, is_endless=True) is Admission.MADE


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), st.integers(1, 5))
def test_credits_last_for_as_many_fruitless_runs_in_a_row_as_there_are(runs, full):
    left: int | None = None
    row = 0
    for has_progress, is_charged in runs:
        left = rules.after_run(left, full=full, has_progress=has_progress, is_charged=is_charged)
        row = 0 if has_progress else row + is_charged
        assert left == max(0, full - row)


@given(st.integers(0, 9) | st.none(), st.integers(1, 9))
def test_an_account_that_lowers_the_credits_lowers_what_is_left(before, full):
    assert 0 <= rules.credits_left(before, full=full) <= full


def test_the_consequences_of_one_run_cost_one_credit():
    assert rules.is_charged(UUID(int=5), spent_for=None)
    assert rules.is_charged(UUID(int=5), spent_for=UUID(int=4))
    assert not rules.is_charged(UUID(int=5), spent_for=UUID(int=5))


def link(recipient: int, seq: int | None, *, state: str = "delivered") -> Link:
    return Link(
        id=UUID(int=seq or 0),
        type="mention",
        state=state,
        actor_kind=ActorKind.AGENT,
        actor_id=None,
        author=None,
        recipient_id=UUID(int=recipient),
        recipient=None,
        created_at=NOW,
        seq=seq,
    )


def ring(size: int, length: int, *, progress: int = 0) -> Chain:
    """A chain in which `size` agents wake each other in turn, newest first."""
    return Chain(links=tuple(link(place % size, place + 1) for place in reversed(range(length))), progress=progress)


@given(st.integers(2, 5), st.integers(0, 20), st.integers(0, 25))
def test_who_was_woken_thrice_without_progress_goes_round(size, length, progress):
    chain = ring(size, length, progress=progress)
    for agent in range(size):
        times = sum(place % size == agent for place in range(length) if place + 1 > progress)
        assert rules.goes_round(chain, UUID(int=agent)) == (times >= rules.ROUNDS)
    assert rules.leads_nowhere(chain) == (length > 0 and progress == 0)


def test_a_wake_up_that_was_not_made_is_no_round():
    made = ring(2, 6)
    skipped = msgspec.structs.replace(made, links=(link(0, 5, state="skipped"), *made.links[2:]))
    assert rules.goes_round(made, UUID(int=0))
    assert not rules.goes_round(skipped, UUID(int=0))
