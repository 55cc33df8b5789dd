"""Cases of memory."""

from typing import Any

from tests.conformance.steps import Case, asked, task

MINE = (task("engineer"),)
STYLE: dict[str, Any] = {"scope": "agent", "name": "style", "content": {"tabs": 4}, "expected_version": 0}
STYLED = asked("engineer", "memory-write", **STYLE)
PLAN: dict[str, Any] = {"scope": "run", "key": "{task}", "name": "plan"}
PLANNED = asked("engineer", "memory-write", **PLAN, content=["a"])

WRITES = (
    Case(verb="memory-write", name="its own", sends=STYLE, says={"version": 1, "state": "active", "tier": "long_term"}),
    Case(
        verb="memory-write",
        name="of its task",
        given=(*MINE, PLANNED),
        sends=PLAN | {"content": None, "expires_in_seconds": 60},
        says={"version": 2, "tier": "working"},
    ),
    Case(verb="memory-write", name="one key is one version", given=MINE, sends=PLAN | {"content": 1}, key="keep"),
    Case(
        verb="memory-write", name="what was there", given=(STYLED,), sends=STYLE, refused="version_conflict", says={"version": 1}
    ),
    Case(
        verb="memory-write",
        name="without saying what it expects",
        sends={"scope": "agent", "name": "style", "content": 1},
        refused="validation_failed",
        field="expected_version",
    ),
    Case(
        verb="memory-write",
        name="too much",
        given=MINE,
        sends=PLAN | {"content": "x" * 65_536},
        refused="payload_too_large",
    ),
    Case(
        verb="memory-write",
        name="without content",
        sends={"scope": "agent", "name": "style", "expected_version": 0},
        refused="validation_failed",
        field="content",
    ),
    Case(
        verb="memory-write",
        name="of a task that it is not on",
        who="writer",
        given=MINE,
        sends=PLAN | {"content": 1},
        refused="not_found",
    ),
    Case(verb="memory-write", name="of a person", sends=STYLE | {"scope": "user"}, refused="not_found"),
    Case(
        verb="memory-delete",
        name="its own",
        given=(STYLED,),
        sends={"scope": "agent", "name": "style", "expected_version": 1},
        says={"version": 2, "state": "deleted"},
    ),
    Case(verb="memory-delete", name="of its task", given=(*MINE, PLANNED), sends=PLAN, says={"version": 2}),
    Case(
        verb="memory-delete",
        name="an older version",
        given=(STYLED, asked("engineer", "memory-write", **(STYLE | {"expected_version": 1}))),
        sends={"scope": "agent", "name": "style", "expected_version": 1},
        refused="version_conflict",
        says={"version": 2},
    ),
    Case(verb="memory-delete", name="nothing", given=MINE, sends=PLAN, refused="not_found"),
)

READS = (
    Case(
        verb="memory-read",
        name="its own",
        given=(STYLED,),
        sends={"scope": "agent", "name": "style"},
        says={"content": {"tabs": 4}},
    ),
    Case(
        verb="memory-read",
        name="of its task, by version",
        given=(*MINE, PLANNED, PLANNED),
        sends=PLAN | {"version": 1},
        says={"content": ["a"], "version": 1, "author_kind": "agent"},
    ),
    Case(verb="memory-read", name="nothing", sends={"scope": "agent", "name": "style"}, refused="not_found"),
    Case(
        verb="memory-read",
        name="of another",
        who="writer",
        given=(*MINE, PLANNED),
        sends=PLAN,
        refused="not_found",
    ),
    Case(
        verb="memory-read",
        name="of which run",
        sends={"scope": "run", "name": "plan"},
        refused="validation_failed",
        field="key",
    ),
    Case(
        verb="memory-read",
        name="a name that is none",
        sends={"scope": "agent", "name": "a/b"},
        refused="validation_failed",
        field="name",
    ),
    Case(verb="memory-list", name="its own", given=(STYLED,), sends={"scope": "agent"}, says={"limit": 50, "next_cursor": None}),
    Case(
        verb="memory-list",
        name="a page",
        given=(*MINE, PLANNED, asked("engineer", "memory-write", **(PLAN | {"name": "zeal", "content": 1}))),
        sends={"scope": "run", "key": "{task}", "limit": 1},
        says={"limit": 1, "next_cursor": "plan"},
    ),
    Case(verb="memory-list", name="of nothing", sends={"scope": "run", "key": "{absent}"}, refused="not_found"),
)

CASES = (*WRITES, *READS)
