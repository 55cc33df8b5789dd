"""Who comes to which scope, and which version a write becomes."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import ActorKind, Role
from app.memory import rules
from app.memory.types import Caller, Latest, MemoryState, Place, Reach, Scope, Tier

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PEOPLE = {role: Caller(kind=ActorKind.PERSON, role=role) for role in Role}
AGENT = Caller(kind=ActorKind.AGENT, role=None)
OWN, OTHER = Place(is_there=True, is_own=True), Place(is_there=True, is_own=False)
places = st.builds(Place, is_there=st.booleans(), is_own=st.booleans())
callers = st.sampled_from([AGENT, *PEOPLE.values()])
latest = st.none() | st.builds(
    Latest,
    memory_id=st.uuids(),
    version=st.integers(1, 1000),
    state=st.sampled_from(MemoryState),
    tier=st.sampled_from(Tier),
    created_at=st.just(NOW - timedelta(days=1)),
    expires_at=st.none() | st.integers(-5, 5).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)


@pytest.mark.parametrize(
    ("scope", "caller", "own", "other"),
    [
        (Scope.RUN, AGENT, Reach.WRITE, Reach.ABSENT),
        (Scope.AGENT, AGENT, Reach.WRITE, Reach.ABSENT),
        (Scope.USER, AGENT, Reach.ABSENT, Reach.ABSENT),
        (Scope.RUN, PEOPLE[Role.VIEWER], Reach.WRITE, Reach.WRITE),
        (Scope.AGENT, PEOPLE[Role.VIEWER], Reach.WRITE, Reach.WRITE),
        (Scope.USER, PEOPLE[Role.VIEWER], Reach.WRITE, Reach.ABSENT),
        (Scope.USER, PEOPLE[Role.MEMBER], Reach.WRITE, Reach.ABSENT),
        (Scope.USER, PEOPLE[Role.ADMIN], Reach.WRITE, Reach.READ),
        (Scope.USER, PEOPLE[Role.OWNER], Reach.WRITE, Reach.READ),
    ],
)
def test_who_comes_to_which_scope(scope, caller, own, other):
    assert (rules.reach(scope, caller, OWN), rules.reach(scope, caller, OTHER)) == (own, other)


@given(st.sampled_from(Scope), callers, places)
def test_what_is_not_there_is_absent_and_nobody_writes_what_is_another_persons(scope, caller, place):
    found = rules.reach(scope, caller, place)
    assert found is Reach.ABSENT or place.is_there
    assert found is not Reach.WRITE or place.is_own or (caller.kind is ActorKind.PERSON and scope is not Scope.USER)


@given(latest, st.uuids())
def test_versions_grow_by_one_and_an_expired_item_is_never_continued(before, new_id):
    place = rules.succession(before, NOW, new_id=new_id)
    assert place.version == (before.version if before else 0) + 1
    goes_on = before is not None and not rules.is_expired(before, NOW)
    assert place.memory_id == (before.memory_id if goes_on else new_id)
    assert place.created_at == (before.created_at if goes_on else NOW)
    assert place.is_new == (rules.there(before, NOW) is None)


@given(latest)
def test_what_is_expected_is_what_can_be_read(before):
    found = rules.there(before, NOW)
    assert rules.current_version(before, NOW) == (found.version if found else 0)
    assert found is None or (found.state is MemoryState.ACTIVE and not rules.is_expired(found, NOW))
    assert rules.known(before, NOW) is not None or found is None


def test_an_item_is_expired_from_the_very_instant_on():
    one = Latest(memory_id=uuid4(), version=1, state=MemoryState.ACTIVE, tier=Tier.WORKING, created_at=NOW, expires_at=NOW)
    assert rules.there(one, NOW - timedelta(microseconds=1)) is one
    assert rules.there(one, NOW) is None


@pytest.mark.parametrize("name", ["a", "plan.v2", "checkpoint:step-1", "A_b", "0" * 200])
def test_names_that_there_may_be(name):
    assert rules.is_name(name)


@pytest.mark.parametrize("name", ["", ".a", "a/b", "a b", "a\n", "ä", "0" * 201, "a\x00"])
def test_names_that_there_may_not_be(name):
    assert not rules.is_name(name)


def test_only_checkpoints_of_runs_are_reserved():
    assert [scope for scope in Scope if rules.is_reserved(scope, "checkpoint:x")] == [Scope.RUN]
    assert not rules.is_reserved(Scope.RUN, "checkpoint")
