"""procrastinate doing the same no-op work. Usage: with_procrastinate.py install|work|put|feed URL …"""

import asyncio

from procrastinate import App, PsycopgConnector

from bench.engines import common
from bench.engines.common import Tally

CONCURRENCY = 50
tallies = [Tally()]


def application(url: str, connections: int = 4) -> App:
    app = App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=connections))

    @app.task(name="noop")
    async def noop(sent: float) -> None:
        tallies[0].note(sent)

    return app


async def work(url: str, tally: Tally) -> None:
    tallies[0] = tally
    app = application(url)
    async with app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False, fetch_job_polling_interval=1.0)


def sender(app: App) -> common.Send:
    task = app.tasks["noop"]

    async def send(times: list[float]) -> None:
        if len(times) == 1:
            await task.defer_async(sent=times[0])
        else:
            await task.batch_defer_async(*[{"sent": one} for one in times])

    return send


async def main(verb: str, url: str, *rest: str) -> None:
    if verb == "work":
        await common.worked(lambda tally: work(url, tally))
        return
    app = application(url, connections=8)
    async with app.open_async():
        if verb == "install":
            await app.schema_manager.apply_schema_async()
            return
        first, second, connections = (*map(float, rest), 1.0)[:3]
        if verb == "put":
            await common.filled([sender(app)] * int(connections), count=int(first), batch=int(second))
        else:
            await common.fed(sender(app), rate=first, seconds=second)


if __name__ == "__main__":
    asyncio.run(main(*common.arguments()))
