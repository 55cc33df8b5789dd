"""An account's repositories: their facts, which of them is the primary one, and ordering that they are brought up to date."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.bootstrap import furnishing_orders, ordering
from app.bootstrap.queries import repositories as queries
from app.bootstrap.repository_schemas import NewRepository, RepositoryEdit, RepositoryPage, RepositoryView
from app.bootstrap.rules import refs
from app.bootstrap.types.repositories import Facts
from app.events import service as events
from app.kernel.errors import Duplicate, Invalid, Missing, RepositoryInUse, VersionConflict
from app.kernel.ids import new_id
from app.kernel.outside import Origin, origin_of
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.kernel.types import Principal
from app.kernel.wire import clamped

ORIGINS = "CALLBOARD_REPOSITORY_ORIGINS"
EDITABLE = (
    "url",
    "base_branch",
    "branch_prefix",
    "branch_pattern",
    "protected_branches",
    "branch_per_task",
    "keep_worktrees",
    "clone_depth",
    "is_primary",
)
FIELDS = ("name", *EDITABLE)
# What decides what is in the clone.
OF_CLONE = ("url", "base_branch", "clone_depth")
CHECKS: Mapping[str, Callable[[str], str | None]] = {
    "base_branch": refs.branch_problem,
    "branch_prefix": refs.prefix_problem,
    "branch_pattern": refs.pattern_problem,
}


async def page(tx: Transaction, *, limit: int | None, after: str | None) -> RepositoryPage:
    """A page of repositories by name."""
    size = clamped(limit)
    rows = await tx.rows(queries.PAGE, tx.account_id, after or "", size + 1)
    items = [_view(row) for row in rows[:size]]
    return RepositoryPage(items=items, next_cursor=items[-1].name if len(rows) > size else None, limit=size)


async def one(tx: Transaction, repository_id: UUID) -> RepositoryView:
    row = await tx.row(queries.ONE, tx.account_id, repository_id)
    if row is None:
        raise Missing.thing("repository", repository_id)
    return _view(row)


async def create(tx: Transaction, who: Principal, asked: NewRepository, *, settings: Settings) -> RepositoryView:
    known = await _locked(tx)
    _name_is_free(known, asked.name)
    wanted = {name: getattr(asked, name) for name in FIELDS}
    wanted["is_primary"] = asked.is_primary or not any(row.is_primary for row in known)
    _check(wanted, settings=settings)
    repository_id = new_id()
    await _only_primary(tx, who, known, repository_id, is_primary=wanted["is_primary"])
    tx.write(queries.INSERT, tx.account_id, repository_id, *wanted.values(), expect=1)
    _record(tx, who, "created", (repository_id, asked.name, 1), FIELDS)
    await tx.flush()
    await ordering.order(tx, [repository_id], settings=settings, actor=who, is_afresh=True)
    return await one(tx, repository_id)


async def edit(
    tx: Transaction, who: Principal, repository_id: UUID, asked: RepositoryEdit, *, settings: Settings
) -> RepositoryView:
    """Change what was sent; another address, base branch or depth has the clone brought to it."""
    known = await _locked(tx)
    before = _found(known, repository_id)
    _expect(before, asked.expected_version)
    wanted = {name: getattr(before, name) for name in EDITABLE}
    sent = {name: value for name in EDITABLE if (value := getattr(asked, name)) is not msgspec.UNSET}
    changed = {name: value for name, value in sent.items() if value != wanted[name]}
    if not changed:
        return await one(tx, repository_id)
    if changed.get("is_primary") is False:
        raise Invalid.field("is_primary", "must be given to another repository, which takes it from this one")
    _check(changed, settings=settings)
    await _only_primary(tx, who, known, repository_id, is_primary="is_primary" in changed)
    tx.write(queries.CHANGE, tx.account_id, repository_id, *(wanted | changed).values(), expect=1)
    _record(tx, who, "updated", (repository_id, before.name, before.version + 1), sorted(changed))
    await tx.flush()
    if changed.keys() & set(OF_CLONE):
        await ordering.order(tx, [repository_id], settings=settings, actor=who, is_afresh=True)
    return await one(tx, repository_id)


async def sync(tx: Transaction, who: Principal, repository_id: UUID, *, settings: Settings) -> RepositoryView:
    """Have the clone brought up to date now; one that is under way is enough."""
    if not await ordering.order(tx, [repository_id], settings=settings, actor=who):
        raise Missing.thing("repository", repository_id)
    return await one(tx, repository_id)


async def delete(tx: Transaction, who: Principal, repository_id: UUID) -> None:
    """Take a repository away that nothing refers to; its clone stays on disk."""
    known = await _locked(tx)
    row = _found(known, repository_id)
    users = dict(await tx.row(queries.USERS, tx.account_id, repository_id))
    if any(users.values()):
        told = ", ".join(f"{many} {what}" for what, many in users.items() if many)
        raise RepositoryInUse(f"the repository {row.name} is used by {told}", **users)
    if row.is_primary and len(known) > 1:
        raise RepositoryInUse(f"the repository {row.name} is the primary one: make another the primary one first")
    tx.write(queries.DELETE, tx.account_id, repository_id, expect=1)
    _record(tx, who, "deleted", (repository_id, row.name, row.version + 1), ())


def origins(settings: Settings) -> frozenset[Origin]:
    """Where the operator lets repositories of accounts be; that of the environment's own is always among them."""
    own = settings.repo_url and origin_of(settings.repo_url)
    bound = settings.repository_origins.bound if settings.repository_origins else ()
    return frozenset({one.origin for one in bound} | ({own} if own else set()))


