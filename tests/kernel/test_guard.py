"""Programs of others: what goes in and comes out, and that nothing of them is left however their run ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.kernel import guard
from app.runtime.rules.profiles import PROFILES
from app.runtime.worker import Worker
from tests import make
from tests.kernel import guarded_worker

WORKER = Path(guarded_worker.__file__)
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
marks = count(os.getpid() * 1_000)


@pytest.fixture
def mark():
    """Seconds to sleep that no other process of this machine sleeps; who is left at the end is killed."""
    found = f"9{next(marks)}.25"
    yield found
    for pid in marked(found):
        os.kill(pid, signal.SIGKILL)


def marked(mark) -> list[int]:
    """The processes that live and have `mark` in their arguments, guards and workers apart."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines() if mark in line]
    return [int(pid) for pid, state, args in rows if not state.startswith("Z") and "python" not in args]


def guards(mark) -> list[int]:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split(None, 1)[0]) for line in listed.splitlines() if mark in line and "guardian.py" in line]


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def all_begun(mark):
    async def begun():
        # The shell, what it waits for, its child's child, and the one that went its own way.
        return len(marked(mark)) >= 4

    await make.until(begun)


def run(*program, **changes):
    asked: dict[str, Any] = {"environment": ENVIRONMENT, "directory": Path("/"), "seconds": 20.0} | changes
    return guard.run(program, **asked)


def stubborn(mark, **changes):
    return run(*guarded_worker.program(mark), **changes)


async def test_a_program_gets_its_input_and_its_output_and_exit_code_come_back():
    done = await run("sh", "-c", "cat; echo trouble >&2; exit 7", given=b"in\x00put")
    assert (done.exit_code, done.output, done.errors, done.is_truncated) == (7, b"in\x00put", b"trouble\n", False)


