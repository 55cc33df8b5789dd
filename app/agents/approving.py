"""Whether a skill teaches, who may approve it, and what becomes of an approval when it is edited."""

from uuid import UUID

import msgspec

from app.agents.types import Approval, Approving, SkillFacts

SKILL_MOST_BYTES = 512 << 10


def approval(skill: SkillFacts) -> Approval:
    if not skill.requires_approval:
        return Approval.NOT_REQUIRED
    return Approval.APPROVED if skill.approved_version == skill.version else Approval.PENDING


def is_usable(skill: SkillFacts) -> bool:
    """Whether agents may be taught the skill as it is now."""
    return skill.is_enabled and approval(skill) is not Approval.PENDING


def may_approve(approver: UUID, skill: SkillFacts, *, other_admins: int) -> Approving:
    """Two pairs of eyes, where there are two: nobody approves their own text unless they are the only admin."""
    if skill.edited_by_id != approver:
        return Approving.BY_ANOTHER
    return Approving.REFUSED if other_admins else Approving.ALONE


def approved(skill: SkillFacts, approver: UUID) -> SkillFacts:
    return msgspec.structs.replace(skill, approved_version=skill.version, approved_by_id=approver)


def edited(skill: SkillFacts, editor: UUID, *, changes_text: bool, is_enabled: bool, requires_approval: bool) -> SkillFacts:
    """The next version: another text has to be approved again, and what else is changed leaves the approval as it was."""
    version = skill.version + 1
    keeps = not changes_text and skill.approved_version == skill.version
    return SkillFacts(
        version=version,
        is_enabled=is_enabled,
        requires_approval=requires_approval,
        approved_version=version if keeps else None,
        approved_by_id=skill.approved_by_id if keeps else None,
        edited_by_id=editor if changes_text else skill.edited_by_id,
    )
