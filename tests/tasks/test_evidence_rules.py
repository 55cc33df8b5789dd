"""What `done` needs of criteria, who judges them, and what a new list keeps: the rules alone."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.types import ActorKind
from app.policies.types import Evidence
from app.tasks.rules.evidence import CLOSED, Gap, JudgeProblem, guarded, judgement, replacement, shortfall
from app.tasks.types import Criterion, TaskStatus, Verdict

PERSON, AGENT = ActorKind.PERSON, ActorKind.AGENT
SHA = "a" * 64
OPEN = tuple(status for status in TaskStatus if status not in CLOSED)


def criterion(position: int = 1, text: str | None = None, **fields) -> Criterion:
    return Criterion(id=UUID(int=position), position=position, text=text or f"criterion {position}", **fields)


@st.composite
def judged(draw, position: int) -> Criterion:
    verdict = draw(st.none() | st.sampled_from(Verdict))
    if verdict is None:
        return criterion(position)
    by = PERSON if verdict is Verdict.PERSON_CHECKED else draw(st.sampled_from((PERSON, AGENT)))
    return criterion(position, verdict=verdict, is_met=draw(st.booleans()), verdict_by_kind=by)


@st.composite
def lists(draw) -> tuple[Criterion, ...]:
    return tuple(draw(judged(position)) for position in range(1, draw(st.integers(0, 6)) + 1))


def proves(one: Criterion, level: Evidence) -> bool:
    checked = (Verdict.MACHINE_CHECKED, Verdict.PERSON_CHECKED)
    return bool(one.is_met) and (one.verdict in checked if level is Evidence.CHECKED else one.verdict is not None)


@given(lists(), st.sampled_from(Evidence))
def test_done_is_open_exactly_when_there_are_criteria_and_every_one_is_proven(criteria, level):
    lacks = shortfall(criteria, level=level)
    expected = level is Evidence.OFF or (bool(criteria) and all(proves(one, level) for one in criteria))
    assert (lacks is None) == expected


@given(lists(), st.sampled_from((Evidence.CLAIMED, Evidence.CHECKED)))
def test_a_shortfall_names_just_the_criteria_that_are_not_proven(criteria, level):
    lacks = shortfall(criteria, level=level)
    named = [one.id for one in lacks.criteria] if lacks else []
    assert named == [one.id for one in criteria if not proves(one, level)]


@given(lists())
def test_what_is_checked_is_also_claimed(criteria):
    if shortfall(criteria, level=Evidence.CHECKED) is None:
        assert shortfall(criteria, level=Evidence.CLAIMED) is None


@pytest.mark.parametrize(
    ("fields", "gap"),
    [
        ({}, Gap.UNJUDGED),
        ({"verdict": Verdict.PERSON_CHECKED, "is_met": False}, Gap.NOT_MET),
        ({"verdict": Verdict.CLAIMED, "is_met": True}, Gap.UNCHECKED),
    ],
)
def test_a_shortfall_says_what_each_criterion_lacks(fields, gap):
    lacks = shortfall([criterion(**fields)], level=Evidence.CHECKED)
    assert lacks is not None
    assert [one.gap for one in lacks.criteria] == [gap]


texts = st.none() | st.just("log.txt")
hashes = st.none() | st.just(SHA)


def judge(one, **fields):
    known = {"status": TaskStatus.REVIEW, "by": AGENT, "verdict": Verdict.CLAIMED, "artifact": None, "artifact_hash": None}
    return judgement(one, **(known | fields))


@given(judged(1), st.sampled_from((PERSON, AGENT)), st.sampled_from(Verdict), texts, hashes, st.sampled_from(TaskStatus))
def test_a_verdict_that_is_given_breaks_no_rule(one, by, verdict, artifact, digest, status):
    refusal = judge(one, by=by, verdict=verdict, artifact=artifact, artifact_hash=digest, status=status)
    if refusal is None:
        assert status in OPEN
        assert by is PERSON or (verdict is not Verdict.PERSON_CHECKED and one.verdict_by_kind is not PERSON)
        assert verdict is not Verdict.MACHINE_CHECKED or (artifact and digest)
        assert artifact or not digest
    elif by is PERSON and status in OPEN:
        assert refusal.problem is JudgeProblem.NO_ARTIFACT


@given(judged(1), st.sampled_from((PERSON, AGENT)), texts, hashes, st.sampled_from(OPEN))
def test_a_refused_machines_verdict_names_what_it_lacks(one, by, artifact, digest, status):
    refusal = judge(one, by=by, verdict=Verdict.MACHINE_CHECKED, artifact=artifact, artifact_hash=digest, status=status)
    if refusal is not None and refusal.problem is JudgeProblem.NO_ARTIFACT:
        given_now = {"artifact": artifact, "artifact_hash": digest}
        assert set(refusal.fields) == {name for name, value in given_now.items() if value is None}


names = st.lists(st.sampled_from([f"criterion {n}" for n in range(1, 9)]), unique=True, max_size=8)


@given(lists(), names)
def test_a_new_list_stands_in_its_order_and_keeps_what_it_repeats(criteria, wanted):
    found = replacement(criteria, wanted)
    places = {position: one.text for one, position in found.kept} | {position: text for text, position in found.added}
    assert [places[position] for position in range(1, len(wanted) + 1)] == wanted
    assert {one.id for one, _ in found.kept} == {one.id for one in criteria if one.text in wanted}
    assert {one.id for one in found.removed} == {one.id for one in criteria if one.text not in wanted}
    assert all(one in criteria for one, _ in found.kept)
    assert found.changes == ([one.text for one in criteria] != wanted)


@given(lists(), st.booleans())
def test_people_take_away_any_criterion_and_agents_none_that_a_person_judged(criteria, made):
    assert guarded(criteria, by=PERSON, set_the_task=made) == ()
    kept = guarded(criteria, by=AGENT, set_the_task=made)
    assert {one.id for one in criteria if one.verdict_by_kind is PERSON} <= {one.id for one in kept}
    if not made:
        assert kept == criteria


def test_the_same_text_with_another_verdict_is_no_change():
    one = criterion(verdict=Verdict.CLAIMED, is_met=True, verdict_by_kind=AGENT)
    assert not replacement([one], [one.text]).changes
    assert replacement([one, criterion(2)], ["criterion 2", one.text]).moves
