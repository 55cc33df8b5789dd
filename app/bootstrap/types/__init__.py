"""The words of seeding: what a seeds directory may say, and what becomes of each record of it."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from app.accounts.types import LeaseSeconds
from app.agents.types import Capacity, Layer, LayerScope, WakeMinutes
from app.documents.types import DocumentType
from app.kernel.types import Role
from app.policies.types import AccountPolicy, Evidence, Flags, SelfReview

PROFILE = "default"
ADAPTER = "responses"
ACCOUNT_FILE, REPOSITORY_FILE = "account.yaml", "repository.yaml"
IDENTITY_FOLDER = "identity"
SYSTEM = AccountPolicy()

Slug = Annotated[
    str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*\Z", max_length=63, description="lower-case letters, digits and single hyphens")
]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+\Z", max_length=254, description="an e-mail address")]
Depth = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Words = Annotated[str, Meta(pattern=r"\S", max_length=200, description="text of 1 to 200 characters")]


class Kind(StrEnum):
    ACCOUNT = "account"
    PERSON = "person"
    PROFILE = "profile"
    SKILL = "skill"
    IDENTITY = "identity_layer"
    AGENT = "agent"
    DOCUMENT = "document"
    REPOSITORY = "repository"


class Action(StrEnum):
    """`keep` leaves a row alone because a person has changed it, made it or taken it away."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    UPDATE = "update"
    KEEP = "keep"


class SeedReach(StrEnum):
    """`auto` is the gateway where there is one, and pull where there is none."""

    AUTO = "auto"
    PULL = "pull"
    GATEWAY = "gateway"


class PersonSeed(msgspec.Struct, frozen=True, kw_only=True):
    email: Email
    handle: Slug
    name: Words
    role: Role


class AccountSettingsSeed(msgspec.Struct, frozen=True, kw_only=True):
    orchestrator: Slug | None = None
    self_review: SelfReview = SelfReview.FORBID
    legacy_reviewer_fallback: bool = True
    lease_seconds: LeaseSeconds = SYSTEM.lease_seconds
    open_pool: bool = SYSTEM.open_pool
    evidence: Evidence = SYSTEM.evidence
    duplicate_guard: bool = SYSTEM.duplicate_guard
    defaults: Flags = Flags()


class AccountSeed(msgspec.Struct, frozen=True, kw_only=True):
    slug: Slug
    name: Words
    people: list[PersonSeed]
    settings: AccountSettingsSeed = AccountSettingsSeed()


class AgentSeed(msgspec.Struct, frozen=True, kw_only=True):
    slug: Slug
    name: Words
    role: Words
    description: str = ""
    flags: Flags = Flags()
    reach: SeedReach = SeedReach.AUTO
    capacity: Capacity = 1
    wake_minutes: WakeMinutes = 15
    skills: list[Slug] = []
    identity_folder: Slug | None = None


class DocumentSeed(msgspec.Struct, frozen=True, kw_only=True):
    slug: Slug
    title: Words
    type: DocumentType


class SkillSeed(msgspec.Struct, frozen=True, kw_only=True):
    slug: Slug
    name: Words
    description: str = ""
    enabled: bool = True
    requires_approval: bool = False


class LayerSeed(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of identity, whose place is its path."""

    scope: LayerScope
    layer: Layer
    name: Slug | Literal[""] = ""

    @property
    def key(self) -> str:
        return "/".join(part for part in (self.scope, self.name, self.layer) if part)


class RepositorySeed(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a repository; what they are worth is found out when it is cloned, so that a start never fails for them."""

    name: Slug
    url: str | None = None
    base_branch: str | None = None
    branch_prefix: str | None = None
    writable_dir: str | None = None
    clone_depth: Depth | None = None
    branch_pattern: str | None = None
    protected_branches: list[str] = []
    branch_per_task: bool = True
    keep_worktrees: bool = False


class Shelf(msgspec.Struct, kw_only=True):
    """What a directory holds; Markdown comes with the text below its front matter.

    `repository_url` is the environment's, whichever repository has it.
    """

    account: AccountSeed | None = None
    repositories: list[RepositorySeed] = []
    repository_url: str | None = None
    agents: list[tuple[AgentSeed, str]] = []
    documents: list[tuple[DocumentSeed, str]] = []
    skills: list[tuple[SkillSeed, str]] = []
    layers: list[tuple[LayerSeed, str]] = []


class Record(msgspec.Struct, frozen=True):
    """One row that the seeds ask for; `fields` hold what a person could edit, in the words of the row."""

    kind: Kind
    key: str
    fields: dict[str, Any]


class Present(msgspec.Struct, frozen=True):
    """One row of the account as it is; `sequence` is the number of its last event."""

    id: UUID
    sequence: int
    digest: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What to do for one record; `digest` is its own, `loaded` what it was when the seeds were last loaded."""

    record: Record
    action: Action
    id: UUID
    sequence: int
    digest: str
    loaded: str | None

    @property
    def writes(self) -> bool:
        return self.action in {Action.CREATE, Action.UPDATE}

    @property
    def must_remember(self) -> bool:
        return self.action is not Action.KEEP and self.digest != self.loaded


class Seeds(msgspec.Struct, frozen=True, kw_only=True):
    slug: str
    records: tuple[Record, ...]


class Report(msgspec.Struct, kw_only=True):
    """What a load did; `credentials` are pairs of principal and token, at the account's first start only."""

    account_id: UUID
    lines: list[str]
    credentials: list[tuple[str, str]]
