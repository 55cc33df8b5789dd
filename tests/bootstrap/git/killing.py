"""A process that does one thing after the other, each in a copy of itself that is killed by `kill -9` at a chosen moment.

A moment is the start of a process, a renaming, or the record of a clone's address. `python -m
tests.bootstrap.git.killing` reads jobs and answers which of them were killed. With a moment of 0 there is no copy, and
whoever started the process may kill it.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from app.bootstrap.git import clones, library, trees, work
from app.bootstrap.git.program import Git
from app.bootstrap.types.vcs import Author, Place, Tree
from app.kernel.settings import Settings

MOMENTS = frozenset({"os.rename", "subprocess.Popen"})
# It has to be there before the process is copied.
LIBRARY = library.Command


class Job(msgspec.Struct):
    do: str
    data: str
    url: str
    clone: str
    moment: int = 0
    path: str = ""
    branch: str = ""

    @property
    def place(self) -> Place:
        return Place(url=self.url, directory=Path(self.clone))

    @property
    def tree(self) -> Tree:
        return Tree(clone=Path(self.clone), path=Path(self.path), branch=self.branch, base_branch="trunk")

    async def done(self) -> None:
        git = Git(Settings(data_dir=Path(self.data)))
        if self.do == "sync":
            made = await clones.ensure(git, self.place, report=lambda _: None)
            print(made.is_new, made.head, flush=True)
        elif self.do == "make":
            await trees.make(git, self.place, self.tree, reason="killed")
        elif self.do == "remove":
            await trees.remove(git, self.tree, rescue=f"refs/rescue/{self.branch}")
        else:
            await work.commit(git, self.tree, message="killed", author=Author("agent-slug", "agent-slug@example.org"))


def started(jobs: list[Job]) -> "subprocess.Popen[bytes]":
    program = [sys.executable, "-m", "tests.bootstrap.git.killing", msgspec.json.encode(jobs).decode()]
    return subprocess.Popen(program, stdout=subprocess.PIPE)


def killed(jobs: list[Job]) -> list[bool]:
    """Which of the jobs were killed."""
    output, _ = started(jobs).communicate()
    return [line == b"killed" for line in output.splitlines() if line in {b"killed", b"ended"}]


def _run(job: Job) -> None:
    if not job.moment:
        asyncio.run(job.done())
        return
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            sys.addaudithook(_Killer(job.moment))
            asyncio.run(job.done())
            code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in {0, -signal.SIGKILL}, job
    print("killed" if status else "ended", flush=True)


class _Killer:
    def __init__(self, moment: int) -> None:
        self.moment = moment
        self.seen = 0

    def __call__(self, event: str, told: tuple[Any, ...]) -> None:
        is_record = event == "open" and str(told[0]).endswith(".origin") and told[1] == "w"
        if event in MOMENTS or is_record:
            self.seen += 1
            if self.seen == self.moment:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    for job in msgspec.json.decode(sys.argv[1], type=list[Job]):
        _run(job)
