"""The demo's scripted agents: each reads its prompt and acts on the board with its own token, as a real one would."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec

PARTS = ("What changed", "Who is affected", "Way back")
NOTE = {
    PARTS[0]: "signing in asks for a second factor.",
    PARTS[1]: "everybody who signs in with a password.",
    PARTS[2]: "turn the setting off; nothing is stored that would have to be undone.",
}
NO_REPLY = "NO_REPLY"
ACKNOWLEDGEMENT = "Understood: a release note with the parts that are asked for. No questions; I start in my next turn."
NOTES = "release-notes"
POSTED_WITHIN_SECONDS = 20.0
WORKTREE_SECONDS = 20.0
NEXT_SECONDS = 10.0

_BOARD = re.compile(r"`POST (http\S+)/agent/<verb>`")
_WHO = re.compile(r'^You are .*, agent "?([a-z0-9_-]+)"? of the account ', re.MULTILINE)
_TYPE = re.compile(r"\A# Notification: (\w+)$", re.MULTILINE)
_TASK = re.compile(r"^This notification is about task ([0-9a-f-]{36}), .*, status `(\w+)`\.", re.MULTILINE)


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """Who plays which part, by slug: whatever crew the seeds bring. Where there is a repository, the worker commits to it."""

    orchestrator: str
    worker: str
    reviewer: str
    has_repository: bool = False


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent takes from its prompt."""

    board: str
    type: str
    task_id: str
    status: str
    text: str


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag_field="report", tag=True):
    """A call that the board refused, and why."""

    agent: str
    verb: str
    status: int
    code: str
    reason: str
    message: str


class Stuck(Exception):
    """The board refused what the script needs."""


def read(instructions: str, text: str) -> Prompt | None:
    """Read a prompt as its agent does; None when it is about no task."""
    board, kind, task = _BOARD.search(instructions), _TYPE.search(text), _TASK.search(instructions)
    if not (board and kind and task):
        return None
    return Prompt(board=board[1], type=kind[1], task_id=task[1], status=task[2], text=text)


def who(instructions: str) -> str | None:
    """The slug of whom a prompt is for: a gateway that many accounts share knows its agents by other ids."""
    found = _WHO.search(instructions)
    return found[1] if found else None


