"""What agents may say and read in threads."""

from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.messages import service
from app.messages.schemas import AgentMessage, LoadedTask, MessageView
from app.policies.types import Action
from app.policies.verbs import Verb
from app.tasks.schemas import AgentTask


async def post(tx: Transaction, principal: Principal, body: AgentMessage) -> MessageView:
    return await service.post(tx, principal, body.task_id, body.content, answers=body.notification_id)


async def load(tx: Transaction, principal: Principal, body: AgentTask) -> LoadedTask:
    _ = principal
    return await service.load(tx, body.task_id, limit=body.message_limit)


VERBS = (
    Verb(
        name="task-message",
        summary="Say something in a task's thread.",
        action=Action.TASK_MESSAGE,
        body=AgentMessage,
        view=MessageView,
        act=post,
        status=201,
    ),
    Verb(
        name="task-load",
        summary="Read a task with the newest messages of its thread.",
        action=Action.TASK_READ,
        body=AgentTask,
        view=LoadedTask,
        act=load,
    ),
)
