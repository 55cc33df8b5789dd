"""Whose turn it is: an agent's only when it can take away the first thing that stands in the way."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.agentapi.rules.turns import ELSEWHERE, HINDRANCES, turn_of
from app.agentapi.types import Obstacle, WaitsFor, Who, Why
from app.kernel.types import ActorKind

ME, OTHER = UUID(int=1), UUID(int=2)


def obstacle(kind: WaitsFor, *who: UUID) -> Obstacle:
    return Obstacle(waits_for=kind, words=kind, who=tuple(Who(kind=ActorKind.AGENT, name="x", id=one) for one in who))


OBSTACLES = st.builds(obstacle, st.sampled_from(WaitsFor), st.sampled_from([ME, OTHER])) | st.builds(
    obstacle, st.sampled_from(WaitsFor)
)


def test_an_agent_waits_behind_what_only_others_take_away():
    mine = obstacle(WaitsFor.REVIEWER_TO_CLOSE, ME)
    assert turn_of(ME, Why(first=mine)) is mine
    assert turn_of(ME, Why(first=obstacle(WaitsFor.OPEN_CHILDREN), also=(mine,))) is None
    assert turn_of(ME, Why(first=obstacle(WaitsFor.REVIEW_HELD, OTHER), also=(mine,))) is None
    assert turn_of(ME, Why(first=obstacle(WaitsFor.BLOCKED, OTHER, ME), also=(mine,))) is not mine
    assert turn_of(ME, Why(first=obstacle(WaitsFor.ASSIGNEE_AT_CAPACITY, ME))) is None


@given(st.lists(OBSTACLES, min_size=1, max_size=4))
def test_whose_turn_it_is_names_the_agent_and_nothing_before_it_stands_in_its_way(obstacles):
    found = turn_of(ME, Why(first=obstacles[0], also=tuple(obstacles[1:])))
    named = [one for one in obstacles if any(who.id == ME for who in one.who) and one.waits_for not in ELSEWHERE]
    if found is None:
        assert not named or any(one.waits_for in HINDRANCES for one in obstacles[: obstacles.index(named[0])])
    else:
        assert found is named[0]
        assert not any(one.waits_for in HINDRANCES for one in obstacles[: obstacles.index(found)])
