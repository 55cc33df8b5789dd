"""The boards that are measured, and the recordings of what their verbs ask of the database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.accounts import service as accounts
from app.bootstrap import service as bootstrap
from app.kernel import settings as registry
from app.kernel.db import Database
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction
from app.kernel.types import Origin, Principal
from app.messages import tools as messages
from app.messages.schemas import AgentMessage
from app.tasks import assigning, reading
from app.tasks.schemas import AgentStatusChange, NewTask
from app.tasks.tools import cards as tasks
from bench.tape import RecordingPool, Tape

ORIGIN = Origin(request_id="01990000-0000-7000-8000-000000000000", correlation_id="0" * 32, source="http")
OWNER = "owner@example.com"
LEADER, WORKER = "orchestrator", "engineer"
CONTENT = "The parser takes nested lists now; the tests are in tests/parser. Next is the writer."
TITLE = "Teach the parser nested lists"
BLOCKED = "waits for the schema of the writer"
Act = Callable[[Transaction], Awaitable[Any]]


@dataclass(slots=True)
class Seat:
    """One credential: what the baselines know of it without asking."""

    token: str
    principal: Principal
    tapes: dict[str, Tape] = field(default_factory=dict)


@dataclass(slots=True)
class Board:
    account_id: UUID
    person: Seat
    leader: Seat
    agent: Seat
    tasks: list[UUID]


def settings_of(url: str) -> Settings:
    return registry.load({"DATABASE_URL": url, "CALLBOARD_LOG_LEVEL": "error"}, None)


async def board(database: Database, url: str, *, slug: str, size: int, gateway_url: str | None = None) -> Board:
    """A new account with the shipped crew and `size` cards in progress, all assigned to its engineer."""
    report = await bootstrap.load(
        database,
        settings=settings_of(url),
        directory=registry.ROOT / "seeds",
        account_slug=slug,
        gateway_url=gateway_url,
    )
    tokens = dict(report.credentials)
    person, leader, agent = [await _seat(database, tokens[name]) for name in (OWNER, LEADER, WORKER)]
    made = [await _card(database, person.principal, leader.principal, number) for number in range(size)]
    return Board(report.account_id, person, leader, agent, made)


async def _seat(database: Database, token: str) -> Seat:
    return Seat(token, (await accounts.authenticate(database.app, token)).principal)


async def _card(database: Database, person: Principal, leader: Principal, number: int) -> UUID:
    asked = NewTask(title=f"{TITLE} ({number})", assignee_slugs=[WORKER], labels=["parser"])
    async with database.transaction(person.account_id, origin=ORIGIN) as tx:
        made = await assigning.create(tx, person, asked)
    async with database.transaction(person.account_id, origin=ORIGIN) as tx:
        await tasks.move(tx, leader, AgentStatusChange(task_id=made.id, status="in_progress"))
    return made.id


async def record(database: Database, board: Board) -> None:
    """Note the statements of every measured call, as the product makes them."""
    # The orchestrator moves tasks without a lease, so that one request can be sent again and again.
    leader = board.leader.principal
    who, owner, task = board.agent.principal, board.person.principal, board.tasks[-1] if board.tasks else None
    await _tape(database, board.person, "create", lambda tx: assigning.create(tx, owner, NewTask(title=TITLE)))
    await _tape(database, board.person, "list", lambda tx: reading.page(tx, status=None, assignee=None, limit=50, before=None))
    if task is None:
        return
    said = AgentMessage(task_id=task, content=CONTENT)
    await _tape(database, board.agent, "message", lambda tx: messages.post(tx, who, said), task_id=task)
    away = AgentStatusChange(task_id=task, status="blocked", blocked_reason=BLOCKED)
    back = AgentStatusChange(task_id=task, status="in_progress")
    await _tape(database, board.leader, "blocked", _moved(leader, away), undo=_moved(leader, back), task_id=task)
    await _tape(database, board.leader, "in_progress", _moved(leader, back), undo=_moved(leader, away), task_id=task)


def _moved(who: Principal, change: AgentStatusChange) -> Act:
    return lambda tx: tasks.move(tx, who, change)


async def _tape(
    database: Database, seat: Seat, name: str, act: Act, *, undo: Act | None = None, task_id: UUID | None = None
) -> None:
    pool = RecordingPool(database.app)
    recorded = Database(pool, database.runtime, wakes=database.wakes, subscribers=database.subscribers)
    both: list[list[Any]] = []
    # The first call of all opens sessions and is not what is measured.
    for watched in (database, recorded, recorded):
        if both and undo:
            await _done(database, seat, undo)
        pool.steps.clear()
        await _done(watched, seat, act)
        both.append(list(pool.steps))
    seat.tapes[name] = Tape(both[1], both[2], task_id=task_id)


async def _done(database: Database, seat: Seat, act: Act) -> None:
    async with database.transaction(seat.principal.account_id, origin=ORIGIN) as tx:
        await act(tx)
