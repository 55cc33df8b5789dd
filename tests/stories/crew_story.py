"""The whole story of a task, told in calls of verbs: whoever can make such calls can do the work of a crew."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

# Who, which verb, with what; answers the error code, if any, and what was said.
Act = Callable[..., Awaitable[tuple[str | None, dict[str, Any]]]]

SUMMARY = "The lamp is repaired: a new switch, tried twenty times."
REASON = "It was not tried in the dark."
HANDOFF = {"summary": "A new switch is in.", "artifacts": ["switch.txt"], "open_questions": ["Is it bright enough?"]}
CREW = ("orchestrator", "engineer", "reviewer")


async def play(act: Act, create: Callable[[], Awaitable[dict[str, Any]]]) -> list[str]:
    """From inbox to done, with work that is sent back once; answers the states that the task went through."""
    waiting = asyncio.create_task(done(act, "orchestrator", "next", wait=20))
    made = await create()
    woken = await waiting
    assert (woken["task"]["id"], woken["task"]["status"]) == (made["id"], "inbox")
    task = {"task_id": made["id"]}
    given = await done(act, "orchestrator", "task-assign", **task, assignee_slugs=["engineer"])
    first = await worked(act, task)
    sent_back = await done(act, "reviewer", "task-status", **task, status="in_progress", reason=REASON)
    second = await reworked(act, task)
    shown = await told(act, "reviewer", task)
    closed = await done(act, "reviewer", "task-status", **task, status="done")
    assert shown["task"]["status"] == "review"
    assert closed["completed_at"]
    return [one["status"] for one in (made, given, *first, sent_back, *second, closed)]


async def worked(act: Act, task: dict[str, Any]) -> list[dict[str, Any]]:
    """The engineer takes it, says what it did, may not close it, and hands it over."""
    assert (await told(act, "engineer", task))["task"]["status"] == "assigned"
    claim = await done(act, "engineer", "task-claim", **task)
    fence = claim["lease"]["fence"]
    await done(act, "engineer", "task-message", **task, content=SUMMARY)
    assert (await done(act, "engineer", "task-heartbeat", **task, fence=fence))["fence"] == fence
    assert await refused(act, "engineer", "task-status", **task, status="done", fence=fence) == "forbidden"
    assert await refused(act, "engineer", "task-status", **task, status="review", fence=fence + 1) == "lease_lost"
    review = await done(act, "engineer", "task-status", **task, status="review", fence=fence, handoff=HANDOFF)
    assert (await told(act, "reviewer", task))["task"]["status"] == "review"
    loaded = await done(act, "reviewer", "task-load", **task)
    assert [message["content"] for message in loaded["thread"]] == [SUMMARY]
    assert [loaded["handoffs"][0][name] for name in HANDOFF] == list(HANDOFF.values())
    return [claim["task"], review]


async def reworked(act: Act, task: dict[str, Any]) -> list[dict[str, Any]]:
    """The engineer reads why it came back, does it again and hands it over."""
    shown = await told(act, "engineer", task)
    assert REASON in shown["notification"]["body"]
    loaded = await done(act, "engineer", "task-load", **task)
    assert any(REASON in one["summary"] for one in loaded["handoffs"])
    why = await done(act, "engineer", "task-why", **task)
    assert why["status"] == "in_progress"
    fence = (await done(act, "engineer", "task-claim", **task))["lease"]["fence"]
    return [await done(act, "engineer", "task-status", **task, status="review", fence=fence)]


async def told(act: Act, who: str, task: dict[str, Any]) -> dict[str, Any]:
    """The notification about the task that `next` brings; it is acknowledged."""
    work = await done(act, who, "next", wait=20)
    assert (work["kind"], work["task"]["id"]) == ("notification", task["task_id"])
    await act(who, "next", wait=0, ack=[work["ack"]])
    return work


async def done(act: Act, who: str, verb: str, **arguments: Any) -> dict[str, Any]:
    code, said = await act(who, verb, **arguments)
    assert code is None, (who, verb, said)
    return said


async def refused(act: Act, who: str, verb: str, **arguments: Any) -> str | None:
    code, _ = await act(who, verb, **arguments)
    return code


STATES = ["inbox", "assigned", "in_progress", "review", "in_progress", "review", "done"]
