"""Answers and boards with what differs from run to run taken out, so that they can be compared."""

import re
from typing import Any

from tests.conformance.worlds import World

IDENTITY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00| UTC)")
COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
SESSION_KEY = re.compile(r"cbs_[A-Za-z0-9_-]+")
# Those of the call, and the transport that the event came by.
OWN = frozenset({"request_id", "correlation_id", "source"})


class Plain:
    """Ids become numbers in the order in which they are first seen."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items() if key not in OWN}
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if isinstance(value, str):
            text = IDENTITY.sub(lambda found: self._seen.setdefault(found[0], f"<id {len(self._seen)}>"), value)
            return SESSION_KEY.sub("<key>", COMMIT.sub("<commit>", MOMENT.sub("<time>", text)))
        return value


async def effects(world: World) -> dict[str, Any]:
    """Everything that the account's owner can see: the log first, since it has the order."""
    events = (await world.got(f"/api/v1/events?after={world.born}&limit=200"))["items"]
    tasks = [task for status in ("", "?status=archived") for task in (await world.got(f"/api/v1/tasks{status}"))["items"]]
    tasks = list({task["id"]: task for task in sorted(tasks, key=lambda task: task["id"])}.values())
    threads = [(await world.got(f"/api/v1/tasks/{task['id']}/messages"))["items"] for task in tasks]
    documents = (await world.got("/api/v1/documents"))["items"]
    return {"events": events, "tasks": tasks, "threads": threads, "documents": documents}
