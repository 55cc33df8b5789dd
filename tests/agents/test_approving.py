"""When a skill teaches, whatever happened to it before."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents import approving
from app.agents.types import Approval, Approving, SkillFacts

PEOPLE = [UUID(int=number) for number in (1, 2, 3)]
STEPS = st.tuples(
    st.sampled_from(["text", "other", "approve", "require", "release", "disable", "enable"]), st.sampled_from(PEOPLE)
)


def stepped(skill: SkillFacts, what: str, who: UUID, *, other_admins: int) -> SkillFacts:
    if what == "approve":
        is_allowed = approving.may_approve(who, skill, other_admins=other_admins) is not Approving.REFUSED
        return approving.approved(skill, who) if is_allowed else skill
    enabled = {"disable": False, "enable": True}.get(what, skill.is_enabled)
    required = {"require": True, "release": False}.get(what, skill.requires_approval)
    return approving.edited(skill, who, changes_text=what == "text", is_enabled=enabled, requires_approval=required)


@given(steps=st.lists(STEPS, max_size=12), other_admins=st.integers(0, 2))
@settings(max_examples=200, deadline=None)
def test_an_approved_text_is_the_one_that_somebody_approved_and_never_only_its_editor(steps, other_admins):
    skill = SkillFacts(requires_approval=True, edited_by_id=PEOPLE[0])
    text, approved_text, approver, editor = 0, None, None, PEOPLE[0]
    for what, who in steps:
        before, skill = skill, stepped(skill, what, who, other_admins=other_admins)
        if what == "text":
            text, editor = text + 1, who
        if what == "approve" and skill != before:
            approved_text, approver = text, who
        is_approved = approved_text == text
        assert (skill.approved_version == skill.version) == is_approved
        assert skill.edited_by_id == editor
        assert approving.is_usable(skill) == (skill.is_enabled and (is_approved or not skill.requires_approval))
        assert not (is_approved and other_admins and approver == editor)
        assert skill.version >= before.version


def test_nobody_is_their_own_second_pair_of_eyes_while_there_is_another():
    own = SkillFacts(edited_by_id=PEOPLE[0], requires_approval=True)
    assert approving.may_approve(PEOPLE[0], own, other_admins=1) is Approving.REFUSED
    assert approving.may_approve(PEOPLE[0], own, other_admins=0) is Approving.ALONE
    assert approving.may_approve(PEOPLE[1], own, other_admins=2) is Approving.BY_ANOTHER
    # The operator's seeds have no editor.
    assert approving.may_approve(PEOPLE[0], SkillFacts(), other_admins=1) is Approving.BY_ANOTHER
    assert approving.approval(own) is Approval.PENDING
    assert approving.approval(SkillFacts()) is Approval.NOT_REQUIRED
