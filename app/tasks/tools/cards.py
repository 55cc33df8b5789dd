"""Making cards, putting agents on them, and moving them."""

import msgspec

from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies.types import Action
from app.policies.verbs import Toolset, Verb
from app.tasks import assigning, service, updating
from app.tasks.schemas import AgentAssignment, AgentNewTask, AgentStatusChange, Assignment, NewTask, StatusChange, TaskView
from app.tasks.schemas.updating import AgentUpdate
from app.tasks.types import TaskStatus


async def create(tx: Transaction, principal: Principal, body: AgentNewTask) -> TaskView:
    fields = msgspec.structs.asdict(body)
    because = fields.pop("not_duplicate_because")
    return await assigning.create(tx, principal, NewTask(**fields), because=because)


async def assign(tx: Transaction, principal: Principal, body: AgentAssignment) -> TaskView:
    asked = Assignment(
        assignee_slugs=body.assignee_slugs,
        replace=body.replace,
        expected_version=body.expected_version,
        reason=body.reason,
        handoff=body.handoff,
    )
    return await assigning.assign(tx, principal, body.task_id, asked)


async def move(tx: Transaction, principal: Principal, body: AgentStatusChange) -> TaskView:
    change = StatusChange(
        status=TaskStatus(body.status),
        blocked_reason=body.blocked_reason,
        reason=body.reason,
        expected_status=body.expected_status,
        expected_version=body.expected_version,
        fence=body.fence,
        handoff=body.handoff,
    )
    return await service.move(tx, principal, body.task_id, change)


VERBS = (
    Verb(
        name="task-update",
        summary="Change a task: its words, labels, criteria, dependencies, status; the orchestrator also its assignees.",
        action=Action.TASK_UPDATE,
        body=AgentUpdate,
        view=TaskView,
        act=updating.update,
    ),
    Verb(
        name="task-create",
        summary="Put a task on the board.",
        action=Action.TASK_CREATE,
        body=AgentNewTask,
        view=TaskView,
        act=create,
        status=201,
    ),
    Verb(
        name="task-assign",
        summary="Put agents on a task; for the orchestrator.",
        action=Action.TASK_ASSIGN,
        body=AgentAssignment,
        view=TaskView,
        act=assign,
    ),
    Verb(
        name="task-status",
        summary="Move a task to in_progress, review, done or blocked.",
        action=Action.TASK_MOVE,
        body=AgentStatusChange,
        view=TaskView,
        act=move,
        toolset=Toolset.CORE,
    ),
)