async def _locked(tx: Transaction) -> list[Facts]:
    return [msgspec.convert(dict(row), Facts) for row in await tx.rows(queries.LOCKED, tx.account_id)]


def _found(known: Sequence[Facts], repository_id: UUID) -> Facts:
    found = next((row for row in known if row.id == repository_id), None)
    if found is None:
        raise Missing.thing("repository", repository_id)
    return found


def _expect(before: Facts, version: int | None) -> None:
    if version not in {None, before.version}:
        raise VersionConflict(
            f"the repository has version {before.version}, not {version}", expected_version=version, version=before.version
        )


def _name_is_free(known: Sequence[Facts], name: str) -> None:
    if any(row.name == name for row in known):
        raise Duplicate(f"a repository is called {name} already", field="name")


async def _only_primary(
    tx: Transaction, who: Principal, known: Sequence[Facts], repository_id: UUID, *, is_primary: bool
) -> None:
    """Where this one becomes the primary one, none else is before it does."""
    for other in known if is_primary else ():
        if other.is_primary and other.id != repository_id:
            tx.write(queries.STEP_DOWN, tx.account_id, repository_id, expect=1)
            _record(tx, who, "updated", (other.id, other.name, other.version + 1), ("is_primary",))
            await tx.flush()


def _check(wanted: Mapping[str, Any], *, settings: Settings) -> None:
    """Refuse, with all of them, what is no address, name, pattern or glob."""
    problems = {name: check(wanted[name]) for name, check in CHECKS.items() if wanted.get(name) is not None}
    if wanted.get("url") is not None:
        problems["url"] = refs.address_problem(wanted["url"], allowed=origins(settings), setting=ORIGINS)
    for number, glob in enumerate(wanted.get("protected_branches", ())):
        problems[f"protected_branches[{number}]"] = refs.glob_problem(glob)
    if found := [{"field": name, "message": problem} for name, problem in problems.items() if problem]:
        raise Invalid("; ".join(f"{one['field']}: {one['message']}" for one in found), fields=found)


def _record(tx: Transaction, who: Principal, action: str, row: tuple[UUID, str, int], fields: Sequence[str]) -> None:
    """The log says which fields were written, never what is in them."""
    repository_id, name, version = row
    payload = {"name": name, "fields": list(fields)}
    entity = ("repository", repository_id)
    events.record(tx, f"board:repository:{action}", entity=entity, sequence=version, actor=who, payload=payload)
    # Workspaces tell the facts of repositories.
    furnishing_orders.order(tx)


def _view(row: Any) -> RepositoryView:
    return msgspec.convert(dict(row) | {"clone": row["clone"] and msgspec.json.decode(row["clone"])}, RepositoryView)