async def test_a_program_sees_the_given_environment_and_nothing_of_ours(monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    done = await run("env", environment=ENVIRONMENT | {"NAME": "value"}, directory=tmp_path)
    assert sorted(done.output.decode().split()) == ["NAME=value", "PATH=/usr/bin:/bin"]
    assert (await run("pwd", directory=tmp_path)).output.decode().strip() == str(tmp_path.resolve())


async def test_a_program_inherits_no_open_file_of_ours():
    # Its three, and the directory that it lists.
    assert (await run("ls", "/dev/fd")).output.split() == [b"0", b"1", b"2", b"3"]


async def test_no_shell_reads_the_arguments():
    words = ["$HOME", "a b", "; exit 3", "*", "ü"]
    assert (await run("printf", "%s\\n", *words)).output.decode().splitlines() == words


async def test_a_signal_that_ended_the_program_is_told():
    assert (await run("sh", "-c", "kill -SEGV $$")).exit_code == -signal.SIGSEGV


async def test_output_beyond_the_limit_is_dropped_and_the_program_is_not_held_up():
    done = await run("sh", "-c", "head -c 3000000 /dev/zero; echo end >&2; exit 4", most_output=1_000)
    assert (len(done.output), done.errors, done.is_truncated, done.exit_code) == (1_000, b"end\n", True, 4)


async def test_what_a_program_says_is_heard_while_it_runs_and_it_keeps_the_files_it_is_given(tmp_path):
    told, held = [], (tmp_path / "held").open("w")
    program = [
        "sh",
        "-c",
        f"echo one >&2; while [ ! -e go ]; do sleep 0.01; done; echo two >&2; echo kept >/dev/fd/{held.fileno()}",
    ]

    def said(piece: bytes) -> None:
        told.append(piece)
        (tmp_path / "go").touch()

    with held:
        done = await guard.followed(
            program, environment=ENVIRONMENT, directory=tmp_path, seconds=20.0, said=said, holding=(held.fileno(),)
        )
    assert (done.exit_code, b"".join(told), done.errors) == (0, b"one\ntwo\n", b"one\ntwo\n")
    assert (tmp_path / "held").read_text() == "kept\n"


async def test_a_program_that_reads_no_input_does_not_hold_up_its_run():
    assert (await run("true", given=bytes(5_000_000))).exit_code == 0


@pytest.mark.parametrize("changes", [{}, {"directory": Path("/nowhere")}], ids=["program", "directory"])
async def test_what_cannot_be_started_is_told(changes):
    with pytest.raises(guard.CannotRun, match="No such file"):
        await run("no-such-program" if not changes else "true", **changes)


async def test_what_a_program_leaves_behind_ends_with_it(mark):
    done = await run("sh", "-c", f"setsid sleep {mark} & (trap '' TERM; sleep {mark}) & exit 5")
    assert (done.exit_code, marked(mark)) == (5, [])


async def test_too_long_a_run_ends_with_all_that_it_started(mark):
    with pytest.raises(TimeoutError):
        await stubborn(mark, seconds=0.3)
    assert (marked(mark), guards(mark)) == ([], [])


async def test_a_cancelled_run_ends_with_all_that_it_started(mark):
    running = asyncio.create_task(stubborn(mark))
    await all_begun(mark)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (marked(mark), guards(mark)) == ([], [])


async def test_a_run_that_is_cancelled_while_it_starts_leaves_nothing(mark):
    for wait in (0, 0, 0.001, 0.005, 0.01, 0.02):
        running = asyncio.create_task(stubborn(mark))
        await asyncio.sleep(wait)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def gone():
        return marked(mark) == guards(mark) == []

    await make.until(gone)


async def test_a_killed_guard_takes_the_program_with_it(mark):
    running = asyncio.create_task(run("sh", "-c", f"trap '' TERM; while :; do sleep {mark}; done"))

    async def begun():
        return len(marked(mark)) >= 2

    await make.until(begun)
    os.kill(guards(mark)[0], signal.SIGKILL)
    with pytest.raises(guard.GuardLost):
        await running
    assert marked(mark) == []


@asynccontextmanager
async def working(board, mark, *, seconds=60.0):
    """A worker in this process whose attempts of the stubborn program may take so long; and the command that runs it."""
    short = replace(PROFILES["best_effort"], timeout=seconds, attempts=1)
    handlers, stop = {"test.program": guarded_worker.handler(mark)}, asyncio.Event()
    worker = Worker(board.database, board.settings.database_url, handlers=handlers, profiles=lambda *_: short)
    running = asyncio.create_task(worker.run(stop))
    try:
        (command_id,) = await make.enqueued(board.database, board.account_id, make.order(type="test.program"))
        yield command_id
    finally:
        stop.set()
        await running


async def ended(admin, command_id) -> Any:
    """Its state and the class of its failure, once it has ended."""

    async def state():
        row = await admin.fetchrow("SELECT state, last_error_class FROM runtime_commands WHERE id = $1", command_id)
        return tuple(row) if row["state"] not in ("queued", "running") else None

    return await make.until(state)


async def test_an_attempt_that_takes_too_long_leaves_no_process(board, admin, mark):
    async with working(board, mark, seconds=0.5) as command_id:
        assert await ended(admin, command_id) == ("failed_terminal", "attempt_timeout")
        assert (marked(mark), guards(mark)) == ([], [])


async def test_a_command_that_is_cancelled_leaves_no_process(board, admin, mark):
    async with working(board, mark) as command_id:
        await all_begun(mark)
        path = f"/api/v1/admin/runtime/commands/{command_id}/cancel"
        assert (await board.person.post(path, json={"reason": "enough"})).status_code == 200
        assert (await ended(admin, command_id))[0] == "canceled"
        assert (marked(mark), guards(mark)) == ([], [])


async def test_many_runs_leave_no_open_files():
    await run("true")
    before = open_files()
    await asyncio.gather(*(run("true") for _ in range(20)))
    with pytest.raises(guard.CannotRun):
        await run("no-such-program")
    assert open_files() <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "kill -9"])
async def test_a_worker_that_is_ended_leaves_no_process_of_its_handlers(database, account, urls, mark, number):
    worker = await asyncio.create_subprocess_exec(sys.executable, str(WORKER), urls[1], mark)
    try:
        await make.enqueued(database, account, make.order(type="test.program"))
        await all_begun(mark)
        worker.send_signal(number)
        await worker.wait()

        async def gone():
            return marked(mark) == guards(mark) == []

        latest = time.monotonic() + 5
        await make.until(gone, seconds=latest - time.monotonic())
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
