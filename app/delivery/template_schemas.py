"""The wire shapes of prompt templates and previews."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from app.delivery.types.templates import CONTENT_MOST, TemplateName, TemplateSource
from app.kernel.types import ActorKind
from app.kernel.wire import Body, View
from app.notifications.types import NotificationType

Content = Annotated[str, Meta(min_length=1, max_length=CONTENT_MOST, pattern=r"\S")]
Version = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Slug = Annotated[str, Meta(min_length=1, max_length=63)]


class TemplateEdit(Body):
    """`expected_version` 0 says that the account has never had one of its own."""

    content: Content
    expected_version: Version | None = None


class TemplateRemoval(Body):
    expected_version: Version | None = None


class Preview(Body):
    """Either a notification, or what one would be told of; `templates` stand in for those in force."""

    notification_id: UUID | None = None
    agent_slug: Slug | None = None
    task_id: UUID | None = None
    type: NotificationType | None = None
    templates: dict[TemplateName, Content] | None = None


class TemplateView(View):
    """`source` says whose it is; `version` counts the account's own, given back or not."""

    name: TemplateName
    source: TemplateSource
    version: int
    digest: str
    size: int
    updated_by_kind: ActorKind | None
    updated_by_id: UUID | None
    updated_at: datetime | None


class TemplateText(TemplateView):
    """`variables` are the names that a template may use."""

    content: str
    variables: list[str]


class TemplatePage(View):
    items: list[TemplateView]
    next_cursor: str | None
    limit: int


class TemplateVersionView(View):
    """Without `content` it gave the installation's template back."""

    version: int
    content: str | None
    author_kind: ActorKind
    author_id: UUID | None
    created_at: datetime


class TemplateVersionPage(View):
    items: list[TemplateVersionView]
    next_cursor: str | None
    limit: int


class ProblemView(View):
    place: str
    line: int
    rule: str
    message: str


class ToolView(View):
    name: str
    description: str
    parameters: dict[str, Any]


class PreviewView(View):
    """A prompt as it would be sent now.

    `problems` are what is wrong with templates that were passed over, and what the lint finds; `suspicions` name what looks like
    an attack in the texts from outside, which stand fenced all the same.
    """

    agent_slug: str
    task_id: UUID | None
    type: NotificationType
    instructions: str
    input: str
    tools: list[ToolView]
    digest: str
    size: int
    template_version: str
    template_source: TemplateSource
    suspicions: list[str]
    problems: list[ProblemView]
