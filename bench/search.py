"""Search and the duplicate guard in accounts of 100,000 tasks: milliseconds of one call, its transaction included.

Run: python -m bench.search [CALLS]; it starts a database of its own.
"""

import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from app import main
from app.accounts import service as accounts
from app.bootstrap import service as bootstrap
from app.kernel import db
from app.kernel import settings as registry
from app.kernel.db import Database
from app.kernel.errors import PossibleDuplicate
from app.kernel.types import Principal
from app.tasks.schemas import AgentNewTask
from app.tasks.schemas.search import AgentSearch
from app.tasks.tools import cards, reading
from bench import processes, stage
from bench.stage import ORIGIN

TASKS = 100_000
WORDS = 5_000
DESCRIBED = 80
SYLLABLES = (
    *("ba", "re", "mi", "to", "lu", "ka", "ster", "ing", "ment", "pro", "con", "tra", "vi", "den", "lo", "per", "fi", "gra"),
    *("sel", "nu", "ter", "al", "or", "ex", "ta", "sub", "mar", "ni", "co", "du"),
)
VERBS = ("Fix", "Add", "Write", "Review", "Refactor", "Test", "Document", "Remove")
STATES = ("inbox",) * 6 + ("done",) * 3 + ("archived",)
INSERT = """
INSERT INTO tasks (account_id, id, title, description, status, priority, labels, version, is_coordination, created_by_kind,
                   lease_fence, created_at, updated_at, completed_at, archived_at)
SELECT $1, gen.id, gen.title, gen.description, gen.status, 3, '{}', 1, false, 'system', 0, now(), now(),
       CASE WHEN gen.status = 'done' THEN now() END, CASE WHEN gen.status = 'archived' THEN now() END
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) AS gen (id, title, description, status)
"""
TEXTS = """
INSERT INTO task_texts (account_id, task_id, title, title_key, words, is_open, is_archived)
SELECT account_id, id, title, task_title_key(title), task_words(title, description, blocked_reason),
       status NOT IN ('done', 'archived'), status = 'archived' FROM tasks WHERE account_id = $1
"""
Row = tuple[UUID, str, str, str]
Table = dict[str, dict[str, float]]


