import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policies.capabilities import effective
from app.policies.types import SYSTEM_DEFAULTS, AccountPolicy, Flag, Flags, Resolved, Source
from tests.policies.crews import TRI, accounts, agent, agents


@pytest.mark.parametrize(
    ("flags", "default", "fallback", "slug", "role", "expected"),
    [
        (True, False, True, "ada", "Engineer", Resolved(True, Source.AGENT)),
        (False, True, True, "qa", "QA", Resolved(False, Source.AGENT)),
        (None, True, True, "ada", "Engineer", Resolved(True, Source.ACCOUNT)),
        (None, False, True, "qa", "QA", Resolved(False, Source.ACCOUNT)),
        (None, None, True, "qa", "Engineer", Resolved(True, Source.LEGACY)),
        (None, None, True, "QA", "", Resolved(True, Source.LEGACY)),
        (None, None, True, "ada", "Senior qA engineer", Resolved(True, Source.LEGACY)),
        (None, None, True, "ada", "Quality Assurance", Resolved(True, Source.LEGACY)),
        (None, None, True, "ada", "Data Quality Engineer", Resolved(True, Source.LEGACY)),
        (None, None, True, "ada", "Equality officer", Resolved(False, Source.DEFAULT)),
        (None, None, True, "ada", "Qatar desk", Resolved(False, Source.DEFAULT)),
        (None, None, True, "qa-2", "Reviewer", Resolved(False, Source.DEFAULT)),
        (None, None, False, "qa", "QA", Resolved(False, Source.DEFAULT)),
    ],
)
def test_a_reviewer_is_one_by_its_own_flag_then_the_account_then_the_old_words(flags, default, fallback, slug, role, expected):
    facts = msgspec.structs.replace(agent(9, role=role, flags=Flags(is_reviewer=flags)), slug=slug)
    account = AccountPolicy(defaults=Flags(is_reviewer=default), legacy_reviewer_fallback=fallback)
    assert effective(facts, account).flags[Flag.IS_REVIEWER] == expected


@given(st.sampled_from(Flag), TRI, TRI)
def test_each_flag_is_the_agents_then_the_accounts_then_the_systems(flag, own, default):
    account = AccountPolicy(defaults=Flags(**{flag.value: default}))
    found = effective(agent(flags=Flags(**{flag.value: own})), account).flags
    levels = ((own, Source.AGENT), (default, Source.ACCOUNT), (SYSTEM_DEFAULTS[flag], Source.DEFAULT))
    assert found[flag] == next(Resolved(value, source) for value, source in levels if value is not None)
    others = set(Flag) - {flag, Flag.CAN_MARK_DONE}
    assert all(found[other] == Resolved(SYSTEM_DEFAULTS[other], Source.DEFAULT) for other in others)


@given(agents(1), accounts)
def test_unset_can_mark_done_follows_from_reviewing_or_leading(facts, account):
    policy = effective(facts, account)
    found = policy.flags[Flag.CAN_MARK_DONE]
    if found.source is Source.DEFAULT:
        assert found.value == (policy.allows(Flag.IS_REVIEWER) or policy.is_orchestrator)
