"""The wire shapes of skills, for people and for agents."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.agents.schemas import Called, Name
from app.agents.types import Approval
from app.kernel.wire import Body, Slug, View

Content = Annotated[str, Meta(pattern=r"\S")]
Description = Annotated[str, Meta(max_length=1_000)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class SkillsQuestion(Body):
    """Of one agent, with the texts of its skills; otherwise of all by slug, where `cursor` is the `next_cursor` before."""

    agent_slug: Called | None = None
    limit: int | None = None
    cursor: Called | None = None


class SkillView(View):
    slug: str
    name: str
    description: str
    content: str | UnsetType = UNSET


class AgentSkillsView(View):
    agent_slug: str
    skills: list[SkillView]
    skill_count: int
    updated_at: datetime


class SkillsPage(View):
    agents: list[AgentSkillsView]
    next_cursor: str | None
    limit: int


class NewSkill(Body):
    """`content` is Markdown of at most 512 KiB.

    With `requires_approval` it teaches nobody until an admin other than its last editor has approved this version of it.
    """

    slug: Slug
    name: Name
    content: Content
    description: Description = ""
    is_enabled: bool = True
    requires_approval: bool = False


class SkillEdit(Body):
    """Absent fields stay. Whoever takes `requires_approval` away approves the text, and must be one who may."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    requires_approval: bool | UnsetType = UNSET
    expected_version: Version | None = None


class SkillApproval(Body):
    """Which version was read and is approved; any other is refused."""

    version: Version


class AgentSkills(Body):
    """All skills that the agent has from now on, by slug."""

    skills: Annotated[list[Slug], Meta(max_length=100)]
    expected_version: Version | None = None


class SkillSummary(View):
    """A skill without its text, which has `size` bytes; `is_usable` says whether `agents`, who have it, are taught it.

    `approval` is `not_required`, `pending` or `approved`; nobody's name with it means that the operator's seeds brought it.
    """

    id: UUID
    slug: str
    name: str
    description: str
    size: int
    is_enabled: bool
    requires_approval: bool
    approval: Approval
    approved_version: int | None
    approved_by_id: UUID | None
    edited_by_id: UUID | None
    is_usable: bool
    agents: list[str]
    version: int
    created_at: datetime
    updated_at: datetime


class SkillText(SkillSummary):
    content: str


class SkillPage(View):
    items: list[SkillSummary]
    next_cursor: str | None
    limit: int


class AgentSkillList(View):
    """What an agent was given, usable or not; `version` is the agent's."""

    agent_id: UUID
    agent_slug: str
    version: int
    skills: list[SkillSummary]
