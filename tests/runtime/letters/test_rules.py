from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from app.runtime.rules import letters as rules
from app.runtime.rules.letters import LetterFacts
from app.runtime.rules.profiles import PROFILES
from app.runtime.types import CommandState, DeadLetterState, ErrorClass, ReplayObstacle

WHO = uuid4()
FACTS = st.builds(
    LetterFacts,
    state=st.sampled_from(DeadLetterState),
    command_state=st.sampled_from(CommandState),
    profile=st.sampled_from(list(PROFILES.values())),
    is_known=st.booleans(),
    is_marked=st.booleans(),
    requested_by=st.sampled_from([None, WHO, uuid4()]),
)


@given(FACTS)
def test_only_an_open_letter_of_a_given_up_command_is_replayed(facts):
    is_open = facts.state is DeadLetterState.OPEN and facts.command_state is CommandState.DEAD_LETTERED
    assert (rules.obstacle(facts, who=WHO) is ReplayObstacle.NOT_OPEN) == (not is_open)


@given(FACTS)
def test_what_is_replayed_is_eligible(facts):
    if rules.obstacle(facts, who=WHO) is None:
        assert rules.is_eligible(facts)
        assert facts.profile.replays
        assert facts.is_known
        assert facts.is_marked


@given(FACTS)
def test_an_eligible_open_letter_is_replayed_by_everyone_but_its_requester(facts):
    is_open = facts.state is DeadLetterState.OPEN and facts.command_state is CommandState.DEAD_LETTERED
    if is_open and rules.is_eligible(facts):
        own = facts.requested_by == WHO and facts.profile.needs_approval
        assert rules.obstacle(facts, who=WHO) == (ReplayObstacle.OWN_REQUEST if own else None)


@given(FACTS)
def test_every_obstacle_can_be_told_in_words(facts):
    found = rules.obstacle(facts, who=WHO)
    assert found is None or rules.WORDS[found]


def test_the_profiles_say_what_is_replayed():
    assert {name for name, profile in PROFILES.items() if not profile.replays} == {"best_effort"}
    assert {name for name, profile in PROFILES.items() if not rules.in_bulk(profile)} == {"best_effort", "manual_review"}


def test_a_replay_of_everything_leaves_out_what_only_a_mended_cause_can_help():
    assert rules.left_out(is_named=True) == frozenset()
    left = rules.left_out(is_named=False)
    assert left == {
        ErrorClass.VALIDATION,
        ErrorClass.AUTH,
        ErrorClass.NOT_FOUND,
        ErrorClass.DENIED,
        ErrorClass.WORKER_LOST,
    }


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_success_rate_is_a_share_or_unknown(resolved, failed):
    rate = rules.success_rate(resolved=resolved, ended=resolved + failed)
    assert (rate is None) == (resolved + failed == 0)
    assert rate is None or 0 <= rate <= 1


@given(st.lists(st.integers(1, 50), min_size=1))
def test_the_shares_of_all_causes_are_one(counts):
    assert abs(sum(rules.share(one, total=sum(counts)) for one in counts) - 1) < 1e-9
    assert rules.share(0, total=0) == 0
