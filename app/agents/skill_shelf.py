"""Skills for those who manage them: written, approved, given to agents and taken away."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.agents import approving
from app.agents.queries import skills as queries
from app.agents.skill_schemas import AgentSkillList, AgentSkills, NewSkill, SkillApproval, SkillEdit, SkillSummary, SkillText
from app.agents.types import Approving, SkillFacts, SkillsChanged
from app.events import service as events
from app.kernel.errors import Forbidden, Missing, TooLarge, VersionConflict
from app.kernel.ids import new_id
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page, clamped

SELF_APPROVAL = "self_approval"
TEXT = ("name", "description", "content")
FIELDS = (*TEXT, "is_enabled", "requires_approval")


async def page(tx: Transaction, *, limit: int | None, after: str | None) -> Page:
    """A page of skills by slug, without their texts."""
    size = clamped(limit)
    rows = await tx.rows(queries.SKILLS, tx.account_id, after or "", size + 1)
    items = [_summary(row) for row in rows[:size]]
    return Page(items=items, next_cursor=items[-1].slug if len(rows) > size else None, limit=size)


async def one(tx: Transaction, skill_id: UUID) -> SkillText:
    row = await _row(tx, queries.SKILL, skill_id)
    return msgspec.convert(_shown(row) | {"content": row["content"]}, SkillText)


async def create(tx: Transaction, who: Principal, asked: NewSkill) -> SkillText:
    _fits(asked.content)
    skill_id, words = new_id(), (asked.slug, asked.name, asked.description, asked.content)
    tx.write(queries.INSERT_SKILL, tx.account_id, skill_id, *words, asked.is_enabled, asked.requires_approval, who.id, expect=1)
    _record(tx, who, "created", {"id": skill_id, "slug": asked.slug, "version": 1}, fields=FIELDS)
    await tx.flush()
    return await one(tx, skill_id)


async def edit(tx: Transaction, who: Principal, skill_id: UUID, asked: SkillEdit) -> SkillText:
    """Change what was sent; another text has to be approved again."""
    before = await _row(tx, queries.SKILL_LOCKED, skill_id)
    _expect(before["version"], asked.expected_version)
    sent = {name: value for name in FIELDS if (value := getattr(asked, name)) is not msgspec.UNSET}
    changed = sorted(name for name, value in sent.items() if value != before[name])
    if not changed:
        return await one(tx, skill_id)
    after = {name: before[name] for name in FIELDS} | sent
    _fits(after["content"])
    facts = approving.edited(
        _facts(before),
        who.id,
        changes_text=any(name in TEXT for name in changed),
        is_enabled=after["is_enabled"],
        requires_approval=after["requires_approval"],
    )
    remarks: dict[str, Any] = {}
    if before["requires_approval"] and not after["requires_approval"]:
        remarks = await _judged(tx, who, facts)
        facts = approving.approved(facts, who.id)
    _write(tx, skill_id, after, facts)
    _record(tx, who, "updated", dict(before) | {"version": facts.version}, fields=changed, **remarks)
    await _tell(tx, skill_id)
    await tx.flush()
    return await one(tx, skill_id)


async def approve(tx: Transaction, who: Principal, skill_id: UUID, asked: SkillApproval) -> SkillText:
    """Let a version teach that somebody else has written."""
    before = await _row(tx, queries.SKILL_LOCKED, skill_id)
    facts = _facts(before)
    _expect(facts.version, asked.version)
    if facts.approved_version == facts.version:
        return await one(tx, skill_id)
    remarks = await _judged(tx, who, facts)
    _write(tx, skill_id, before, approving.approved(facts, who.id))
    _record(tx, who, "approved", before, fields=(), **remarks)
    await _tell(tx, skill_id)
    await tx.flush()
    return await one(tx, skill_id)


async def delete(tx: Transaction, who: Principal, skill_id: UUID) -> None:
    """Take a skill away, from every agent too."""
    before = await _row(tx, queries.SKILL_LOCKED, skill_id)
    await _tell(tx, skill_id)
    tx.write(queries.DELETE_SKILL, tx.account_id, skill_id, expect=1)
    _record(tx, who, "deleted", dict(before) | {"version": before["version"] + 1}, fields=())


async def of_agent(tx: Transaction, agent_id: UUID) -> AgentSkillList:
    """Everything that the agent was given, usable or not."""
    agent = await tx.row(queries.PUPIL, tx.account_id, agent_id)
    if agent is None:
        raise Missing.thing("agent", agent_id)
    rows = await tx.rows(queries.OF_AGENT, tx.account_id, agent_id)
    skills = [_summary(row) for row in rows]
    return AgentSkillList(agent_id=agent["id"], agent_slug=agent["slug"], version=agent["version"], skills=skills)


async def give(tx: Transaction, who: Principal, agent_id: UUID, asked: AgentSkills) -> AgentSkillList:
    """Let the agent have exactly these skills."""
    agent = await tx.row(queries.PUPIL_LOCKED, tx.account_id, agent_id)
    if agent is None:
        raise Missing.thing("agent", agent_id)
    _expect(agent["version"], asked.expected_version, what="agent")
    wanted = sorted(set(asked.skills))
    known = {row["slug"]: row["id"] for row in await tx.rows(queries.CALLED, tx.account_id, wanted)}
    for slug in wanted:
        if slug not in known:
            raise Missing.thing("skill", slug)
    if wanted != [row["slug"] for row in await tx.rows(queries.OF_AGENT, tx.account_id, agent_id)]:
        tx.write(queries.TEACH, tx.account_id, agent_id, [known[slug] for slug in wanted], expect=1)
        payload, version = {"fields": ["skills"], "skills": wanted}, agent["version"] + 1
        events.record(tx, "board:agent:updated", entity=("agent", agent_id), actor=who, payload=payload, sequence=version)
        await tx.tell(SkillsChanged(agent_ids=(agent_id,)))
        await tx.flush()
    return await of_agent(tx, agent_id)


async def _judged(tx: Transaction, who: Principal, facts: SkillFacts) -> dict[str, Any]:
    """What the event says of an approval; Forbidden where it is not this admin's to give."""
    others = await tx.value(queries.OTHER_ADMINS, tx.account_id, who.id)
    verdict = approving.may_approve(who.id, facts, other_admins=others)
    if verdict is Approving.REFUSED:
        raise Forbidden("whoever edited a skill last does not approve it; another admin does", reason=SELF_APPROVAL)
    return {"approval": verdict}


