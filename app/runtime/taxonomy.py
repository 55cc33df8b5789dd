"""The closed registry of command types: what each carries, who owns it, and what starts it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from app.kernel.errors import Invalid
from app.runtime.handlers import Handler
from app.runtime.rules.profiles import PROFILES
from app.runtime.types import Idempotency, Nothing, Queue

NAME_PARTS = 2
URGENT = 0
PRIORITIES: Mapping[Queue, int] = {Queue.CONTROL: 1, Queue.INBOUND: 2, Queue.OUTBOUND: 2, Queue.TICKS: 3}
Concurrency = Callable[[Mapping[str, Any]], tuple[str, ...]]


class CommandType(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of durable work; `concurrency` names the limits a command runs under, such as `agent:<id>`, from its payload.

    `started_by` names what enqueues it; one that is `submittable` an admin or a schedule may start too.
    """

    name: str
    summary: str
    payload: type
    profile: str
    queue: Queue
    idempotency: Idempotency
    owner: str
    started_by: tuple[str, ...]
    handler: Handler
    concurrency: Concurrency | None = None
    is_submittable: bool = False

    def priority_under(self, profile: str) -> int:
        return URGENT if profile == "critical_path" else PRIORITIES[self.queue]


class UnknownCommand(Invalid):
    """A type that nobody declared; the answer lists those there are."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        message = f"there is no command type {name}{hint}"
        super().__init__(message, fields=[{"field": "command_type", "message": message}], known=names)


class Taxonomy:
    """All declared types; two declarations of one name are kept, so that `faults` can name both."""

    def __init__(self) -> None:
        self._declared: dict[str, list[CommandType]] = defaultdict(list)

    def add(self, kind: CommandType) -> None:
        self._declared[kind.name].append(kind)

    def find(self, name: str) -> CommandType:
        """The type called `name`, or UnknownCommand."""
        if name not in self._declared:
            raise UnknownCommand(name, self._declared)
        return self._declared[name][0]

    def all(self) -> list[CommandType]:
        return [kinds[0] for _, kinds in sorted(self._declared.items())]

    def handlers(self) -> dict[str, Handler]:
        return {kind.name: kind.handler for kind in self.all()}

    def faults(self) -> list[str]:
        """What is wrong with the declarations, a sentence each."""
        found = []
        for name, kinds in sorted(self._declared.items()):
            owners = sorted(kind.owner or "nobody" for kind in kinds)
            if len(kinds) > 1:
                found.append(f"{name} has {len(kinds)} owners: {', '.join(owners)}")
            if not all(kind.owner for kind in kinds):
                found.append(f"{name} has no owner")
            if not any(kind.started_by or kind.is_submittable for kind in kinds):
                found.append(f"{name} is started by nothing")
            if len(name.split(".")) != NAME_PARTS:
                found.append(f"{name} is not domain.verb")
            if unknown := sorted({kind.profile for kind in kinds} - PROFILES.keys()):
                found.append(f"{name} has an unknown profile: {', '.join(unknown)}")
        return found


REGISTRY = Taxonomy()


def command(  # noqa: PLR0913
    name: str,
    *,
    payload: type,
    owner: str,
    idempotency: Idempotency,
    started_by: tuple[str, ...] = (),
    profile: str = "standard_async",
    queue: Queue = Queue.CONTROL,
    concurrency: Concurrency | None = None,
    is_submittable: bool = False,
    registry: Taxonomy = REGISTRY,
) -> Callable[[Handler], Handler]:
    """Declare the decorated function as the handler of the commands called `name`; its docstring is their summary."""

    def declare(handler: Handler) -> Handler:
        registry.add(
            CommandType(
                name=name,
                summary=(handler.__doc__ or "").strip().partition("\n")[0],
                payload=payload,
                profile=profile,
                queue=queue,
                idempotency=idempotency,
                owner=owner,
                started_by=started_by,
                handler=handler,
                concurrency=concurrency,
                is_submittable=is_submittable,
            )
        )
        return handler

    return declare


def tick(name: str, *, owner: str, profile: str = "best_effort") -> Callable[[Handler], Handler]:
    """Declare the decorated function as what a standing schedule does with each of its ticks; an admin may start it too."""
    return command(
        name,
        payload=Nothing,
        owner=owner,
        idempotency=Idempotency.TICK,
        profile=profile,
        queue=Queue.TICKS,
        started_by=("schedule",),
        is_submittable=True,
    )
