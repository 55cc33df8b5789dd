"""Several changes of one card in one transaction."""

import msgspec

from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.tasks import assigning, scenes, service
from app.tasks.changes import expect
from app.tasks.closes import closes_counted
from app.tasks.schemas import Assignment, StatusChange, TaskEdit, TaskView
from app.tasks.schemas.updating import EDITS, AgentUpdate
from app.tasks.types import TaskStatus


async def update(tx: Transaction, principal: Principal, asked: AgentUpdate) -> TaskView:
    """Assign, edit and move, in this order; a refusal of one undoes all.

    What is expected is compared before the first change, so that the later ones do not meet their own versions.
    """
    with closes_counted(asked.status):
        view = await _assigned_and_edited(tx, principal, asked)
    if asked.status is not msgspec.UNSET:
        change = StatusChange(
            status=TaskStatus(asked.status),
            blocked_reason=asked.blocked_reason,
            reason=asked.reason,
            fence=asked.fence,
            handoff=asked.handoff,
        )
        view = await service.move(tx, principal, asked.task_id, change)
    if view is None:
        raise AssertionError("a body without a change is refused at the wire")
    return view


async def _assigned_and_edited(tx: Transaction, principal: Principal, asked: AgentUpdate) -> TaskView | None:
    if asked.expected_status is not None or asked.expected_version is not None:
        card, _ = await scenes.load(tx, principal, asked.task_id)
        expect(card, status=asked.expected_status, version=asked.expected_version)
    view = None
    if asked.assignee_slugs is not msgspec.UNSET:
        named = Assignment(assignee_slugs=asked.assignee_slugs, replace=asked.replace, reason=asked.reason, handoff=asked.handoff)
        view = await assigning.assign(tx, principal, asked.task_id, named)
        await tx.flush()
    edits = {name: getattr(asked, name) for name in EDITS if getattr(asked, name) is not msgspec.UNSET}
    if edits:
        view = await service.edit(tx, principal, asked.task_id, TaskEdit(**edits, fence=asked.fence))
        await tx.flush()
    return view