async def _tell(tx: Transaction, skill_id: UUID) -> None:
    rows = await tx.rows(queries.LEARNERS, tx.account_id, skill_id)
    await tx.tell(SkillsChanged(agent_ids=tuple(row["agent_id"] for row in rows)))


def _write(tx: Transaction, skill_id: UUID, words: Any, facts: SkillFacts) -> None:
    approved = (facts.approved_version, facts.approved_by_id, facts.edited_by_id, facts.version)
    said = (words["name"], words["description"], words["content"], facts.is_enabled, facts.requires_approval)
    tx.write(queries.CHANGE_SKILL, tx.account_id, skill_id, *said, *approved, expect=1)


def _record(tx: Transaction, who: Principal, action: str, row: Any, *, fields: Sequence[str], **remarks: Any) -> None:
    """The log says which fields were written, never what is in them."""
    payload = {"slug": row["slug"], "version": row["version"], "fields": list(fields)} | remarks
    entity, sequence = ("skill", row["id"]), row["version"]
    events.record(tx, f"board:skill:{action}", entity=entity, sequence=sequence, actor=who, payload=payload)


def _fits(content: str) -> None:
    if len(content.encode()) > approving.SKILL_MOST_BYTES:
        raise TooLarge(
            f"a skill holds at most {approving.SKILL_MOST_BYTES} bytes", field="content", most=approving.SKILL_MOST_BYTES
        )


def _expect(version: int, expected: int | None, *, what: str = "skill") -> None:
    if expected not in (None, version):
        raise VersionConflict(f"the {what} has version {version}, not {expected}", expected_version=expected, version=version)


async def _row(tx: Transaction, sql: str, skill_id: UUID) -> Any:
    row = await tx.row(sql, tx.account_id, skill_id)
    if row is None:
        raise Missing.thing("skill", skill_id)
    return row


def _facts(row: Any) -> SkillFacts:
    return msgspec.convert(dict(row), SkillFacts)


def _shown(row: Any) -> dict[str, Any]:
    facts = _facts(row)
    decided = {"approval": approving.approval(facts), "is_usable": approving.is_usable(facts)}
    return dict(row) | decided | {"agents": msgspec.json.decode(row["agents"])}


def _summary(row: Any) -> SkillSummary:
    return msgspec.convert(_shown(row), SkillSummary)
