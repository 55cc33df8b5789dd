"""`start-gateway.sh`, run with a gateway that only writes down what becomes of it."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests import remotes
from tests.docker.gateways import TOKEN


def test_the_gateway_runs_with_both_configurations_and_ends_with_its_own_code(machine):
    base = machine.root / "base.json"
    base.write_text(json.dumps({"log": "info", "agents": {"list": [{"id": "agent-slug", "model": "m"}, {"id": "own"}]}}))
    machine.state.mkdir()
    stale, live, other = (machine.state / name for name in ("stale.lock", "live.lock", "packages.lock"))
    stale.write_text("4194303\n")
    live.write_text(f"{os.getpid()}\n")
    other.write_text("name = 'package'\n")
    process = machine.start(GATEWAY_BASE_CONFIG=str(base), CODE="7", REPO_TOKEN="t0ken-of-the-repository")
    began = machine.told()[0]

    workspace = str(machine.root / "workspaces" / "agent-slug")
    assert began["config"] == {
        "log": "info",
        "agents": {"list": [{"id": "agent-slug", "model": "m", "workspace": workspace}, {"id": "own"}]},
    }
    assert (machine.root / "workspaces" / "agent-slug").is_dir()
    assert began["argv"] == ["--port", "8080", "--host", "0.0.0.0"]
    assert TOKEN not in began["line"]
    assert TOKEN not in json.dumps(began["config"])
    assert began["environment"]["GIT_TERMINAL_PROMPT"] == "0"
    assert not began["environment"].keys() & {"REPO_TOKEN", "REPO_USER", "GIT_ASKPASS"}
    assert not stale.exists()
    assert live.exists()
    assert other.exists()
    assert machine.state.stat().st_mode & 0o077 in {0, 0o055}
    assert (machine.state / "gateway.json").stat().st_mode & 0o077 == 0

    assert machine.ends() == (0, "start-gateway: the gateway runs already.\n")
    assert len(machine.told()) == 1
    code, said = machine.end(process)
    assert (code, machine.told(more_than=1)[-1]) == (7, {"heard": "TERM"})
    assert "stale.lock" in said
    assert "t0ken" not in said
    assert not (machine.state / "gateway.pid").exists()


def test_a_gateway_whose_starter_was_killed_is_left_alone_and_one_that_was_killed_too_is_started_again(machine):
    first = machine.start()
    pid = machine.told()[0]["pid"]
    first.kill()
    first.wait()
    assert machine.ends() == (0, "start-gateway: the gateway runs already.\n")
    os.kill(pid, signal.SIGKILL)
    # What it ended with may never be asked for here; it is dead all the same.
    status = Path(f"/proc/{pid}/stat")
    machine.until(lambda: not status.exists() or ") Z " in status.read_text())
    again = machine.start()
    assert machine.told(more_than=1)[1]["pid"] != pid
    assert machine.end(again)[0] == 0


def test_of_starts_at_once_one_starts_the_gateway(machine):
    starts = [machine.start() for _ in range(3)]
    pid = machine.told()[0]["pid"]
    machine.until(lambda: sum(start.poll() is None for start in starts) == 1)
    os.kill(pid, signal.SIGTERM)
    assert sorted(machine.ended(start) for start in starts) == [(0, ""), *[(0, "start-gateway: the gateway runs already.\n")] * 2]
    assert [one["pid"] for one in machine.told() if "pid" in one] == [pid]


def test_what_the_gateway_ends_with_is_what_the_start_ends_with(machine):
    assert machine.ends(GATEWAY_COMMAND="sh -c 'exit 5'") == (5, "")
    assert machine.ends(GATEWAY_COMMAND="sh -c 'kill -9 $$'") == (137, "")
    assert machine.ends(GATEWAY_COMMAND="/nonexistent/gateway")[0] == 127


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"GATEWAY_COMMAND": ""}, "GATEWAY_COMMAND is unset: set it to the command"),
        ({"CALLBOARD_GATEWAY_CONFIG": ""}, "CALLBOARD_GATEWAY_CONFIG is unset: set it to the file"),
        ({"GATEWAY_WAIT_SECONDS": "soon"}, "GATEWAY_WAIT_SECONDS must be a whole number."),
        ({"GATEWAY_RELOAD": "always"}, "GATEWAY_RELOAD must be one of off, file, signal, restart."),
        ({"GATEWAY_CLONE": "yes"}, "GATEWAY_CLONE must be 0 or 1."),
        ({"REPO_URL": "https://somebody:pa55@host.example/a.git"}, "REPO_URL holds a user or password: put them in"),
        (
            {"OPENCLAW_GATEWAY_TOKEN": "", "GATEWAY_HOST": "0.0.0.0"},
            "GATEWAY_HOST is 0.0.0.0, which needs OPENCLAW_GATEWAY_TOKEN",
        ),
        ({"GATEWAY_BASE_CONFIG": "/nonexistent.json"}, "GATEWAY_BASE_CONFIG: /nonexistent.json: No such file"),
        ({"GATEWAY_STATE_DIR": "/proc/none"}, "GATEWAY_STATE_DIR: cannot make /proc/none."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_setting_that_cannot_be_is_one_line_that_names_it(machine, settings, said):
    code, output = machine.ends(**settings)
    assert code == 78
    assert output.startswith(f"start-gateway: {said}")
    assert output.count("\n") == 1
    assert "pa55" not in output


def test_without_a_token_the_gateway_is_reached_from_its_own_machine_only(machine):
    process = machine.start(OPENCLAW_GATEWAY_TOKEN="")
    assert machine.told()[0]["environment"]["GATEWAY_HOST"] == "127.0.0.1"
    assert "OPENCLAW_GATEWAY_TOKEN is unset" in machine.end(process)[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"agents": {"list": [{"workspace": "/tmp/../etc/x"}]}}', "is no absolute path"),
    ],
)
def test_without_a_usable_configuration_nothing_is_started(machine, content, said):
    machine.generated.unlink()
    if content is not None:
        machine.generated.write_text(content)
    code, output = machine.ends()
    assert (code, output.count("\n")) == (69, 1)
    assert output.startswith("start-gateway: CALLBOARD_GATEWAY_CONFIG: ")
    assert said in output
    assert not machine.report.exists()


def test_a_changed_configuration_reaches_the_gateway_only_as_far_as_the_operator_wants(machine):
    changed = {"agents": {"list": []}, "changed": True}
    for reload, heard in (("signal", ["HUP"]), ("restart", ["TERM", None])):
        process = machine.start(GATEWAY_RELOAD=reload)
        before = len(machine.told(more_than=len(machine.told()) if machine.report.exists() else 0))
        machine.generated.write_text("{ broken")
        machine.said(process, wanted="is not JSON: the gateway goes on with what it has.")
        machine.write(changed | {"reload": reload})
        after = machine.told(more_than=before - 1 + len(heard))[before:]
        assert [one.get("heard") for one in after] == heard
        assert json.loads((machine.state / "gateway.json").read_text()) == changed | {"reload": reload}
        assert machine.end(process)[0] == 0
    assert machine.told()[-2]["config"] == changed | {"reload": "restart"}


def test_unasked_nothing_is_reloaded(machine):
    process = machine.start()
    machine.told()
    before = (machine.state / "gateway.json").read_bytes()
    machine.write({"changed": True})
    process.send_signal(signal.SIGHUP)
    assert machine.told(more_than=1)[1] == {"heard": "HUP"}
    assert (machine.state / "gateway.json").read_bytes() == before
    assert machine.end(process)[0] == 0


def test_a_repository_behind_a_token_is_cloned_once_and_the_token_is_nowhere(machine):
    origin = remotes.bare(machine.root / "served" / "work.git")
    clone = machine.root / "repos" / "work"
    with remotes.serving(machine.root / "served", user="robot", token="t0ken-of-the-host") as host:
        settings = {
            "REPO_URL": host.url_of(origin), "REPO_USER": "robot", "REPO_TOKEN": "t0ken-of-the-host", "REPO_BASE_BRANCH": "trunk",
            "WRITABLE_REPO_DIR": str(clone), "GATEWAY_CLONE": "1", "GATEWAY_COMMAND": "env",
        }  # fmt: skip
        clone.mkdir(parents=True)
        clone.with_name("work.unfinished").mkdir()
        code, said = machine.ends(**settings)
        assert code == 0
        assert "REPO_URL" in said
        assert (clone / "README.md").is_file()
        asked = len(host.requests)
        assert machine.ends(**settings)[0] == 0
        assert len(host.requests) == asked
        assert "t0ken-of-the-host" not in said
        assert not [path for path in clone.rglob("*") if path.is_file() and b"t0ken-of-the-host" in path.read_bytes()]


def test_a_clone_that_fails_ends_the_start_with_one_line_that_says_what_to_do(machine):
    origin = remotes.bare(machine.root / "served" / "work.git")
    clone = machine.root / "repos" / "work"
    with remotes.serving(machine.root / "served", token="t0ken-of-the-host") as host:
        settings = {"WRITABLE_REPO_DIR": str(clone), "GATEWAY_CLONE": "1", "REPO_TOKEN": "t0ken-that-is-wrong"}
        refused = machine.ends(REPO_URL=host.url_of(origin), **settings)
        absent = machine.ends(REPO_URL=remotes.url_of(machine.root / "nowhere.git"), **settings)
        branch = machine.ends(REPO_URL=remotes.url_of(origin), REPO_BASE_BRANCH="absent", **settings)
    assert not list(clone.parent.iterdir())
    (clone / "of somebody").mkdir(parents=True)
    there = machine.ends(REPO_URL=remotes.url_of(origin), **settings)
    assert there == (69, f"start-gateway: WRITABLE_REPO_DIR: {clone} is no repository and not empty: move it away.\n")
    for code, said in (refused, absent, branch):
        assert (code, said.count("\n")) == (69, 1)
        assert said.startswith("start-gateway: REPO_URL: cannot clone ")
        assert said.endswith("check REPO_URL, REPO_BASE_BRANCH, REPO_USER and REPO_TOKEN.\n")
        assert "t0ken" not in said
    assert "Authentication failed" in refused[1]
    assert "Remote branch absent not found" in branch[1]
    assert not machine.report.exists()


def test_a_clone_that_the_board_has_not_made_in_time_ends_the_start(machine):
    settings = {"REPO_URL": "https://host.example/@group/work.git", "CALLBOARD_GATEWAY_DATA_DIR": str(machine.root / "data")}
    code, said = machine.ends(**settings)
    assert (code, said.count("\n")) == (69, 1)
    assert f"no clone in {machine.root}/data/repos/work after 0 s: see `vcs` at the board's /health" in said
    (machine.root / "data" / "repos" / "work" / ".git").mkdir(parents=True)
    assert machine.ends(**settings, GATEWAY_COMMAND="true") == (0, "")


def test_what_comes_later_is_waited_for(machine):
    content = machine.generated.read_text()
    machine.generated.unlink()
    repository = machine.root / "repos" / "work"
    settings = {"REPO_URL": "file:///work.git", "WRITABLE_REPO_DIR": str(repository), "GATEWAY_WAIT_SECONDS": "20"}
    process = machine.start(**settings)
    machine.said(process, wanted=f"waits for the clone in {repository}.")
    (repository / ".git").mkdir(parents=True)
    machine.said(process, wanted=f"waits for the configuration in {machine.generated}.")
    machine.generated.write_text(content)
    machine.told()
    assert machine.end(process)[0] == 0
