"""The story of the demo: what must be seen in the board, step by step."""

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import msgspec

from app.cli import demo_crew, demo_gateway

TITLE = "Release note: second factor at sign-in"
DESCRIPTION = f"Write the release note in the thread. It needs {len(demo_crew.PARTS)} parts: {', '.join(demo_crew.PARTS)}."
# Each by whoever plays that part.
MOVES = (
    ("inbox", "assigned", "orchestrator"),
    ("assigned", "in_progress", "worker"),
    ("in_progress", "review", "worker"),
    ("review", "in_progress", "reviewer"),
    ("in_progress", "review", "worker"),
    ("review", "done", "reviewer"),
)
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


Look = Callable[[Sight], str | None]


class Board:
    """The board as the person of the demo reads it."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=f"{url}/api/v1", headers=headers, trust_env=False, timeout=20)

    def create(self) -> Task:
        body = {"title": TITLE, "description": DESCRIPTION, "priority": 2, "labels": ["demo"]}
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
        return demo_crew.Cast(orchestrator=leaders[0], worker=others[0], reviewer=reviewers[0])

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


def moved(number: int) -> Look:
    """The task's moves are those of the story, up to this one."""

    def look(sight: Sight) -> str | None:
        story = [(start, goal, sight.slug(part)) for start, goal, part in MOVES[: number + 1]]
        start, goal, agent = story[-1]
        return f"{start} -> {goal}, by {agent}" if sight.moves()[: number + 1] == story else None

    return look


def woken(part: str, kind: str, *, words: str = "") -> Look:
    """The board has a notification for who plays this part, and the prompt has arrived at the gateway."""

    def look(sight: Sight) -> str | None:
        agent = sight.slug(part)
        told = any(sight.name(n.recipient_id) == agent and n.type == kind for n in sight.notifications)
        prompt = next((p for p in sight.prompts(agent) if p.type == kind and words in p.text), None)
        return f"prompt {kind}, number {prompt.lane_seq} of its session" if told and prompt else None

    return look


def spoke(part: str, words: str) -> Look:
    def look(sight: Sight) -> str | None:
        agent = sight.slug(part)
        message = sight.said(agent, words)
        return f"{agent}: {message.content}" if message else None

    return look


def created(sight: Sight) -> str | None:
    seen = any(event.type == "board:task:created" for event in sight.events)
    return f"task {sight.task.id}, inbox" if seen else None


def handed_out(sight: Sight) -> str | None:
    seen = any(e.type == "board:task:assigned" and sight.name(e.actor_id) == sight.cast.orchestrator for e in sight.events)
    return moved(0)(sight) if seen else None


def refused(sight: Sight) -> str | None:
    """The worker's attempt to close was answered 403, and the board shows no such move."""
    answers = (report for report in sight.reports if isinstance(report, demo_crew.Refused))
    refusal = next((a for a in answers if a.agent == sight.cast.worker and a.status == httpx.codes.FORBIDDEN), None)
    closed = any(move[1:] == ("done", sight.cast.worker) for move in sight.moves())
    if refusal is None or refusal.reason != "reviewer_required" or closed:
        return None
    return f"{refusal.status} {refusal.code}, {refusal.reason}: {refusal.message}"


def closed(sight: Sight) -> str | None:
    seen = moved(len(MOVES) - 1)(sight)
    return seen if sight.task.status == "done" and sight.task.completed_at else None


def settled(sight: Sight) -> str | None:
    """Every notification of an agent has its end, and those that were sent were taken."""
    states = [n.state for n in sight.notifications if n.recipient_kind == "agent"]
    delivered, skipped = states.count("delivered"), states.count("skipped")
    prompts = {report.key for report in sight.reports if isinstance(report, demo_gateway.Prompted)}
    if delivered + skipped < len(states) or delivered != len(prompts):
        return None
    return f"{delivered} delivered, {skipped} held back by policy, none lost"


def orderly(sight: Sight) -> str:
    """Each session got its prompts one after the other, in the order of its lane, each under a key."""
    prompts = sorted((r for r in sight.reports if isinstance(r, demo_gateway.Prompted)), key=lambda prompt: prompt.session)
    if any(not prompt.key or prompt.lane_seq is None for prompt in prompts):
        raise Unseen("a prompt came without its key or its number")
    if any(prompt.is_second for prompt in prompts):
        raise Unseen("two prompts of one session were out at the same time")
    for earlier, later in pairwise(prompts):
        if earlier.session == later.session and earlier.key != later.key and (earlier.lane_seq or 0) >= (later.lane_seq or 0):
            raise Unseen(f"{later.agent} got number {later.lane_seq} of its session after number {earlier.lane_seq}")
    return f"{len(prompts)} prompts in {len({prompt.session for prompt in prompts})} sessions"


STEPS: tuple[tuple[str, Look], ...] = (
    ("A person puts a task on the board", created),
    ("The orchestrator is woken", woken("orchestrator", "status_change")),
    ("The orchestrator assigns a worker", handed_out),
    ("The worker is woken", woken("worker", "assignment")),
    ("The worker acknowledges", spoke("worker", demo_crew.ACKNOWLEDGEMENT)),
    ("The worker starts", moved(1)),
    ("The worker posts its work", spoke("worker", f"{demo_crew.PARTS[0]}:")),
    ("The worker tries to close its own task and is refused", refused),
    ("The worker hands over to review", moved(2)),
    ("The reviewer is woken", woken("reviewer", "status_change")),
    ("The reviewer sends it back", moved(3)),
    ("The worker is woken with the reason", woken("worker", "status_change", words=f"Missing: {demo_crew.PARTS[2]}")),
    ("The worker posts what was missing", spoke("worker", f"{demo_crew.PARTS[2]}:")),
    ("The worker hands over to review again", moved(4)),
    ("The reviewer closes the task", closed),
    ("Every prompt is accounted for", settled),
    ("Each session had its prompts in order, never two at once", orderly),
)
