"""A crew under a storm: a gateway that fails in every way, people who steer, workers killed each second, the database stopped.

Run: python -m bench.crew_storm [SECONDS [SEED]]; it starts a database of its own and fails if anything is wrong afterwards.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import uvloop

from app import main as application
from app.bootstrap import service as bootstrap
from app.kernel import db
from app.kernel.server import LocalServer, start_local
from app.kernel.settings import ROOT
from bench import processes, stage
from bench.crew import facts
from bench.crew.checks import logged, wrong
from bench.crew.gateway import Gateway, listening
from bench.crew.people import PULLS, Crowd

WORKERS, PEOPLE, TASKS, KILL_EVERY = 4, 3, 40, 1.3
PATIENCE = 150.0
SETTINGS = {"loop.wakes_per_hour": 60, "loop.credits": 4, "breaker.failures": 8, "breaker.seconds": 1, "limit.agent.most": 8}
SET = """INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind)
    SELECT $1, $2, to_jsonb($3::int), 1, 'bench', 'system'"""


class Storm:
    def __init__(self, local: LocalServer, directory: Path, *, seconds: float, seed: int) -> None:
        self.kills = 0
        self.overdrawn: list[str] = []
        self.logs = directory / "storm.log"
        self.table: dict[str, Any] = {}
        self._local, self._directory, self._seconds = local, directory, seconds
        self._chance, self._seed = random.Random(seed), seed
        self._workers: list[Any] = []
        self._apis: list[Any] = []
        self._fixed: list[UUID] = []
        self._url = self._admin_url = ""

    async def run(self) -> dict[str, Any]:
        """Answers what is wrong afterwards."""
        self._url, self._admin_url = await processes.database(self._local, "crew")
        try:
            async with AsyncExitStack() as stack:
                gateway = await stack.enter_async_context(listening(self._seed))
                crowd = await self._opened(stack, gateway)
                began = time.monotonic()
                await self._blow(crowd)
                stormed = time.monotonic()
                gateway.is_healed = True
                await self._calmed(crowd)
                quiet = time.monotonic()
                found = await self._judged(gateway, crowd)
                self.table |= {"kills": self.kills, "seconds of storm": round(stormed - began, 1)}
                self.table |= {"seconds until quiet": round(quiet - stormed, 1), "answered to people": dict(crowd.statuses)}
                self.table["asked of the gateway"] = dict(gateway.kinds)
        finally:
            await self._ended()
        found |= await self._afterwards()
        return found

    async def _opened(self, stack: AsyncExitStack, gateway: Gateway) -> Crowd:
        settings = stage.settings_of(self._url)
        async with application.opened(settings, size=4) as database:
            report = await bootstrap.load(database, settings=settings, directory=ROOT / "seeds", gateway_url=gateway.url)
        admin = await self._connected()
        for name, value in SETTINGS.items():
            await admin.execute(SET, report.account_id, name, value)
        await admin.execute("UPDATE executor_profiles SET timeout_seconds = 5")
        await admin.close()
        port = processes.free_port()
        log = stack.enter_context(self.logs.open("ab"))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": self._url, "CALLBOARD_PORT": str(port)}
        self._environment = {**environment, "CALLBOARD_LOG_LEVEL": "info", "CALLBOARD_DATA_DIR": str(self._directory)}
        self._apis.append(await self._started("serve", log))
        self._log = log
        tokens = dict(report.credentials)
        base = f"http://127.0.0.1:{port}"
        made = [httpx.AsyncClient(base_url=base, headers=_bearer(tokens[one]), timeout=30) for one in (stage.OWNER, PULLS)]
        clients = [await stack.enter_async_context(one) for one in made]
        crowd = Crowd(*clients, str(report.account_id), [], {}, [], self._chance)
        gateway.tasks = crowd.tasks
        await self._settled_in(crowd)
        self._workers = [await self._started("worker", log) for _ in range(WORKERS)]
        return crowd

    async def _settled_in(self, crowd: Crowd) -> None:
        agents = (await crowd.sent("GET", "/api/v1/agents"))["items"]
        crowd.agents = {agent["slug"]: agent["id"] for agent in agents}
        await crowd.sent("PATCH", f"/api/v1/agents/{crowd.agents[PULLS]}", {"reach": "pull", "capacity": 5})
        for number in range(TASKS):
            body = {"title": f"Task {number}", "assignee_slugs": [[*crowd.agents][number % len(crowd.agents)]]}
            crowd.tasks.append((await crowd.sent("POST", "/api/v1/tasks", body))["id"])
        first, second, *_ = crowd.tasks
        free = [("usd", "20", {"estimate": "0.10"}), ("runs", "400", {})]
        fixed = [("runs", "15", {"agent_slug": "engineer"}), ("usd", "0.50", {"agent_slug": "reviewer", "estimate": "0.10"})]
        fixed += [("runs", "6", {"task_id": first}), ("usd", "0.20", {"task_id": second, "estimate": "0.10"})]
        for unit, amount, more in fixed:
            self._fixed.append(UUID((await self._budget(crowd, unit, amount, more))["id"]))
        crowd.free_budgets += [(await self._budget(crowd, *one))["id"] for one in free]

    async def _budget(self, crowd: Crowd, unit: str, amount: str, more: dict[str, str]) -> Any:
        return await crowd.sent("POST", "/api/v1/budgets", {"unit": unit, "amount": amount, "period": "none", **more})

    async def _blow(self, crowd: Crowd) -> None:
        begun, clock = time.monotonic(), time.monotonic
        living = [asyncio.create_task(crowd.live()) for _ in range(PEOPLE)] + [asyncio.create_task(crowd.fetch())]
        stops_at = begun + self._seconds / 2
        while clock() < begun + self._seconds:
            await asyncio.sleep(max(0.0, begun + (self.kills + 1) * KILL_EVERY - clock()))
            await self._kill(self._chance.randrange(WORKERS))
            await self._watched()
            if stops_at and clock() > stops_at:
                stops_at = 0.0
                await asyncio.to_thread(self._stopped_at_once)
        crowd.is_over = True
        await asyncio.gather(*living)
        for number, worker in enumerate(self._workers):
            if worker.returncode is not None:
                self._workers[number] = await self._started("worker", self._log)

    async def _kill(self, victim: int) -> None:
        # One that starts while there is no database ends by itself.
        if self._workers[victim].returncode is None:
            self._workers[victim].kill()
        await self._workers[victim].wait()
        self.kills += 1
        self._workers[victim] = await self._started("worker", self._log)

    async def _started(self, verb: str, log: Any) -> Any:
        command = (sys.executable, "-P", "-m", "app", verb)
        return await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)

    def _stopped_at_once(self) -> None:
        # The hardest stop there is short of pulling the plug: no checkpoint, every connection cut.
        os.kill(self._local.pid, signal.SIGQUIT)
        while self._local.is_running():
            time.sleep(0.02)
        start_local(self._directory)

    async def _watched(self) -> None:
        admin = await self._connected()
        try:
            self.overdrawn += [str(dict(row)) for row in await admin.fetch(facts.OVERDRAWN, self._fixed)]
            await self._hurried(admin)
        finally:
            await admin.close()

    async def _hurried(self, admin: Any) -> None:
        """Make due what waits for a later attempt."""
        for sql in facts.HURRY:
            await admin.execute(sql)

    async def _calmed(self, crowd: Crowd) -> None:
        """Give everything room, replay what was given up, and wait until nothing waits any more."""
        for budget in [*crowd.free_budgets, *map(str, self._fixed)]:
            await crowd.sent("PATCH", f"/api/v1/budgets/{budget}", {"amount": "100000"})
        await self._quiet(crowd)
        while (done := await crowd.sent("POST", "/api/v1/deliveries/replay", {"most": 100})) and done["replayed"]:
            self.table["replayed in the end"] = self.table.get("replayed in the end", 0) + done["replayed"]
            await self._quiet(crowd)
        await crowd.sent("POST", "/api/v1/admin/runtime/commands", {"command_type": "usage.sweep"})
        await self._quiet(crowd)

    async def _quiet(self, crowd: Crowd) -> None:
        ends = time.monotonic() + PATIENCE
        admin = await self._connected()
        try:
            while await admin.fetchval(facts.WAITING) and time.monotonic() < ends:
                await crowd.drained()
                await self._hurried(admin)
                await asyncio.sleep(0.3)
        finally:
            await admin.close()

    async def _judged(self, gateway: Gateway, crowd: Crowd) -> dict[str, Any]:
        admin = await self._connected()
        try:
            found = await wrong(admin, gateway, crowd)
            if letters := [dict(row) for row in await admin.fetch(facts.LETTERS)]:
                found["which dead letters"] = letters
            for name, sql in facts.COUNTS.items():
                self.table[name] = int(await admin.fetchval(sql) or 0)
            self.table["ends"] = {row["ended"]: row["count"] for row in await admin.fetch(facts.ENDS)}
        finally:
            await admin.close()
        if self.overdrawn:
            found["moments at which a budget was overdrawn"] = [len(self.overdrawn), *self.overdrawn[:3]]
        return found

    async def _ended(self) -> None:
        running = [one for one in (*self._workers, *self._apis) if one.returncode is None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                await asyncio.wait_for(process.wait(), processes.END_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _afterwards(self) -> dict[str, Any]:
        admin = await self._connected()
        locks = await admin.fetchval(facts.ADVISORY)
        await admin.close()
        self.table["errors in logs"], secrets = logged(self.logs)
        log = (self._directory / "postgres.log").read_text(errors="replace")
        deadlocks = log.count("ERROR:  deadlock detected")
        # Who waited for whom, and at which statements.
        for said in log.split("ERROR:  deadlock detected")[1:]:
            print(said[:6000])
        found = {"advisory locks left": locks, "secrets in logs": secrets, "deadlocks": deadlocks}
        return {name: count for name, count in found.items() if count}

    async def _connected(self) -> Any:
        return await asyncpg.connect(db.plain(self._admin_url))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def main(seconds: float = 30.0, seed: int = 1) -> int:
    directory = Path(tempfile.mkdtemp(prefix="callboard-crew-"))
    # Under root the server runs as another user, who must pass.
    directory.chmod(0o711)
    storm = Storm(start_local(directory), directory, seconds=seconds, seed=seed)
    try:
        found = uvloop.run(storm.run())
    finally:
        start_local(directory).stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(storm.table, indent=2))
    print("wrong: " + json.dumps(found, indent=2, default=str) if found else "nothing lost, nothing doubled")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*(kind(one) for kind, one in zip((float, int), sys.argv[1:], strict=False))))
