"""What a case takes for given, done over HTTP before its call."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.transports import Answer
from tests.conformance.worlds import World

Step = Callable[[World], Awaitable[None]]
Check = Callable[[World, Answer], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the table: after `given`, `who` sends this to `verb`; `refused` is the code, or None where it is allowed.

    `says` is a part of the answer (of `details` where it is refused), `field` the field that is named, `then` a check on the
    board afterwards. A `key` makes the call twice; the second one sends `again` where that is set.
    """

    verb: str
    name: str
    who: str = "engineer"
    given: tuple[Step, ...] = ()
    sends: dict[str, Any] = field(default_factory=dict)
    refused: str | None = None
    says: dict[str, Any] = field(default_factory=dict)
    field: str | None = None
    then: Check | None = None
    key: str | None = None
    again: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return f"{self.verb}: {self.name}".replace(" ", "_")


def task(*slugs: str, name: str = "task", **fields: Any) -> Step:
    """A card made by the owner; `slugs` are on it."""

    async def step(world: World) -> None:
        body = {"title": f"A {name}", "assignee_slugs": list(slugs)} | world.filled(fields)
        made = await world.done("person", "/api/v1/tasks", **body)
        world.things |= {name: made["id"]}

    return step


def asked(who: str, verb: str, *, keep: str | None = None, **body: Any) -> Step:
    """A call of somebody that must work; `keep` names the id that it answers."""

    async def step(world: World) -> None:
        said = await world.done(who, f"/agent/{verb}", **world.filled(body))
        if keep:
            world.things[keep] = said["id"]

    return step


def held(who: str = "engineer", *, name: str = "task") -> Step:
    """A task in the hands of somebody; its fence is the thing `fence`."""

    async def step(world: World) -> None:
        if name not in world.things:
            await task(who, name=name)(world)
        said = await world.done(who, "/agent/task-claim", task_id=world.things[name])
        world.things["fence"] = said["lease"]["fence"]

    return step


def moved(status: str, *, name: str = "task", **body: Any) -> Step:
    """The owner moves a card."""

    async def step(world: World) -> None:
        await world.done("person", f"/api/v1/tasks/{world.things[name]}/status", status=status, **body)

    return step


def reviewable(who: str = "engineer") -> Step:
    """A task that somebody brought to review."""

    async def step(world: World) -> None:
        await held(who)(world)
        body = {"task_id": world.things["task"], "status": "review", "fence": world.things["fence"]}
        await world.done(who, "/agent/task-status", **body)

    return step


def flags(slug: str, **changed: bool) -> Step:
    async def step(world: World) -> None:
        answer = await world.person.patch(f"/api/v1/agents/{await world.agent_id(slug)}", json={"flags": changed})
        assert answer.is_success, answer.text

    return step


def account(**changed: Any) -> Step:
    async def step(world: World) -> None:
        answer = await world.person.patch("/api/v1/account", json=changed)
        assert answer.is_success, answer.text

    return step


def assigned(slug: str, *, name: str = "task", **body: Any) -> Step:
    async def step(world: World) -> None:
        await world.done("person", f"/api/v1/tasks/{world.things[name]}/assign", assignee_slugs=[slug], **body)

    return step


def said(*texts: str, who: str = "person", name: str = "task") -> Step:
    async def step(world: World) -> None:
        for text in texts:
            if who == "person":
                await world.done(who, f"/api/v1/tasks/{world.things[name]}/messages", content=text)
            else:
                await world.done(who, "/agent/task-message", task_id=world.things[name], content=text)

    return step


def is_now(name: str = "task", **wanted: Any) -> Check:
    """The card has these values."""

    async def check(world: World, _: Answer) -> None:
        found = await world.got(f"/api/v1/tasks/{world.things[name]}")
        assert {key: found[key] for key in wanted} == wanted

    return check


def is_on(*slugs: str, name: str = "task") -> Check:
    """Exactly these agents are on the card."""

    async def check(world: World, _: Answer) -> None:
        found = await world.got(f"/api/v1/tasks/{world.things[name]}")
        assert {one["slug"] for one in found["assignees"]} == set(slugs)

    return check


def thread(*texts: str, name: str = "task") -> Check:
    async def check(world: World, _: Answer) -> None:
        items = (await world.got(f"/api/v1/tasks/{world.things[name]}/messages"))["items"]
        assert sorted(one["content"] for one in items) == sorted(texts)

    return check


def tasks_there(count: int) -> Check:
    async def check(world: World, _: Answer) -> None:
        assert len((await world.got("/api/v1/tasks"))["items"]) == count

    return check
