"""Every SQL statement that the rooms declare, and how each is checked."""

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from app.kernel import settings
from app.kernel.db import APP_ROLE, RUNTIME_ROLE
from app.kernel.writes import Write, composed

# Statements across accounts: the worker's own, and single ones elsewhere; `FINISH_ONE` and `ENQUEUE` belong to a handler's
# own transaction.
OF_RUNTIME = {
    "PULSES",
    "WORKERS",
    "BACKLOG",
    "CRITICAL_ALERTS",
    "PUBLISH",
    "PUBLISHED",
    "LOCK_THE_GONE",
    "TAKE_THE_GONE",
    "KEEP_THE_GONE",
    "DEPTHS",
    "LETTERS",
    "OLDEST_TRANSACTION",
    "CREW",
    "SHARES",
    "CLONES",
}
MODULES_OF_RUNTIME = {"ledger", "close", "limits", "workers", "everywhere", "clock"}
OF_APP_IN_RUNTIME = {"FINISH_ONE", "RESOLVE_LETTER", "NEXT_DUE"}


class Statement(NamedTuple):
    name: str
    sql: str
    role: str


def modules() -> Iterator[Any]:
    root = settings.ROOT
    for path in sorted([*root.glob("app/*/queries.py"), *root.glob("app/*/queries/*.py")]):
        parts = path.relative_to(root).with_suffix("").parts
        yield importlib.import_module(".".join(part for part in parts if part != "__init__"))


def statements() -> list[Statement]:
    return [found for module in modules() for found in _of(module)]


def _of(module: Any) -> Iterator[Statement]:
    room, part = module.__name__.split(".")[1], module.__name__.split(".")[-1]
    for name, value in vars(module).items():
        if name.startswith("_") or not name.isupper():
            continue
        role = APP_ROLE
        if name in OF_RUNTIME or (room == "runtime" and part in MODULES_OF_RUNTIME and name not in OF_APP_IN_RUNTIME):
            role = RUNTIME_ROLE
        if isinstance(value, Write):
            yield Statement(f"{room}.{name}", composed((value,)), role)
        elif isinstance(value, str) and " " in value and not name.endswith("_FIELDS") and f"{room}.{name}" not in FRAGMENTS:
            yield Statement(f"{room}.{name}", value, role)


# Column lists that statements of the same file are made of.
FRAGMENTS = {
    "agents.LAYERS",
    "agents.USABLE",
    "runtime.CLAIMABLE",
    "runtime.GIVE_BACK",
    "runtime.TELL",
    "tasks.ASSIGNEES",
    "tasks.CARD",
    "tasks.IS_DONE",
    "tasks.LINKED",
    "tasks.READY",
    "tasks.STINTS",
}
