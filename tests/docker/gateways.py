"""A gateway's machine: `start-gateway.sh` with a gateway that only writes down what becomes of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.docker.reading import DOCKER

TOKEN = "t0ken-of-the-gateway"
PATIENCE = 20.0
GATEWAY = """
import json, os, signal, sys
report = open(os.environ["REPORT"], "a", buffering=1)
def tell(**what): report.write(json.dumps(what) + "\\n")
def hang_up(*_): tell(heard="HUP")
def end(*_):
    tell(heard="TERM")
    sys.exit(int(os.environ.get("CODE", "0")))
signal.signal(signal.SIGHUP, hang_up)
signal.signal(signal.SIGTERM, end)
line = open("/proc/self/cmdline").read()
config = open(os.environ["GATEWAY_CONFIG"]).read()
tell(pid=os.getpid(), argv=sys.argv[1:], line=line, environment=dict(os.environ), config=json.loads(config))
while True:
    signal.pause()
"""


class Machine:
    """Its directories, its environment, and what its gateway wrote down."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self._started: list[subprocess.Popen[bytes]] = []
        self._outputs: list[Path] = []
        self.state = root / "state of it"
        self.generated = root / "generated.json"
        self.report = root / "report"
        self.program = root / "gateway program.py"
        self.program.write_text(GATEWAY)
        self.write({"agents": {"list": [{"id": "agent-slug", "workspace": str(root / "workspaces" / "agent-slug")}]}})
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(root),
            "REPORT": str(self.report),
            "GATEWAY_COMMAND": f'"{sys.executable}" "{self.program}" --port "$GATEWAY_PORT" --host "$GATEWAY_HOST"',
            "GATEWAY_STATE_DIR": str(self.state),
            "GATEWAY_WAIT_SECONDS": "0",
            "CALLBOARD_GATEWAY_CONFIG": str(self.generated),
            "OPENCLAW_GATEWAY_TOKEN": TOKEN,
        }

    def write(self, generated: Any) -> None:
        unfinished = self.generated.with_suffix(".new")
        unfinished.write_text(json.dumps(generated))
        unfinished.replace(self.generated)

    def start(self, **settings: str) -> subprocess.Popen[bytes]:
        self._outputs.append(self.root / f"said-{len(self._outputs)}")
        with self._outputs[-1].open("wb") as output:
            process = subprocess.Popen(
                [DOCKER / "start-gateway.sh"], env=self.environment | settings, stdout=output, stderr=subprocess.STDOUT
            )
        self._started.append(process)
        return process

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def said(self, process: subprocess.Popen[bytes], *, wanted: str) -> str:
        """What it said, once that holds these words."""
        deadline = time.monotonic() + PATIENCE
        while wanted not in (text := self._outputs[self._started.index(process)].read_text()):
            assert time.monotonic() < deadline, text
            time.sleep(0.01)
        return text

    def ended(self, process: subprocess.Popen[bytes]) -> tuple[int, str]:
        """The exit code and the output, once it has ended."""
        code = process.wait(PATIENCE)
        return code, self._outputs[self._started.index(process)].read_text()

    def ends(self, **settings: str) -> tuple[int, str]:
        """The exit code and the output of a start that ends by itself."""
        return self.ended(self.start(**settings))

    def end(self, process: subprocess.Popen[bytes]) -> tuple[int, str]:
        process.send_signal(signal.SIGTERM)
        return self.ended(process)

    def told(self, *, more_than: int = 0) -> list[dict[str, Any]]:
        """What the gateway wrote down, once it is more than so much."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            lines = self.report.read_text().splitlines() if self.report.exists() else []
            if len(lines) > more_than:
                return [json.loads(line) for line in lines]
            time.sleep(0.01)
        raise AssertionError(f"the gateway wrote down no more than {more_than} lines")

    def clean(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(PATIENCE)
        for one in self.told() if self.report.exists() else []:
            if "pid" in one and Path(f"/proc/{one['pid']}").exists():
                os.kill(one["pid"], signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)
