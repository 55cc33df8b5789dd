"""What agents may say and read in threads."""

from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import Page
from app.messages import requests, service, threads
from app.messages.schemas import (
    AgentHistory,
    AgentMessage,
    AgentResponseRequest,
    AgentThread,
    HistoryView,
    LoadedTask,
    MessagePage,
    MessageView,
    RequestsView,
)
from app.policies.types import Action
from app.policies.verbs import Toolset, Verb
from app.tasks.schemas import AgentTask


async def post(tx: Transaction, principal: Principal, body: AgentMessage) -> MessageView:
    return await service.post(tx, principal, body.task_id, body.content, answers=body.notification_id)


async def load(tx: Transaction, principal: Principal, body: AgentTask) -> LoadedTask:
    return await service.load(tx, principal, body.task_id, limit=body.message_limit)


async def thread(tx: Transaction, principal: Principal, body: AgentThread) -> Page:
    return await threads.oldest_first(tx, principal, body)


async def history(tx: Transaction, _principal: Principal, body: AgentHistory) -> HistoryView:
    return await threads.history(tx, body)


async def ask(tx: Transaction, principal: Principal, body: AgentResponseRequest) -> RequestsView:
    return await requests.ask(tx, principal, body.task_id, slugs=body.recipient_slugs, message=body.message)


VERBS = (
    Verb(
        name="task-message",
        summary="Say something in a task's thread.",
        action=Action.TASK_MESSAGE,
        body=AgentMessage,
        view=MessageView,
        act=post,
        toolset=Toolset.CORE,
        status=201,
    ),
    Verb(
        name="task-load",
        summary="Read a task with the newest messages of its thread.",
        action=Action.TASK_READ,
        body=AgentTask,
        view=LoadedTask,
        act=load,
        toolset=Toolset.CORE,
        reads=True,
    ),
    Verb(
        name="task-thread",
        summary="A page of a task's thread, oldest first; for the orchestrator.",
        action=Action.TASK_SURVEY,
        body=AgentThread,
        view=MessagePage,
        act=thread,
        reads=True,
    ),
    Verb(
        name="task-history",
        summary="Read a task with what was said and what happened on it.",
        action=Action.TASK_READ,
        body=AgentHistory,
        view=HistoryView,
        act=history,
        reads=True,
    ),
    Verb(
        name="response-request",
        summary="Ask agents for an answer on a task; each is notified.",
        action=Action.AGENTS_MENTION,
        body=AgentResponseRequest,
        view=RequestsView,
        act=ask,
        toolset=Toolset.TEAM,
    ),
)
