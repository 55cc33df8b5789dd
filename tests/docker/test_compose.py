"""What each container is given, and what it is kept from."""

import re

from app.cli.attached import CLOSING_SECONDS
from app.delivery import neutrality
from app.kernel.server import STOP_SECONDS
from app.kernel.settings import DECLARED, PREFIX, load
from tests.docker import reading

CONFINED = ("board", "worker", "postgres", "gateway")
FOR_THE_GATEWAY = {
    "GATEWAY_BASE_CONFIG", "GATEWAY_COMMAND", "GATEWAY_CONFIG", "GATEWAY_DRAIN_SECONDS", "GATEWAY_PORT", "GATEWAY_RELOAD",
    "GATEWAY_WAIT_SECONDS", "OPENCLAW_GATEWAY_TOKEN", "CALLBOARD_GATEWAY_CONFIG", "CALLBOARD_GATEWAY_DATA_DIR", "REPO_URL",
    "WRITABLE_REPO_DIR", "REPO_BASE_BRANCH", "REPO_BRANCH_PREFIX", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL",
}  # fmt: skip
SECRETS = {setting.key for setting in DECLARED if setting.is_secret} - {"OPENCLAW_GATEWAY_TOKEN"}


def words(service):
    """All that a container is handed, as text."""
    return str(service)


def volumes(service):
    found = {}
    for one in service["volumes"]:
        if isinstance(one, dict):
            found[one["source"]] = (one["target"], one.get("read_only", False))
        else:
            source, target, *mode = one.split(":")
            found[source] = (target, mode == ["ro"])
    return found


def test_every_setting_reaches_the_board_under_its_own_name():
    raw = reading.compose("compose.yaml")["services"]
    fixed = {"CALLBOARD_HOST", "CALLBOARD_DATA_DIR", "CALLBOARD_WORKTREES_DIR", "CALLBOARD_WORKSPACES_DIR",
             "CALLBOARD_GATEWAY_CONFIG", "CALLBOARD_GATEWAY_DATA_DIR"}  # fmt: skip
    for name in ("board", "worker"):
        environment = raw[name]["environment"]
        assert {setting.key for setting in DECLARED} == environment.keys()
        for key in environment.keys() - fixed - {"DATABASE_ADMIN_URL", "CALLBOARD_TOKEN"}:
            assert environment[key].startswith(f"${{{key}:-"), key


def test_the_board_starts_with_what_an_empty_env_file_gives_it():
    environment = reading.services({"POSTGRES_PASSWORD": "a1", "POSTGRES_SERVICE_PASSWORD": "b2"})["board"]["environment"]
    settings = load(environment, None)
    assert settings.database_url == "postgresql://callboard_service:b2@postgres:5432/callboard"
    assert settings.database_admin_url == "postgresql://postgres:a1@postgres:5432/callboard"
    assert (settings.host, settings.port, settings.public_url) == ("0.0.0.0", 8000, "http://board:8000")
    assert settings.repo_branch_prefix == "task/"
    given = reading.services({"DATABASE_URL": "postgresql://somebody@elsewhere/board", "REPO_BRANCH_PER_TASK": "false"})
    settings = load(given["board"]["environment"], None)
    assert settings.database_url == "postgresql://somebody@elsewhere/board"
    assert not settings.repo_branch_per_task


def test_no_variable_of_these_files_makes_a_board_outside_of_them_refuse_to_start():
    known = {setting.key for setting in DECLARED}
    for name in ("compose.yaml", "compose.external.yaml"):
        text = (reading.DOCKER / name).read_text("utf-8")
        assert {hit for hit in re.findall(r"\$\{([A-Z][A-Z0-9_]*)", text) if hit.startswith(PREFIX)} <= known


