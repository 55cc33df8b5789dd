"""A storm over repositories: a crew in worktrees of two repositories, while workers, API processes and git are killed.

Run: python -m bench.tree_storm [SECONDS [SEED]]; it starts a database of its own and fails if anything is wrong afterwards.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from app import main as application
from app.bootstrap import service as bootstrap
from app.kernel import db
from app.kernel import settings as registry
from app.kernel.server import LocalServer, start_local
from app.kernel.settings import ROOT
from bench import processes
from bench.crew.checks import logged
from bench.crew.facts import HURRY
from bench.trees import facts
from bench.trees.checks import wrong
from bench.trees.crew import Yard
from bench.trees.ground import BUILDERS, REVIEWERS, end_git, seeds
from tests import remotes

WORKERS, APIS, PEOPLE, TASKS = 2, 2, 2, 24
KILL_EVERY, STALL_EVERY, STALL_SECONDS = 1.5, 12.0, 4.0
# How many of the kills are of git, which is looked for so often because it is quickly done.
GITS, LOOKS = 0.5, 40
# A git that was killed leaves locks, which are taken away once no git can need them.
PATIENCE = 240.0
NAMES = ("near", "far")


class Storm:
    def __init__(self, local: LocalServer, directory: Path, *, seconds: float, seed: int) -> None:
        self.kills = dict.fromkeys(("workers", "API processes", "gits"), 0)
        self.logs = directory / "storm.log"
        self.table: dict[str, Any] = {}
        self._local, self._directory, self._seconds = local, directory, seconds
        self._chance = random.Random(seed)
        self._running: dict[tuple[str, int], Any] = {}
        self._overlaps: list[str] = []
        self._ports = [processes.free_port() for _ in range(APIS)]
        self._data = directory / "data"
        self._bare = {name: directory / "bare" / f"{name}.git" for name in NAMES}

    async def run(self) -> dict[str, Any]:
        """Answers what is wrong afterwards."""
        self._url, self._admin_url = await processes.database(self._local, "trees")
        try:
            async with AsyncExitStack() as stack:
                yard = await self._opened(stack)
                begun = time.monotonic()
                await self._blow(yard)
                stormed = time.monotonic()
                await self._calmed(yard)
                found = await self._judged(yard, stormed - begun)
                self.table["seconds until quiet"] = round(time.monotonic() - stormed, 1)
        finally:
            await self._ended()
        self.table["errors in logs"], secrets = logged(self.logs)
        if secrets:
            found["secrets in logs"] = secrets
        return found

    async def _opened(self, stack: AsyncExitStack) -> Yard:
        for bare in self._bare.values():
            remotes.bare(bare, commits=3)
        self._host = stack.enter_context(remotes.serving(self._directory / "bare"))
        given = {
            "DATABASE_URL": self._url,
            "CALLBOARD_DATA_DIR": str(self._data),
            "CALLBOARD_LOG_LEVEL": "warning",
            "REPO_URL": remotes.url_of(self._bare["near"]),
            "CALLBOARD_REPOSITORY_ORIGINS": self._host.url,
        }
        settings = registry.load(given, None)
        async with application.opened(settings, size=4) as database:
            report = await bootstrap.load(database, settings=settings, directory=seeds(self._directory / "seeds"))
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **given}
        self._log = stack.enter_context(self.logs.open("ab"))
        for number in range(APIS):
            await self._start("serve", number)
        for number in range(WORKERS):
            await self._start("worker", number)
        tokens = {name.partition("@")[0]: token for name, token in report.credentials}
        yard = Yard([f"http://127.0.0.1:{port}" for port in self._ports], tokens, self._chance, NAMES)
        await yard.sent("owner", "/api/v1/repositories", {"name": "far", "url": self._host.url_of(self._bare["far"])})
        for _ in range(TASKS):
            await yard.make()
        return yard

    async def _start(self, verb: str, number: int) -> None:
        port = {"CALLBOARD_PORT": str(self._ports[number])} if verb == "serve" else {}
        self._running[verb, number] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "app", verb),
            cwd=ROOT,
            env=self._environment | port,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    async def _blow(self, yard: Yard) -> None:
        living = [asyncio.create_task(yard.worker(slug)) for slug in BUILDERS]
        living += [asyncio.create_task(yard.reviewer(slug)) for slug in REVIEWERS]
        living += [asyncio.create_task(yard.person()) for _ in range(PEOPLE)]
        beside = [asyncio.create_task(one) for one in (self._watch(), self._stall(), self._others())]
        ends = time.monotonic() + self._seconds
        while time.monotonic() < ends:
            await asyncio.sleep(KILL_EVERY)
            await self._kill()
        yard.is_over = True
        for one in beside:
            one.cancel()
        await asyncio.gather(*living)
        await asyncio.gather(*beside, return_exceptions=True)
        self._host.stalls, self._host.refuses = False, None
        self._host.release()

    async def _kill(self) -> None:
        if self._chance.random() < GITS:
            await self._kill_git()
            return
        verb, number = self._chance.choice([*self._running])
        process = self._running[verb, number]
        # Of an API process also those that it serves with; git runs in sessions of its own and goes on.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        self.kills["workers" if verb == "worker" else "API processes"] += 1
        await self._start(verb, number)

    async def _kill_git(self) -> None:
        for _ in range(LOOKS):
            if await asyncio.to_thread(end_git, self._directory / "data"):
                self.kills["gits"] += 1
                return

    async def _watch(self) -> None:
        admin = await asyncpg.connect(db.plain(self._admin_url))
        try:
            while True:
                self._overlaps += [str(dict(row)) for row in await admin.fetch(facts.OVERLAPS)]
                await asyncio.sleep(0.25)
        finally:
            await admin.close()

    async def _stall(self) -> None:
        """Have the host of one repository hang, or refuse, for a while."""
        while True:
            await asyncio.sleep(STALL_EVERY)
            if self._chance.random() < 0.6:
                self._host.stall()
            else:
                self._host.refuses = 503
            await asyncio.sleep(STALL_SECONDS)
            self._host.refuses, self._host.stalls = None, False
            self._host.release()

    async def _others(self) -> None:
        """Somebody else, who pushes to the base branches."""
        for number in range(1_000_000):
            await asyncio.sleep(3)
            name = self._chance.choice(NAMES)
            await asyncio.to_thread(remotes.commit, self._bare[name], {"others.txt": f"{number}\n"})

    async def _calmed(self, yard: Yard) -> None:
        """Let all end, have everything compared with the disk, and let that end too."""
        admin = await asyncpg.connect(db.plain(self._admin_url))
        try:
            await self._quiet(admin)
            await self._aged(admin)
            for _ in range(2):
                await yard.sent("owner", "/api/v1/admin/runtime/commands", {"command_type": "repository.sweep"})
                await self._quiet(admin)
        finally:
            await admin.close()

    async def _aged(self, admin: Any) -> None:
        """As if minutes had passed: locks of killed gits are old now, and so is what nobody has settled."""
        left = [path for path in self._data.rglob("[!.]*.lock") if path.is_file()]
        self.table["locks of killed gits"] = len(left)
        for path in left:
            os.utime(path, (0, 0))
        await admin.execute("UPDATE task_worktrees SET changed_at = changed_at - interval '5 minutes' WHERE removed_at IS NULL")

    async def _quiet(self, admin: Any) -> None:
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            if not await admin.fetchval(facts.WAITING):
                await asyncio.sleep(0.5)
                if not await admin.fetchval(facts.WAITING):
                    return
            for sql in HURRY:
                await admin.execute(sql)
            await asyncio.sleep(0.5)

    async def _judged(self, yard: Yard, seconds: float) -> dict[str, Any]:
        admin = await asyncpg.connect(db.plain(self._admin_url))
        try:
            found = await wrong(admin, yard, self._bare, self._data / "worktrees")
            for name, sql in facts.COUNTS.items():
                self.table[name] = await admin.fetchval(sql)
        finally:
            await admin.close()
        if self._overlaps:
            found["two tasks on the same files, as seen"] = [len(self._overlaps), *self._overlaps[:3]]
        await yard.client.aclose()
        self.table |= {"seconds of storm": round(seconds, 1), "kills": self.kills}
        counts = {"claims": yard.claims, "commits": len(yard.commits), "pushes": len(yard.pushes), "left files": len(yard.left)}
        for name, count in counts.items():
            self.table[name] = f"{count}, {count / seconds:.2f} a second"
        for name, took in yard.took.items():
            self.table[f"{name} p50, p95 in ms"] = _percentiles(took)
        self.table |= {"answers": dict(yard.statuses), "made again": dict(yard.again), "refusals": dict(yard.refusals)}
        return found

    async def _ended(self) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.terminate()
        for process in self._running.values():
            try:
                await asyncio.wait_for(process.wait(), processes.END_SECONDS)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def _percentiles(took: list[float]) -> list[int]:
    cuts = statistics.quantiles(took, n=20) if len(took) > 1 else [0.0] * 19
    return [round(cuts[9] * 1000), round(cuts[18] * 1000)]


def main(seconds: float = 60.0, seed: int = 1) -> int:
    directory = Path(tempfile.mkdtemp(prefix="callboard-trees-"))
    # Under root the server runs as another user, who must pass.
    directory.chmod(0o711)
    storm = Storm(start_local(directory), directory, seconds=seconds, seed=seed)
    try:
        found = uvloop.run(storm.run())
    finally:
        start_local(directory).stop()
        if "KEEP" not in os.environ:
            shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(storm.table, indent=2))
    print("wrong: " + json.dumps(found, indent=2, default=str) if found else "nothing lost, nothing doubled")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*(kind(one) for kind, one in zip((float, int), sys.argv[1:], strict=False))))
