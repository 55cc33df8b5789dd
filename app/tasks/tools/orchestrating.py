"""Stopping a task, taking it off the board, and tying it to what it became in version control."""

from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.policies.types import Action
from app.policies.verbs import Verb
from app.tasks import service, stopping, vcs
from app.tasks.schemas import StatusChange, TaskView
from app.tasks.schemas.orchestrating import AgentDeletion
from app.tasks.schemas.stopping import AgentStop, StoppedView
from app.tasks.schemas.vcs import AgentVcsRef, LinkView
from app.tasks.types import TaskStatus


async def delete(tx: Transaction, principal: Principal, body: AgentDeletion) -> TaskView:
    change = StatusChange(
        status=TaskStatus.ARCHIVED, reason=body.reason, children=body.children, expected_version=body.expected_version
    )
    return await service.move(tx, principal, body.task_id, change)


async def stop(tx: Transaction, principal: Principal, body: AgentStop) -> StoppedView:
    return await stopping.stop(tx, principal, body.task_id, body)


async def link(tx: Transaction, principal: Principal, body: AgentVcsRef) -> LinkView:
    return await vcs.link(tx, principal, body.task_id, body.vcs_ref, version=body.expected_version, fence=body.fence)


VERBS = (
    Verb(
        name="task-delete",
        summary="Archive a task, with the reason; its thread and documents stay. For the orchestrator.",
        action=Action.TASK_ARCHIVE,
        body=AgentDeletion,
        view=TaskView,
        act=delete,
    ),
    Verb(
        name="task-stop",
        summary="Stop a task at once: it is blocked, and what waits or runs for it is ended. For the orchestrator.",
        action=Action.TASK_STOP,
        body=AgentStop,
        view=StoppedView,
        act=stop,
    ),
    Verb(
        name="task-link-pr",
        summary="Tie a task to a change request in version control, by its number or its address.",
        action=Action.TASK_LINK,
        body=AgentVcsRef,
        view=LinkView,
        act=link,
    ),
)
