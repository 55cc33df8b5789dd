"""The board as the person of the demo reads it, and what it shows at one moment."""

import time
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec

from app.cli import demo_crew, demo_gateway

TITLE = "Release note: second factor at sign-in"
DESCRIPTION = f"Write the release note in the thread. It needs {len(demo_crew.PARTS)} parts: {', '.join(demo_crew.PARTS)}."
CLONE_SECONDS = 30.0
LOOK_SECONDS = 0.1
LOST = ("dead", "expired", "no_response")


class Unseen(Exception):
    """A step of the story that the board did not show."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    type: str
    entity_id: UUID
    actor_kind: str
    actor_id: UUID | None = None
    payload: dict[str, Any] = {}
    at: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
    author_id: UUID | None
    content: str
    created_at: datetime


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    type: str
    recipient_kind: str
    recipient_id: UUID
    state: str
    reason: str | None = None


class Task(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    title: str
    status: str
    created_by_id: UUID
    completed_at: datetime | None = None


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What the board shows and the gateway reports at one moment."""

    names: dict[UUID, str]
    cast: demo_crew.Cast
    task: Task
    events: list[Event]
    thread: list[Message]
    notifications: list[Notification]
    reports: list[demo_gateway.Report]

    def name(self, identity: UUID | None) -> str:
        return self.names.get(identity, str(identity)) if identity else "the board"

    def slug(self, part: str) -> str:
        """The slug of who plays this part."""
        slug: str = getattr(self.cast, part)
        return slug

    def moves(self) -> list[tuple[str, str, str]]:
        # An assignment may move a task as well, and then tells so itself.
        ends = [(event.payload.get("from"), event.payload.get("to"), self.name(event.actor_id)) for event in self.events]
        return [(str(start), str(goal), agent) for start, goal, agent in ends if start != goal]

    def prompts(self, agent: str) -> list[demo_gateway.Prompted]:
        return [report for report in self.reports if isinstance(report, demo_gateway.Prompted) and report.agent == agent]

    def said(self, agent: str, words: str) -> Message | None:
        return next((told for told in self.thread if self.name(told.author_id) == agent and words in told.content), None)

    def lost(self) -> str | None:
        """A notification of an agent that ended without being delivered, which no waiting mends."""
        ends = ((n, self.name(n.recipient_id)) for n in self.notifications if n.state in LOST)
        return next((f"the {n.type} for {agent} ended as {n.state}: {n.reason}" for n, agent in ends), None)


class Board:
    """The board as the person of the demo reads it."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=f"{url}/api/v1", headers=headers, trust_env=False, timeout=20)

    def create(self) -> Task:
        body = {"title": TITLE, "description": DESCRIPTION, "priority": 2, "labels": ["story"]}
        return msgspec.convert(self._answer(self._client.post("/tasks", json=body)), Task)

    def names(self) -> dict[UUID, str]:
        return {UUID(agent["id"]): agent["slug"] for agent in self._agents()}

    def cast(self) -> demo_crew.Cast:
        """Who plays what: the orchestrator of the account, its first reviewer, and the first of the others."""
        agents = [agent for agent in self._agents() if not agent["is_retired"]]
        leaders = [agent["slug"] for agent in agents if agent["is_orchestrator"]]
        reviewers = [agent["slug"] for agent in agents if agent["is_reviewer"] and not agent["is_orchestrator"]]
        others = [agent["slug"] for agent in agents if not (agent["is_reviewer"] or agent["is_orchestrator"])]
        parts = (("an orchestrator", leaders), ("a reviewer", reviewers), ("an agent that is neither", others))
        for part, found in parts:
            if not found:
                raise Unseen(f"the story needs {part}, and the seeds bring none")
        return demo_crew.Cast(
            orchestrator=leaders[0], worker=others[0], reviewer=reviewers[0], has_repository=self._has_repository()
        )

    def _has_repository(self) -> bool:
        """Whether there is a clone to work in, once it is known."""
        deadline = time.monotonic() + CLONE_SECONDS
        while time.monotonic() < deadline:
            clones = [one["clone"] for one in self._get("/repositories")["items"] if one["is_primary"] and one["url"]]
            states = [clone["state"] if clone else "waiting" for clone in clones]
            if not set(states) & {"waiting", "syncing"}:
                return "ready" in states
            time.sleep(LOOK_SECONDS)
        return False

    def _agents(self) -> list[dict[str, Any]]:
        agents: list[dict[str, Any]] = self._get("/agents", limit=200)["items"]
        return agents

    def look(self, task_id: UUID, *, cast: demo_crew.Cast, names: dict[UUID, str], reports: list[demo_gateway.Report]) -> Sight:
        # Events last: what they tell of is then at least as new as the rest.
        thread = self._get(f"/tasks/{task_id}/messages", limit=200)["items"]
        notifications = self._get("/notifications", task_id=str(task_id), limit=200)["items"]
        return Sight(
            names=names,
            cast=cast,
            task=msgspec.convert(self._get(f"/tasks/{task_id}"), Task),
            thread=sorted(msgspec.convert(thread, list[Message]), key=lambda message: message.created_at),
            notifications=msgspec.convert(notifications, list[Notification]),
            events=self._events(task_id),
            reports=list(reports),
        )

    def _events(self, task_id: UUID) -> list[Event]:
        found: list[Event] = []
        after = 0
        while items := self._get("/events", after=after, limit=200)["items"]:
            found += msgspec.convert(items, list[Event])
            after = found[-1].seq
        about = {event.entity_id for event in found if event.payload.get("task_id") == str(task_id)} | {task_id}
        return [event for event in found if event.entity_id in about]

    def _get(self, path: str, **query: str | int) -> dict[str, Any]:
        return self._answer(self._client.get(path, params=query))

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        if not response.is_success:
            asked = f"{response.request.method} {response.url.path}"
            raise Unseen(f"{asked} was answered {response.status_code}: {response.text[:300]}")
        answer: dict[str, Any] = response.json()
        return answer
