import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import menu
from app.cli.children import restart_delay
from app.kernel import datadir
from app.kernel.settings import ROOT


def callboard(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **settings}
    command = [sys.executable, "-P", "-m", "app", *arguments]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def board(tmp_path):
    """Settings of a board that shares nothing with this machine's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return {"CALLBOARD_DATA_DIR": str(tmp_path / "data"), "CALLBOARD_PORT": str(free.getsockname()[1])}


def test_help_names_every_command_and_shows_examples():
    shown = callboard("--help")
    assert shown.returncode == 0
    for command in ("up", "serve", "worker", "seed", "token", "mcp", "demo", "test", "settings", "db", "runtime"):
        assert f"\n  {command} " in shown.stdout
    assert "CALLBOARD_PORT=9000 ./callboard" in shown.stdout
    assert not any("..." in line for line in shown.stdout.splitlines() if line.startswith("  "))


@pytest.mark.parametrize(
    "command", ["up", "serve", "worker", "seed", "token", "mcp", "demo", "test", "settings", "db", "runtime"]
)
def test_every_command_explains_itself_and_hides_its_tie_to_up(command):
    shown = CliRunner().invoke(menu.app, [command, "--help"])
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout
    assert "--attached" not in shown.stdout


def test_the_settings_are_listed_even_when_one_is_wrong():
    shown = callboard("settings", CALLBOARD_PORT="wrong")
    assert shown.returncode == 0
    assert "| `CALLBOARD_PORT` | `8000` | a whole number from 1 to 65535 |" in shown.stdout


def test_the_example_file_can_be_printed():
    assert callboard("settings", "--example").stdout == (ROOT / ".env.example").read_text()


@pytest.mark.parametrize("command", ["up", "serve", "worker", "seed", "demo"])
def test_an_unknown_key_stops_the_start_and_is_named(board, command):
    refused(callboard(command, **board, CALLBOARD_PROT="1"), "CALLBOARD_PROT is not a setting; did you mean CALLBOARD_PORT?")


def test_a_bad_value_stops_the_start_and_is_named(board):
    board["CALLBOARD_PORT"] = "70000"
    refused(callboard(**board), 'CALLBOARD_PORT must be a whole number from 1 to 65535, not "70000"')


@pytest.mark.parametrize("command", ["up", "lint prompts"])
def test_a_broken_template_is_one_clear_line_and_nothing_is_started(board, command, tmp_path):
    (tmp_path / "input.md.j2").write_text("{% if %}")
    tried = callboard(*command.split(), **board, CALLBOARD_TEMPLATES_DIR=str(tmp_path))
    assert (tried.returncode, tried.stderr.count("\n")) == (1, 1)
    assert tried.stderr.startswith(f"callboard: CALLBOARD_TEMPLATES_DIR: {tmp_path}: input:1: syntax: ")
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_one_clear_line(board):
    with socket.create_server(("127.0.0.1", int(board["CALLBOARD_PORT"]))):
        words = f"port {board['CALLBOARD_PORT']} on 127.0.0.1 is in use: stop the other program or set CALLBOARD_PORT"
        refused(callboard("up", **board), words)


@pytest.mark.parametrize("command", [["up"], ["worker"], ["token", "demo", "engineer"], ["db", "downgrade", "-1"]])
def test_an_unreachable_database_is_one_clear_line_without_its_password(board, command):
    tried = callboard(*command, **board, DATABASE_URL="postgresql://board:hunter2@127.0.0.1:1/board")
    assert (tried.returncode, tried.stderr.count("\n")) == (1, 1)
    assert tried.stderr.startswith("callboard: DATABASE_URL: cannot connect to postgresql://board:***@127.0.0.1:1/board: ")


def test_a_second_board_on_the_same_data_is_told_where_the_first_is(board, tmp_path):
    claim = datadir.claim(tmp_path / "data", url="http://127.0.0.1:8000")
    words = f"already running on {tmp_path / 'data'} as process {os.getpid()} at http://127.0.0.1:8000"
    refused(callboard("up", **board), words)
    claim.release()


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["seed"], ["token", "demo", "engineer"], ["db", "upgrade"]])
def test_a_command_that_needs_a_running_board_says_how_to_start_it(board, command):
    words = "no database: start the board first with `./callboard up`, or set DATABASE_URL"
    refused(callboard(*command, **board), words)


def test_a_data_directory_that_cannot_be_made_is_one_clear_line(board):
    board["CALLBOARD_DATA_DIR"] = "/dev/null/data"
    refused(callboard("up", **board), "CALLBOARD_DATA_DIR: cannot make /dev/null/data: Not a directory")


def test_an_old_python_is_one_clear_line(tmp_path):
    for name in ("python3.11", "python3.12", "python3.13", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("callboard", "requirements.lock"):
        (clone / name).write_bytes((ROOT / name).read_bytes())
    link = tmp_path / "link"
    link.symlink_to(clone / "callboard")
    path = f"{tmp_path}:{os.defpath}"
    tried = subprocess.run(["/bin/sh", link], env={"PATH": path}, capture_output=True, text=True, check=False, cwd="/")
    refused(tried, "needs Python 3.11 or newer with pip (on Debian: apt install python3 python3-pip).")
    assert not Path(clone / ".venv").exists()


def test_the_lock_pins_every_package_by_hash_and_names_no_place():
    lock = (ROOT / "requirements.lock").read_text().replace("\\\n", "")
    assert "://" not in lock
    assert all(" --hash=sha256:" in line for line in lock.splitlines())


def test_a_child_that_crashes_is_started_later_each_time_and_then_no_more():
    delays = [restart_delay([10.0] * crashes, now=10.0) for crashes in range(1, 6)]
    assert delays == [0.1, 0.2, 0.4, 0.8, None]


def test_crashes_of_long_ago_do_not_count():
    assert restart_delay([0.0] * 20 + [100.0], now=100.0) == 0.1


def refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert (done.returncode, done.stderr) == (1, f"callboard: {words}\n")