class Agent:
    def __init__(self, slug: str, *, cast: Cast, token: str, client: httpx.Client, report: Callable[[Refused], None]) -> None:
        self.slug = slug
        self.cast = cast
        self._token = token
        self._client = client
        self._report = report

    def act(self, prompt: Prompt, verb: str, **body: object) -> dict[str, Any]:
        """Call a verb for the prompt's task."""
        answer = self.attempt(prompt, verb, **body)
        if isinstance(answer, Refused):
            raise Stuck(f"{self.slug}: {verb} was answered {answer.status} {answer.code} {answer.reason}: {answer.message}")
        return answer

    def attempt(self, prompt: Prompt, verb: str, **body: object) -> dict[str, Any] | Refused:
        """The same where a refusal is no surprise."""
        response = self._post(prompt, verb, {"task_id": prompt.task_id, **body})
        if response.is_success:
            answer: dict[str, Any] = response.json()
            return answer
        refusal = self._refused(verb, response)
        self._report(refusal)
        return refusal

    def await_worktree(self, prompt: Prompt) -> dict[str, Any]:
        """How the task's branch stands, once its worktree is made."""
        deadline = time.monotonic() + WORKTREE_SECONDS
        while True:
            response = self._post(prompt, "git-status", {"task_id": prompt.task_id})
            if response.is_success:
                status: dict[str, Any] = response.json()
                return status
            if time.monotonic() > deadline:
                raise Stuck(f"{self.slug}: git-status was answered {response.status_code}: {response.text[:300]}")
            time.sleep(0.1)

    def is_next(self, prompt: Prompt) -> bool:
        """Whether the board, asked what to do next, names the prompt's task."""
        response = self._post(prompt, "next", {"wait": NEXT_SECONDS})
        return response.status_code == httpx.codes.OK and response.json()["task"]["id"] == prompt.task_id

    def _post(self, prompt: Prompt, verb: str, body: Mapping[str, object]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": str(uuid4())}
        return self._client.post(f"{prompt.board}/agent/{verb}", json=body, headers=headers)

    def _refused(self, verb: str, response: httpx.Response) -> Refused:
        try:
            error = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            error = {"message": response.text[:200]}
        return Refused(
            agent=self.slug,
            verb=verb,
            status=response.status_code,
            code=error.get("code") or "",
            reason=(error.get("details") or {}).get("reason") or "",
            message=error.get("message") or "",
        )


def orchestrator(agent: Agent, prompt: Prompt) -> str:
    if prompt.status != "inbox":
        return NO_REPLY
    agent.act(prompt, "task-assign", assignee_slugs=[agent.cast.worker])
    return f"{agent.cast.worker} writes this one; a reviewer closes it."


def worker(agent: Agent, prompt: Prompt) -> str:
    if prompt.type == "assignment":
        # Its own loop, as a real agent has one: an acknowledgement is no work.
        threading.Thread(target=_work, args=(agent, prompt), daemon=True).start()
        return ACKNOWLEDGEMENT
    missing = [part for part in PARTS if f"Missing: {part}" in prompt.text]
    if prompt.type == "status_change" and prompt.status == "in_progress" and missing:
        fence = agent.act(prompt, "task-claim")["lease"]["fence"]
        agent.act(prompt, "task-message", content=_note(*missing))
        agent.act(prompt, "task-status", status="review", expected_status="in_progress", fence=fence)
        return "The missing part is in the thread; it is in review again."
    return NO_REPLY


def _work(agent: Agent, prompt: Prompt) -> None:
    _wait_until_posted(agent, prompt)
    if not agent.is_next(prompt):
        raise Stuck(f"{agent.slug}: `next` does not name the task that it was given")
    fence = agent.act(prompt, "task-claim")["lease"]["fence"]
    if agent.cast.has_repository:
        _commit(agent, prompt, fence)
    agent.act(prompt, "task-message", content=_note(*PARTS[:2]))
    agent.attempt(prompt, "task-status", status="done", expected_status="in_progress")
    agent.act(prompt, "task-status", status="review", expected_status="in_progress", fence=fence)


def _commit(agent: Agent, prompt: Prompt, fence: int) -> None:
    """Write a real file in the task's worktree, and have the board commit it; nothing is pushed."""
    status = agent.await_worktree(prompt)
    place = Path(status["path"]) / NOTES
    place.mkdir(exist_ok=True)
    (place / f"{prompt.task_id}.md").write_text(f"{_note(*PARTS[:2])}\n")
    agent.act(prompt, "git-commit", message="Draft of a release note", paths=[NOTES], fence=fence)


def _wait_until_posted(agent: Agent, prompt: Prompt) -> None:
    deadline = time.monotonic() + POSTED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if any(message["content"] == ACKNOWLEDGEMENT for message in agent.act(prompt, "task-load")["thread"]):
            return
        time.sleep(0.1)
    raise Stuck(f"{agent.slug}: the acknowledgement is not in the thread")


def _note(*parts: str) -> str:
    return "\n".join(f"{part}: {NOTE[part]}" for part in parts)


def reviewer(agent: Agent, prompt: Prompt) -> str:
    if (prompt.type, prompt.status) != ("status_change", "review"):
        return NO_REPLY
    thread = agent.act(prompt, "task-load", message_limit=25)["thread"]
    missing = [part for part in PARTS if not any(f"{part}:" in message["content"] for message in thread)]
    if missing:
        reason = " ".join(f"Missing: {part}." for part in missing)
        agent.act(prompt, "task-status", status="in_progress", expected_status="review", reason=reason)
        return "Sent back; the reason is with whoever works on it."
    agent.act(prompt, "task-status", status="done", expected_status="review")
    return "All parts are there; closed."


SCRIPTS: dict[str, Callable[[Agent, Prompt], str]] = {
    "orchestrator": orchestrator,
    "worker": worker,
    "reviewer": reviewer,
}


class Call(msgspec.Struct, frozen=True):
    """What the demo tells its gateway: who plays what, and everybody's token."""

    cast: Cast
    tokens: dict[str, str]


def assemble(call: Call, *, report: Callable[[Refused], None]) -> dict[str, Agent]:
    """The agents by slug."""
    client = httpx.Client(trust_env=False, timeout=30)
    return {slug: Agent(slug, cast=call.cast, token=token, client=client, report=report) for slug, token in call.tokens.items()}


def script_of(agent: Agent) -> Callable[[Agent, Prompt], str] | None:
    """What this agent does in the story; who has no part in it does nothing."""
    return next((script for part, script in SCRIPTS.items() if getattr(agent.cast, part) == agent.slug), None)