def test_the_gateway_gets_no_secret_of_the_board_or_the_database():
    secrets = {key: f"secret-{key}" for key in SECRETS}
    secrets |= {"DATABASE_URL": "secret-url", "DATABASE_ADMIN_URL": "secret-admin-url", "POSTGRES_PASSWORD": "secret-owner"}
    secrets["POSTGRES_SERVICE_PASSWORD"] = "secret-service"
    given = reading.services(secrets)
    gateway = given["gateway"]
    assert gateway["environment"].keys() == FOR_THE_GATEWAY
    assert gateway["env_file"] == [{"path": "gateway.env", "required": False}]
    assert not [secret for secret in secrets.values() if secret in words(gateway)]
    assert given["board"]["env_file"] == [{"path": "board.env", "required": False}]
    assert all(secret in words(given["board"]) for key, secret in secrets.items() if not key.startswith("POSTGRES"))


def test_the_gateway_sees_the_crews_files_at_the_same_place_and_nothing_else_of_the_board():
    found = {name: volumes(service) for name, service in reading.services().items()}
    gateway, board = found["gateway"], found["board"]
    assert gateway.keys() & board.keys() == {"repos", "worktrees", "workspaces", "gateway-config"}
    assert all(gateway[name][0] == board[name][0] for name in gateway.keys() & board.keys())
    assert {name for name, (_, is_read_only) in gateway.items() if is_read_only} == {"repos", "gateway-config"}
    assert found["worker"] == board
    assert "postgres" not in gateway
    assert "postgres" not in board
    declared = reading.compose("compose.yaml")["volumes"]
    assert {name for one in found.values() for name in one if not name.startswith(".")} == declared.keys()


def test_the_gateway_does_not_reach_the_database():
    given = reading.services()
    assert given["gateway"]["networks"] == ["crew"]
    assert given["postgres"]["networks"] == ["database"]
    assert reading.compose("compose.yaml")["networks"]["database"] == {"internal": True}


def test_every_container_is_confined():
    for name in CONFINED:
        service = reading.services()[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert any(one.startswith("/tmp:") for one in service["tmpfs"]), name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"}, name
    assert reading.services()["postgres"]["user"] == "postgres"


def test_ports_are_open_to_this_machine_only():
    for name, service in reading.services({"CALLBOARD_PORT": "9000"}).items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
    assert reading.services({"CALLBOARD_PORT": "9000"})["board"]["ports"] == ["127.0.0.1:9000:9000"]


def test_nothing_starts_before_what_it_needs_is_ready():
    given = reading.services()
    healthy = {"condition": "service_healthy"}
    assert given["board"]["depends_on"] == {"postgres": healthy}
    assert given["gateway"]["depends_on"] == given["worker"]["depends_on"] == {"board": healthy}
    assert "pg_isready" in given["postgres"]["healthcheck"]["test"]
    assert {name: service.get("profiles") for name, service in given.items()} == {
        "board": None, "postgres": None, "worker": ["worker"], "gateway": ["gateway"],
    }  # fmt: skip


def test_a_stop_leaves_time_for_the_longest_drain():
    drain = max(int(word) for s in DECLARED if s.name == "drain_seconds" for word in s.values.split() if word.isdigit())
    assert int(reading.services()["board"]["stop_grace_period"].removesuffix("s")) > drain + CLOSING_SECONDS + STOP_SECONDS


def test_a_board_with_a_database_elsewhere_has_none_of_its_own():
    external = reading.compose("compose.external.yaml")["services"]
    assert external["postgres"] is None
    assert external["board"]["depends_on"] is None
    assert external["board"]["environment"]["DATABASE_URL"].startswith("${DATABASE_URL:?")


def test_images_are_named_with_a_tag_and_can_be_replaced():
    raw = reading.compose("compose.yaml")["services"]
    for name, service in raw.items():
        assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-[a-z-]+:[a-z0-9.-]+\}", service["image"]), name
        assert "latest" not in service["image"], name


def test_no_file_names_a_repository_a_branch_or_a_vendor():
    rules = [rule for rule in neutrality.rules() if rule.name != "path"]
    for path in reading.texts():
        # The product's own name is no constant of a fork's.
        text = re.sub(r"callboard", "product", path.read_text("utf-8"), flags=re.IGNORECASE)
        assert not neutrality.found(text.replace("OPENCLAW_", "GATEWAY_"), place=path.name, by=rules)
        assert not re.search(r"\b(?:github|gitlab|bitbucket)\b|https?://(?!board\b|gateway\b|127\.)\w", text), path.name
