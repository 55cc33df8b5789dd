"""Budgets, runs that use them, and a look at what is left."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from app.kernel.types import ActorKind, Principal, Role
from app.usage import budgets, service
from app.usage.schemas import BudgetView, NewBudget
from app.usage.types import Exhausted, Period, Run, Spent, Unit
from tests import make

AGENT = UUID(int=77)


class Desk:
    """Runs of one account, each step in a transaction of its own."""

    def __init__(self, database: Any, account_id: UUID) -> None:
        self.database, self.account_id = database, account_id
        self.who = Principal(kind=ActorKind.PERSON, id=UUID(int=7), account_id=account_id, name="Owner", role=Role.OWNER)

    def do(self) -> Any:
        return self.database.transaction(self.account_id, origin=make.ORIGIN)

    async def budget(self, amount: str, **fields: Any) -> BudgetView:
        wanted: dict[str, Any] = {"unit": Unit.USD, "period": Period.NONE, "amount": Decimal(amount)} | fields
        async with self.do() as tx:
            return await budgets.create(tx, self.who, NewBudget(**wanted))

    def run(self, run_id: UUID | None = None, **fields: Any) -> Run:
        wanted: dict[str, Any] = {"agent_id": AGENT, "task_id": None, "command_id": uuid4(), "attempt": 1} | fields
        return Run(id=run_id or uuid4(), **wanted)

    async def reserve(self, run: Run) -> Exhausted | None:
        async with self.do() as tx:
            return await service.reserve(tx, run)

    async def spend(self, run: Run, cost: str | None, *, ask: int = 0, round_: int = 0, **fields: Any) -> None:
        wanted: dict[str, Any] = {"profile": "default", "seconds": 1.0, "input_tokens": 10, "output_tokens": 5} | fields
        known = None if cost is None else Decimal(cost)
        async with self.do() as tx:
            await service.spend(tx, run, Spent(ask=ask, round=round_, cost_usd=known, **wanted))

    async def release(self, *runs: Run) -> None:
        async with self.do() as tx:
            await service.release_all(tx, [run.id for run in runs])

    async def live(self, run: Run, cost: str) -> Exhausted | None:
        """A whole run."""
        refused = await self.reserve(run)
        if refused is None:
            # So that many are in flight at once.
            await asyncio.sleep(0.01)
            await self.spend(run, cost)
            await self.release(run)
        return refused


async def standing(admin: Any) -> tuple[Any, Any]:
    """What is spent and what is reserved of the only budget."""
    row = await admin.fetchrow("SELECT spent, reserved FROM budgets")
    return row["spent"], row["reserved"]
