"""`docker/up.sh` with a Docker that only writes down what it is asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docker.reading import DOCKER

ASKED = """#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
case "$*" in
    'compose version --short') [ -n "$VERSION" ] && echo "$VERSION" ;;
    *' up '*) env >"$ASKED.env"; echo up; exit "${UP:-0}" ;;
    *' config') cat "$ASKED.config" ;;
    *' logs '*) echo "board | cannot connect as secret-of-the-model with $POSTGRES_PASSWORD" ;;
    *) echo "did $*" ;;
esac
"""
CONFIG = """services:
  gateway:
    environment:
      MODEL_API: secret-of-the-model
      MODEL_PIN: "1234"
      PORT: "8080"
      DATABASE_URL: postgresql://somebody:secret-of-the-url@elsewhere/board
      REPO_TOKEN: secret-of-the-repository
      REPO_USER: ""
      OTHER_TOKEN: short
      EMPTY_TOKEN: ""
"""


def _absent(program):
    """Whatever this machine has under that name is not run."""
    program.write_text("#!/bin/sh\nexit 127\n")
    program.chmod(0o755)


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._asked = root.parent / "asked"
        self.environment = root.parent / "asked.env"
        self._path = f"{root.parent / 'bin'}:{os.defpath}"

    def __call__(self, *arguments: str, **settings: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """What up.sh said, and what it asked Docker."""
        environment = {"PATH": self._path, "ASKED": str(self._asked), "VERSION": "2.29.1", **settings}
        done = subprocess.run(
            [self.root / "docker" / "up.sh", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=30
        )
        lines = self._asked.read_text().splitlines() if self._asked.exists() else []
        self._asked.unlink(missing_ok=True)
        return done, lines


@pytest.fixture
def project(tmp_path):
    """A copy of docker/ with an .env, and a Docker in the PATH."""
    root = tmp_path / "a project"
    shutil.copytree(DOCKER, root / "docker", ignore=shutil.ignore_patterns("*.env", "*.override.yaml", "__pycache__"))
    (root / ".env").write_text("REPO_TOKEN='secret-of-the-repository'\nREPO_URL=file:///work.git\nGATEWAY_PORT=9090\n")
    (root / "docker" / "gateway.env").write_text("# keys\nMODEL_API=secret-of-the-model\nMODEL_PIN=1234\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "asked.config").write_text(CONFIG)
    program = tmp_path / "bin" / "docker"
    program.write_text(ASKED)
    program.chmod(0o755)
    _absent(tmp_path / "bin" / "docker-compose")

    return Project(root)


def environment(project):
    return dict(line.split("=", 1) for line in project.environment.read_text().splitlines() if "=" in line)


def test_one_command_builds_and_starts_the_board_and_says_where_it_is(project):
    done, asked = project()
    assert done.returncode == 0
    assert "The board is ready at http://127.0.0.1:8000" in done.stdout
    files = f"--env-file {project.root}/.env -f {project.root}/docker/compose.yaml"
    assert asked == ["compose version --short", f"compose {files} up --detach --wait --wait-timeout 300 --build"]
    made = project.root / "docker" / "passwords.env"
    assert made.stat().st_mode & 0o777 == 0o600
    first = environment(project)
    assert len(first["POSTGRES_PASSWORD"]) == len(first["POSTGRES_SERVICE_PASSWORD"]) == 48
    assert first["POSTGRES_PASSWORD"] != first["POSTGRES_SERVICE_PASSWORD"]
    assert "OPENCLAW_GATEWAY_TOKEN" not in first
    assert not [secret for secret in made.read_text().split() if secret.partition("=")[2] in done.stdout + done.stderr]
    project()
    assert environment(project)["POSTGRES_PASSWORD"] == first["POSTGRES_PASSWORD"]


def test_with_the_profile_the_gateway_gets_a_token_and_the_board_its_address(project):
    done, _ = project(COMPOSE_PROFILES="gateway")
    assert (done.returncode, done.stderr.count("GATEWAY_COMMAND is unset: set it in .env")) == (1, 1)
    assert project(COMPOSE_PROFILES="worker,gateway", GATEWAY_COMMAND="gateway")[0].returncode == 0
    found = environment(project)
    assert found["OPENCLAW_GATEWAY_URL"] == "http://gateway:9090"
    assert len(found["OPENCLAW_GATEWAY_TOKEN"]) == 48


def test_a_database_elsewhere_is_used_and_gets_no_password_of_ours(project):
    done, asked = project(DATABASE_URL="postgresql://somebody:secret-of-the-url@elsewhere/board", BOARD_IMAGE="board:1")
    assert done.returncode == 0
    assert asked[-1].endswith(
        "compose.yaml -f " + str(project.root / "docker" / "compose.external.yaml") + " up --detach --wait --wait-timeout 300"
    )
    assert "secret-of-the-url" not in "".join(asked)
    assert not (project.root / "docker" / "passwords.env").exists()


def test_a_failed_start_shows_what_was_resolved_without_a_secret_and_ends_with_its_code(project):
    done, asked = project(UP="17", DATABASE_ADMIN_URL="postgresql://admin:secret-of-the-admin@elsewhere/board")
    assert done.returncode == 17
    assert "the start failed with exit code 17" in done.stderr
    assert "secret-of-" not in done.stdout + done.stderr
    assert environment(project)["POSTGRES_PASSWORD"] not in done.stderr
    for line in ("MODEL_API: ***", "MODEL_PIN: ***", 'PORT: "8080"', "DATABASE_URL: postgresql://***@elsewhere/board",
                 "REPO_TOKEN: ***",
                 'REPO_USER: ""', "OTHER_TOKEN: ***", 'EMPTY_TOKEN: ""', "REPO_TOKEN=***", "REPO_URL=file:///work.git",
                 "GATEWAY_PORT=9090", "DATABASE_ADMIN_URL=postgresql://***@elsewhere/board",
                 "board | cannot connect as *** with ***"):  # fmt: skip
        assert line in done.stderr, line
    assert [line.split("compose.yaml ")[-1] for line in asked[2:]] == ["config", "ps --all", "logs --no-color --tail 40"]
    assert not [line for line in asked if "prune" in line or "down" in line]


def test_what_a_fork_adds_comes_last_and_any_other_compose_command_is_passed_on(project):
    (project.root / "docker" / "compose.override.yaml").write_text("services: {}\n")
    done, asked = project("logs", "-f", "board of it")
    assert done.returncode == 0
    assert asked[-1].endswith(
        "/compose.yaml -f " + str(project.root / "docker" / "compose.override.yaml") + " logs -f board of it"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"VERSION": ""},
            "up: needs Docker with Compose 2.24 or newer: neither `docker compose` nor `docker-compose` works here.\n",
        ),
        ({"VERSION": "1.29.2"}, "up: needs Compose 2.24 or newer; `docker compose` is 1.29.2.\n"),
        ({"VERSION": "v2.23.3-desktop.2"}, "up: needs Compose 2.24 or newer; `docker compose` is 2.23.3-desktop.2.\n"),
    ],
)
def test_without_a_fitting_compose_one_line_says_so(project, settings, said):
    done, asked = project(**settings)
    assert (done.returncode, done.stderr) == (1, said)
    assert asked == ["compose version --short"]


def test_the_older_name_of_compose_will_do(project):
    older = project.root.parent / "older"
    older.mkdir()
    _absent(older / "docker")
    program = older / "docker-compose"
    program.write_text("""#!/bin/sh\n[ "$1" = version ] && echo 5.0.1 || printf 'old %s\\n' "$*"\n""")
    program.chmod(0o755)
    done, _ = project("ps", PATH=f"{older}:{os.defpath}")
    assert done.returncode == 0
    assert done.stdout.startswith("old --env-file ")
