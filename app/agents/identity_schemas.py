"""The wire shapes of identities and their layers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from app.agents.types import Layer, LayerScope
from app.kernel.wire import Body, Slug, View

Content = Annotated[str, Meta(pattern=r"\S")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class NewLayer(Body):
    """`name` is the slug of the agent or the name of the folder that the layer is of; a shared one has none.

    `content` is Markdown of at most 1 MiB. The soul of an agent itself is a field of the agent.
    """

    scope: LayerScope
    layer: Layer
    content: Content
    name: Slug | None = None


class LayerEdit(Body):
    content: Content
    expected_version: Version | None = None


class LayerView(View):
    """A layer without its text, which has `size` bytes."""

    id: UUID
    scope: LayerScope
    name: str | None
    layer: Layer
    size: int
    version: int
    created_at: datetime
    updated_at: datetime


class LayerText(LayerView):
    content: str


class LayerPage(View):
    items: list[LayerView]
    next_cursor: str | None
    limit: int


class SectionView(View):
    """A section of the prompt; the text before the first heading has an empty one. `size` is in bytes."""

    layer: Layer
    heading: str
    size: int


class ConflictView(View):
    """A section that was left out: the layer `winner` has the same heading."""

    layer: Layer
    heading: str
    winner: Layer


class SourceView(View):
    """Whose text stands for a layer: `agent`, `folder` with its name, `shared` or `default`."""

    layer: Layer
    source: str


class IdentityView(View):
    """What the layers of an agent come to; `sha256` is that of `prompt` in UTF-8."""

    prompt: str
    sections: list[SectionView]
    conflicts: list[ConflictView]
    sources: list[SourceView]
    warnings: list[str]
    sha256: str


class AgentIdentityView(IdentityView):
    """`soul` is the agent's own, as it was written."""

    soul: str | None


class GivenIdentityView(IdentityView):
    """What a session was last given, and when it first got that."""

    compiled_at: datetime
