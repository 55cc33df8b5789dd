"""A fork that runs: its board, its people and its agents, as they see it from outside."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests import remotes
from tests.drill import fork
from tests.mcp.served import free_port

SECONDS = 60.0
LOOK_SECONDS = 0.05
TRUNK = "trunk"
TOKEN = "a-token-for-thread-alone"


class Agent:
    """An agent of the fork, who knows nothing but the environment file of its workspace."""

    def __init__(self, workspace: Path, stack: ExitStack) -> None:
        lines = (line.partition("=") for line in (workspace / ".env").read_text().splitlines() if "=" in line)
        known = {key: value.strip().strip("'\"") for key, _, value in lines}
        headers = {"Authorization": f"Bearer {known['CALLBOARD_TOKEN']}"}
        client = httpx.Client(base_url=known["CALLBOARD_PUBLIC_URL"], headers=headers, trust_env=False, timeout=30)
        self._client = stack.enter_context(client)

    def call(self, verb: str, **body: object) -> httpx.Response:
        return self._client.post(f"/agent/{verb}", json=body)

    def does(self, verb: str, **body: object) -> dict[str, Any]:
        answer = self.call(verb, **body)
        assert answer.is_success, f"{verb}: {answer.status_code} {answer.text}"
        done: dict[str, Any] = answer.json()
        return done


class Fork:
    """The running fork, as its maintainer sees it."""

    def __init__(self, directory: Path, home: Path, url: str, log: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.home = home
        self.log = log
        self.url = url
        self._stack = stack
        self._people: dict[str, httpx.Client] = {}

    def called(self, *arguments: str) -> str:
        return fork.called(self.directory, self.home, *arguments)

    def person(self, account: str = fork.ACCOUNT_SLUG) -> httpx.Client:
        if account not in self._people:
            token = self.called("token", account, fork.OWNER).strip()
            headers = {"Authorization": f"Bearer {token}"}
            client = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, trust_env=False, timeout=30)
            self._people[account] = self._stack.enter_context(client)
        return self._people[account]

    def get(self, path: str, *, account: str = fork.ACCOUNT_SLUG, **query: Any) -> dict[str, Any]:
        answer = self.person(account).get(path, params=query)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    def task(self, **fields: object) -> str:
        made = self.person().post("/tasks", json=fields)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def agent(self, slug: str) -> Agent:
        agents = self.get("/agents", limit=200)["items"]
        identity = next(agent["id"] for agent in agents if agent["slug"] == slug)
        workspace = awaited(lambda: self._workspace(identity), f"the workspace of {slug}")
        return Agent(Path(workspace["path"]), self._stack)

    def _workspace(self, agent_id: str) -> dict[str, Any] | None:
        found = self.get(f"/agents/{agent_id}/workspace")
        return found if found["state"] == "synced" else None


class Timings:
    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._since = time.monotonic()

    def took(self, part: str) -> None:
        now = time.monotonic()
        self.parts[part] = now - self._since
        self._since = now


def awaited(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(LOOK_SECONDS)
    raise AssertionError(f"not seen within {SECONDS:g} s: {what}")


@contextmanager
def running(directory: Path, timings: Timings) -> Iterator[tuple[Fork, Path, Path]]:
    """The fork while it runs, and its two bare repositories: one read as a file, the other served over HTTP for a token."""
    cloth = remotes.bare(directory / "remotes" / "cloth.git", branch=TRUNK, files={"hem.txt": "plain\n"})
    thread = remotes.bare(directory / "remotes" / "thread.git", branch=TRUNK, files={"spool.txt": "full\n"})
    with ExitStack() as stack:
        served = stack.enter_context(remotes.serving(directory / "remotes", token=TOKEN))
        port = str(free_port())
        settings = {
            "REPO_URL": remotes.url_of(cloth),
            "REPO_BASE_BRANCH": TRUNK,
            "REPO_BRANCH_PREFIX": "bolt/",
            "CALLBOARD_REPOSITORY_ORIGINS": f"{served.url}=THREAD_TOKEN",
            "THREAD_TOKEN": TOKEN,
            "CALLBOARD_PORT": port,
            "CALLBOARD_DATA_DIR": str(directory / "data"),
        }
        made = fork.make(directory, thread_url=f"{served.url}/thread.git", settings=settings)
        timings.took("copy")
        log = directory / "up.log"
        board = Fork(made, directory / "home", f"http://127.0.0.1:{port}", log, stack)
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["./callboard", "up"],
                cwd=made,
                env=fork.environment(board.home),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        stack.callback(_stop, process)
        awaited(lambda: _is_ready(board.url, process, log), "a board that is ready")
        timings.took("up")
        yield board, cloth, thread


def _is_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx.get(f"{url}/ready", trust_env=False, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
