"""How branches and worktrees of tasks are named: always names that git takes, never protected ones."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from uuid import UUID

import msgspec

from app.bootstrap.rules.refs import branch_problem

PATTERN = "{id}-{title}"
ID_DIGITS = 8
TITLE_MOST, AGENT_MOST, PREFIX_MOST, BODY_MOST = 40, 63, 60, 120
NAMELESS = "work"
_BETWEEN = re.compile(r"[^a-z0-9]+")
_OUTSIDE = re.compile(r"[^A-Za-z0-9._/-]+")
_PLACE = re.compile(r"\{(id|title|agent)\}")
# Git takes it for a commit.
_HASH = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """How a repository wants its branches named; `protected` are globs beside the base branch, where `*` is any text."""

    prefix: str | None = None
    pattern: str | None = None
    base_branch: str | None = None
    protected: tuple[str, ...] = ()
    is_per_task: bool = True


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The task that is worked on, and by whom; nobody, where a person wants its worktree."""

    id: UUID
    title: str
    agent: str | None = None


def branch(naming: Naming, subject: Subject, *, taken: Collection[str] = ()) -> str | None:
    """The first name that is neither protected nor taken; None where every name is protected."""
    body = _filled(naming.pattern or PATTERN, subject) if naming.is_per_task else slug(subject.agent or "", most=AGENT_MOST)
    for candidate in _candidates(body, subject.id):
        name = _valid(naming.prefix or "", candidate)
        if not is_protected(name, naming) and (name not in taken or not naming.is_per_task):
            return name
    return None


def directory(naming: Naming, subject: Subject, *, taken: Collection[str] = ()) -> str:
    """What the directory of the worktree is called, which is one step of a path; agents that share one have no other."""
    if not naming.is_per_task:
        return slug(subject.agent or "", most=AGENT_MOST)
    name = f"{short(subject.id)}-{slug(subject.title)}"
    return name if name not in taken else f"{subject.id.hex}-{slug(subject.title)}"


def is_protected(name: str, naming: Naming) -> bool:
    """Whether no agent may commit there; letters are compared without their case, as some disks do."""
    wanted = name.casefold()
    if wanted in {(naming.base_branch or "").casefold(), "head"}:
        return True
    return any(
        re.fullmatch(".*".join(map(re.escape, glob.casefold().split("*"))), wanted, re.DOTALL) for glob in naming.protected
    )


def short(task_id: UUID) -> str:
    """The random end of an id."""
    return task_id.hex[-ID_DIGITS:]


def slug(text: str, *, most: int = TITLE_MOST) -> str:
    """The text in lower-case letters, digits and single hyphens; what has none of them gets a name all the same."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _BETWEEN.sub("-", plain).strip("-")[:most].strip("-") or NAMELESS


def rescue(task_id: UUID, number: int) -> str:
    """Where work is kept that was not committed when its worktree went."""
    return f"refs/callboard/rescued/{task_id}-{number}"


def _filled(pattern: str, subject: Subject) -> str:
    values = {
        "id": short(subject.id),
        "title": slug(subject.title),
        "agent": slug(subject.agent or "", most=AGENT_MOST),
    }
    return _PLACE.sub(lambda found: values[found[1]], pattern)


def _candidates(body: str, task_id: UUID) -> Iterator[str]:
    yield body
    yield f"{body}-{short(task_id)}"
    yield f"{body}-{task_id.hex}"


def _valid(prefix: str, body: str) -> str:
    # The end tells names apart, so it is the middle that gives way.
    kept = body if len(body) <= BODY_MOST else f"{body[: BODY_MOST - 33]}-{body[-32:]}"
    steps = [_step(step) for step in _OUTSIDE.sub("-", f"{prefix[:PREFIX_MOST]}{kept}").split("/")]
    name = "/".join(step for step in steps if step) or NAMELESS
    name = name.removeprefix("refs/") or NAMELESS
    return f"{name}-{NAMELESS}" if branch_problem(name) or _HASH.fullmatch(name) else name


def _step(text: str) -> str:
    step = re.sub(r"\.{2,}", ".", text).strip(".-")
    while step.lower().endswith(".lock"):
        step = step[: -len(".lock")].rstrip(".-")
    return step
