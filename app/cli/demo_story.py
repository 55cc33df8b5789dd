"""The story of the demo: what must be seen in the board, step by step."""

from collections.abc import Callable
from itertools import pairwise

import httpx

from app.cli import demo_crew, demo_gateway
from app.cli.demo_board import Sight, Unseen

# Each by whoever plays that part.
MOVES = (
    ("inbox", "assigned", "orchestrator"),
    ("assigned", "in_progress", "worker"),
    ("in_progress", "review", "worker"),
    ("review", "in_progress", "reviewer"),
    ("in_progress", "review", "worker"),
    ("review", "done", "reviewer"),
)


Look = Callable[[Sight], str | None]


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


def committed(sight: Sight) -> str | None:
    """The board tells of a commit of the worker's on the task's branch."""
    told = (event for event in sight.events if event.type == "board:task:committed")
    event = next((event for event in told if sight.name(event.actor_id) == sight.cast.worker), None)
    return f"{event.payload['sha'][:10]} on {event.payload['branch']}" if event else None


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


def steps(cast: demo_crew.Cast) -> tuple[tuple[str, Look], ...]:
    """The story of this crew, with a commit where it has a repository."""
    return STEPS if not cast.has_repository else (*STEPS[:COMMITTED], COMMIT, *STEPS[COMMITTED:])


COMMIT = ("The worker commits a file in its worktree", committed)
# After its start.
COMMITTED = 6
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
