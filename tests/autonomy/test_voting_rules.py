"""Who may vote and what votes come to, against a model that counts by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.autonomy.rules import voting as rules
from app.autonomy.types import ApprovalState, Ask, Ballot, Obstacle, Voice, Vote
from app.kernel.types import Role

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PEOPLE = [UUID(int=number) for number in range(1, 7)]
ROLES = [Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER]
ROLE = st.sampled_from([None, *ROLES])
REQUESTER = st.sampled_from([None, *PEOPLE])


def ask(**fields: Any) -> Ask:
    given: dict[str, Any] = {"quorum": 1, "min_role": Role.ADMIN, "expires_at": NOW + timedelta(hours=1)}
    return Ask(**given | fields)


def own(person, role):
    return Voice(person_id=person, role=role, voter_id=person, voter_role=role)


def lent(person, voter, *, role=Role.ADMIN, voter_role=Role.MEMBER, is_delegated=True):
    return Voice(person_id=person, role=role, voter_id=voter, voter_role=voter_role, is_delegated=is_delegated)


class Machine:
    """Votes one after the other, as the service casts them."""

    def __init__(self, ask, roles, delegates):
        self.ask, self.roles, self.delegates = ask, roles, delegates
        self.ballots: list[Ballot] = []
        self.ends: list[ApprovalState] = []

    @property
    def state(self):
        return self.ends[0] if self.ends else ApprovalState.PENDING

    def vote(self, voter, person, choice):
        is_delegated = self.delegates.get(person) == voter
        roles = {"role": self.roles[person], "voter_role": self.roles[voter]}
        voice = Voice(person_id=person, voter_id=voter, is_delegated=is_delegated, **roles)
        cast = {ballot.voice_id for ballot in self.ballots}
        if self.state is not ApprovalState.PENDING or rules.obstacle(self.ask, voice) or person in cast:
            return
        self.ballots.append(Ballot(voice_id=person, voter_id=voter, role=self.roles[person], vote=choice))
        self.look()

    def look(self):
        self.ballots = [self.now(ballot) for ballot in self.ballots]
        after = rules.outcome(self.ask, self.ballots)
        if after is not ApprovalState.PENDING:
            self.ends.append(after)

    def now(self, ballot):
        return Ballot(voice_id=ballot.voice_id, voter_id=ballot.voter_id, role=self.roles[ballot.voice_id], vote=ballot.vote)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("vote"), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.sampled_from(Vote)),
        st.tuples(st.just("role"), st.sampled_from(PEOPLE), ROLE),
        st.tuples(st.just("lend"), st.sampled_from(PEOPLE), st.sampled_from([None, *PEOPLE])),
    ),
    max_size=30,
)


@given(
    quorum=st.integers(1, 4),
    least=st.sampled_from(ROLES),
    requester=REQUESTER,
    roles=st.fixed_dictionaries(dict.fromkeys(PEOPLE, ROLE)),
    steps=STEPS,
)
def test_no_history_approves_without_its_quorum_of_others_or_ends_twice(quorum, least, requester, roles, steps):
    machine = Machine(ask(quorum=quorum, min_role=least, requester_id=requester), dict(roles), {})
    for step, *what in steps:
        match step, what:
            case "vote", [voter, person, choice]:
                machine.vote(voter, person, choice)
            case "role", [person, role]:
                machine.roles[person] = role
            case "lend", [person, voter]:
                machine.delegates[person] = voter
    assert len(machine.ends) <= 1
    if machine.state is ApprovalState.APPROVED:
        # The ballots are as they were when it ended, with the roles of that moment.
        heard = {b.voice_id for b in machine.ballots if b.role is not None and ROLES.index(b.role) >= ROLES.index(least)}
        assert len(heard) >= quorum
        assert all(ballot.vote is Vote.APPROVE for ballot in machine.ballots)
    if machine.state is ApprovalState.DENIED:
        assert [ballot.vote for ballot in machine.ballots].count(Vote.DENY) == 1
    assert requester is None or requester not in {id_ for b in machine.ballots for id_ in (b.voice_id, b.voter_id)}
    assert len({ballot.voice_id for ballot in machine.ballots}) == len(machine.ballots)


@given(least=st.sampled_from(ROLES), role=ROLE)
def test_a_person_votes_with_the_least_role_and_as_a_member_at_least(least, role):
    found = rules.obstacle(ask(min_role=least), own(PEOPLE[0], role))
    wanted = max(ROLES.index(least), ROLES.index(Role.MEMBER))
    assert (found is None) == (role is not None and ROLES.index(role) >= wanted)
    assert found in (None, Obstacle.ROLE_DENIED)


@given(role=ROLE, voter_role=ROLE, is_delegated=st.booleans(), as_voter=st.booleans())
def test_the_requester_takes_no_part_whatever_was_lent(role, voter_role, is_delegated, as_voter):
    voice = lent(PEOPLE[0], PEOPLE[1], role=role, voter_role=voter_role, is_delegated=is_delegated)
    requester = voice.voter_id if as_voter else voice.person_id
    assert rules.obstacle(ask(requester_id=requester), voice) is Obstacle.SELF_APPROVAL


@pytest.mark.parametrize(
    ("voice", "wanted"),
    [
        (lent(PEOPLE[0], PEOPLE[1]), None),
        (lent(PEOPLE[0], PEOPLE[1], is_delegated=False), Obstacle.NOT_DELEGATED),
        (lent(PEOPLE[0], PEOPLE[1], voter_role=Role.VIEWER), Obstacle.ROLE_DENIED),
        (lent(PEOPLE[0], PEOPLE[1], voter_role=None), Obstacle.ROLE_DENIED),
        (lent(PEOPLE[0], PEOPLE[1], role=Role.MEMBER, voter_role=Role.OWNER), Obstacle.ROLE_DENIED),
        (lent(PEOPLE[0], PEOPLE[1], role=None), Obstacle.ROLE_DENIED),
    ],
)
def test_a_lent_voice_has_the_role_of_its_owner(voice, wanted):
    assert rules.obstacle(ask(), voice) is wanted


@given(roles=st.lists(ROLE, max_size=6), quorum=st.integers(1, 6))
def test_only_who_still_has_the_role_counts(roles, quorum):
    request = ask(quorum=quorum)
    ballots = [
        Ballot(voice_id=person, voter_id=person, role=role, vote=Vote.APPROVE)
        for person, role in zip(PEOPLE, roles, strict=False)
    ]
    counted = sum(role in (Role.ADMIN, Role.OWNER) for role in roles)
    assert rules.missing(request, ballots) == max(quorum - counted, 0)
    assert (rules.outcome(request, ballots) is ApprovalState.APPROVED) == (counted >= quorum)


@given(
    seconds=st.integers(-10, 10),
    is_held=st.booleans(),
    version=st.sampled_from([None, 3, 4]),
    kind=st.sampled_from([None, "task"]),
)
def test_time_ends_it_first_then_a_target_that_changed_or_went(seconds, is_held, version, kind):
    request = ask(target_kind=kind, target_version=3 if kind else None)
    found = rules.lapse(request, now=request.expires_at + timedelta(seconds=seconds), is_held=is_held, version=version)
    if seconds >= 0:
        assert found is ApprovalState.EXPIRED
    elif not is_held or (kind and version != 3):
        assert found is ApprovalState.STALE
    else:
        assert found is None


@given(expires=st.floats(0, 1e7), wanted=st.none() | st.floats(-1e7, 1e7))
def test_people_are_called_before_the_end(expires, wanted):
    found = rules.escalates_after(expires, wanted)
    assert 0 <= found <= expires
    if wanted is None:
        assert found == expires / 2


def test_the_call_says_whom_it_waits_for_or_that_nobody_is_there():
    assert rules.call("Deploy", missing=1, names=["Ada", "Bob"]) == "“Deploy” waits for 1 more person; these may decide: Ada, Bob"
    assert rules.call("Deploy", missing=2, names=["Ada"]).startswith("“Deploy” waits for 2 more people and only Ada may decide")
    assert "nobody may decide" in rules.call("Deploy", missing=1, names=[])
