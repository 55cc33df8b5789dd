"""The wire shapes of a thread."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from app.events.schemas import EventView
from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.messages.types import Content, Request, Suppression
from app.tasks.schemas import TaskView
from app.tasks.schemas.evidence import CriterionView
from app.tasks.schemas.graph import GraphView
from app.tasks.schemas.handoffs import HandoffView
from app.tasks.schemas.stopping import StoppedView
from app.tasks.schemas.vcs import VcsRefView
from app.tasks.schemas.worktrees import WorktreeView

Recipients = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(min_length=1, max_length=10)]


class NewMessage(Body):
    content: Content


class AgentMessage(Body):
    """`notification_id` is the notification that this answers; each is answered once."""

    task_id: UUID
    content: Content
    notification_id: UUID | None = None


class MessageView(View):
    id: UUID
    task_id: UUID
    author_kind: ActorKind
    author_id: UUID | None
    author_name: str
    content: str
    mentions: list[str]
    created_at: datetime


class SaidView(MessageView):
    """`stopped` is what a message that stops the task ended."""

    stopped: StoppedView | UnsetType = UNSET


class LoadedTask(View):
    """A card with the newest part of its thread, oldest first; `session_key` is the caller's own on the task.

    `handoffs` are what the last holders and reviewers left, newest first; `vcs_refs` the newest, in their order;
    `worktree` is where its work is done.
    """

    task: TaskView
    thread: list[MessageView]
    omitted: int
    handoffs: list[HandoffView]
    criteria: list[CriterionView]
    vcs_refs: list[VcsRefView]
    worktree: WorktreeView | None
    graph: GraphView
    session_key: str | None = None


class AgentThread(Body):
    """`cursor` is the `next_cursor` of the page before."""

    task_id: UUID
    limit: int | None = None
    cursor: UUID | None = None


class AgentHistory(Body):
    task_id: UUID
    message_limit: int | None = None
    event_limit: int | None = None


class HistoryView(View):
    """Messages oldest first, events newest first, each at most as many as its limit says."""

    task: TaskView
    messages: list[MessageView]
    events: list[EventView]
    message_limit: int
    event_limit: int


class ResponseRequest(Body):
    """Each of these agents is notified once, until it answered or four hours passed."""

    recipient_slugs: Recipients
    message: Request


class AgentResponseRequest(Body):
    task_id: UUID
    recipient_slugs: Recipients
    message: Request


class AskedView(View):
    slug: str
    notification_id: UUID


class SuppressedView(View):
    """Somebody who was asked before; `undelivered` has not heard of it yet, `unanswered` has."""

    slug: str
    reason: Suppression


class RequestsView(View):
    created: list[AskedView]
    suppressed: list[SuppressedView]


class MessagePage(View):
    items: list[MessageView]
    next_cursor: str | None
    limit: int