class Words:
    """Invented words, a few of them in most texts and most of them in few, as in any language."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        made: dict[str, None] = {}
        while len(made) < WORDS:
            made["".join(self._random.choices(SYLLABLES, k=self._random.randint(2, 4)))] = None
        self.all = list(made)
        self._weights = [1 / (place + 5) for place in range(WORDS)]

    def some(self, count: int) -> str:
        return " ".join(self._random.choices(self.all, self._weights, k=count))

    def title(self) -> str:
        return f"{self._random.choice(VERBS)} the {self.some(self._random.randint(3, 6))}"

    def name(self) -> str:
        return "".join(self._random.choices("abcdefghijklmnopqrstuvwxyz", k=14))

    def state(self) -> str:
        return self._random.choice(STATES)


def varied(words: Words) -> Iterator[Row]:
    """Tasks of an ordinary board, one word of which is in every description."""
    for number in range(TASKS):
        yield UUID(int=number + 1), words.title(), f"{words.some(DESCRIBED)} everywhere", words.state()


def alike(words: Words) -> Iterator[Row]:
    """Open tasks that only differ in their number."""
    for number in range(TASKS):
        yield UUID(int=number + 1), f"Teach the parser nested lists ({number})", words.some(10), "inbox"


def patterned(words: Words) -> Iterator[Row]:
    """Open tasks of one pattern, each about another thing, so that no two titles are close."""
    for number in range(TASKS):
        yield UUID(int=number + 1), f"Write the tests of module {words.name()}", words.some(10), "inbox"


def queries(words: Words) -> dict[str, Callable[[], str]]:
    """What is searched, by what is hard about it."""
    often, rare = words.all[0], words.all[-1]
    pair = f"{words.all[0]} {words.all[1]}"
    return {
        "one to three words, as often as they are used": lambda: words.some(random.randint(1, 3)),
        "a rare word": lambda: random.choice(words.all[-500:]),
        "the most frequent word": lambda: often,
        "a word of every task": lambda: "everywhere",
        "a word of every task, but not a frequent one": lambda: f"everywhere -{often}",
        "a word of every task and a rare one": lambda: f"everywhere {random.choice(words.all[-500:])}",
        "one of two frequent words": lambda: f"{often} or {words.all[1]}",
        "two frequent words side by side": lambda: f'"{pair}"',
        "two words of many tasks that are never side by side": lambda: f'"everywhere {often}"',
        "a frequent word or none (no hit)": lambda: f"{rare}{rare}",
    }


async def run(url: str, admin_url: str, calls: int = 100) -> Table:
    """Milliseconds of each case: p50, p95 and the longest."""
    words, table = Words(), {}
    async with main.opened(stage.settings_of(url), size=4) as database:
        boards = {}
        for name, rows in (("varied", varied), ("alike", alike), ("patterned", patterned)):
            boards[name] = await _board(database, url, slug=f"bench-{name}")
            await _filled(admin_url, boards[name].account_id, rows(words))
        for case, query in queries(words).items():
            table[f"search: {case}"] = await _timed(_search(database, boards["varied"], query), calls)
        for case, (name, title, because) in creations(words).items():
            table[f"create: {case}"] = await _timed(_create(database, boards[name], title, because), calls)
    print(markdown(table), flush=True)
    return table


def creations(words: Words) -> dict[str, tuple[str, Callable[[], str], str | None]]:
    """On which board, under what title, and why it is no duplicate."""
    numbers = iter(range(10**9))
    return {
        "not guarded": ("varied", words.title, "for the comparison"),
        "a new title": ("varied", words.title, None),
        "100,000 alike, a title like them": ("alike", lambda: f"Teach the parser nested lists {next(numbers)}", None),
        "100,000 alike, a title unlike them": ("alike", words.title, None),
        "100,000 alike, a title half like them": ("alike", lambda: f"Teach the parser {words.some(3)}", None),
        "100,000 of one pattern, one more": ("patterned", lambda: f"Write the tests of module {words.name()}", None),
        "100,000 of one pattern, a title half like them": ("patterned", lambda: f"Write the tests of {words.some(2)}", None),
    }


def markdown(table: Table) -> str:
    """The table of a run."""
    lines = [f"| one account with {TASKS:,} tasks | calls | p50 ms | p95 ms | longest ms |", "|---|---:|---:|---:|---:|"]
    for name, row in table.items():
        lines.append(f"| {name} | {row['calls']:.0f} | {row['p50_ms']:.1f} | {row['p95_ms']:.1f} | {row['longest_ms']:.1f} |")
    return "\n".join(lines)


async def _timed(act: Callable[[], Awaitable[Any]], calls: int) -> dict[str, float]:
    await act()
    taken = []
    for _ in range(calls):
        start = time.perf_counter()
        await act()
        taken.append((time.perf_counter() - start) * 1000)
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return {"calls": calls, "p50_ms": cuts[49], "p95_ms": cuts[94], "longest_ms": max(taken)}


def _search(database: Database, who: Principal, query: Callable[[], str]) -> Callable[[], Awaitable[Any]]:
    async def act() -> None:
        async with database.transaction(who.account_id, origin=ORIGIN) as tx:
            await reading.search(tx, who, AgentSearch(query=query()))

    return act


def _create(database: Database, who: Principal, title: Callable[[], str], because: str | None) -> Callable[[], Awaitable[Any]]:
    async def act() -> None:
        asked = AgentNewTask(title=title(), not_duplicate_because=because)
        try:
            async with database.transaction(who.account_id, origin=ORIGIN) as tx:
                await cards.create(tx, who, asked)
        except PossibleDuplicate:
            pass

    return act


async def _board(database: Database, url: str, *, slug: str) -> Principal:
    """The orchestrator of a new account with the shipped crew."""
    report = await bootstrap.load(database, settings=stage.settings_of(url), directory=registry.ROOT / "seeds", account_slug=slug)
    return (await accounts.authenticate(database.app, dict(report.credentials)["orchestrator"])).principal


async def _filled(admin_url: str, account_id: UUID, rows: Iterator[Row]) -> None:
    admin = await asyncpg.connect(db.plain(admin_url))
    try:
        while block := [row for row, _ in zip(rows, range(10_000), strict=False)]:
            await admin.execute(INSERT, account_id, *map(list, zip(*block, strict=True)))
        await admin.execute(TEXTS, account_id)
        await admin.execute("VACUUM ANALYZE tasks")
        await admin.execute("VACUUM ANALYZE task_texts")
    finally:
        await admin.close()


async def _alone(calls: int) -> None:
    with processes.cluster() as local:
        await run(*await processes.database(local, "bench_search"), calls)


if __name__ == "__main__":
    uvloop.run(_alone(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
