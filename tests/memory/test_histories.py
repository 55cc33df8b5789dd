"""Random histories of one name against a model of what memory promises."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.kernel.errors import Missing, VersionConflict
from app.kernel.types import ActorKind, Principal, Role
from app.memory import reading, service
from app.memory.access import Spot
from app.memory.schemas import MemoryDelete, MemoryWrite
from app.memory.types import Scope
from tests import make
from tests.memory.conftest import START
from tests.memory.desk import later

DELETED_SECONDS = 30 * 86_400
# A version is expected by how far it lies behind the present one.
lags = st.sampled_from([0, 0, 0, 1, -1])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), lags, st.none() | st.integers(1, 3), st.integers(0, 9)),
        st.tuples(st.just("delete"), lags),
        st.tuples(st.just("wait"), st.sampled_from([1, 1, 2, DELETED_SECONDS])),
        st.tuples(st.just("purge"), st.integers(1, 4)),
        st.tuples(st.just("read"), st.integers(1, 6)),
    ),
    min_size=4,
    max_size=25,
)


class Row(msgspec.Struct):
    item: int
    version: int
    is_deleted: bool
    content: Any
    expires_at: datetime | None


class Model:
    """The rows that there have to be, and what the log has to say."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.rows: list[Row] = []
        self.told: list[tuple[str, int]] = []
        self._items = 0

    @property
    def known(self) -> Row | None:
        return self.rows[-1] if self.rows and not self._is_expired(self.rows[-1]) else None

    @property
    def there(self) -> Row | None:
        return self.known if self.known and not self.known.is_deleted else None

    @property
    def current(self) -> int:
        return self.there.version if self.there else 0

    def write(self, content: Any, lasts: int | None) -> int:
        if self.known is None:
            self._items += 1
        self.told.append(("updated" if self.there else "created", self._next))
        return self._append(content, lasts, is_deleted=False)

    def delete(self) -> int:
        self.told.append(("deleted", self._next))
        return self._append(None, DELETED_SECONDS, is_deleted=True)

    def purge(self, most: int) -> int:
        last = {row.item: row for row in self.rows}
        doomed = [row for row in self.rows if self._is_expired(last[row.item])][:most]
        ends = [row for row in doomed if row is last[row.item] and not row.is_deleted]
        self.told += [("expired", row.version + 1) for row in ends]
        self.rows = [row for row in self.rows if row not in doomed]
        return len(doomed)

    def read(self, version: int) -> Any:
        found = [row for row in self.rows if self.known and row.item == self.known.item and row.version == version]
        return found[0].content if found else Missing

    @property
    def _next(self) -> int:
        return self.rows[-1].version + 1 if self.rows else 1

    def _append(self, content: Any, lasts: int | None, *, is_deleted: bool) -> int:
        expires_at = None if lasts is None else self.now + timedelta(seconds=lasts)
        self.rows.append(Row(self._items, self._next, is_deleted, content, expires_at))
        return self.rows[-1].version

    def _is_expired(self, row: Row) -> bool:
        return row.expires_at is not None and row.expires_at <= self.now


class Real:
    """The same history on the database."""

    def __init__(self, database: Any, who: Principal, spot: Spot) -> None:
        self.database = database
        self.who = who
        self.spot = spot

    async def do(self, step: tuple[Any, ...], *, expected: int) -> Any:
        async with self.database.transaction(self.who.account_id, origin=make.ORIGIN) as tx:
            match step:
                case ("write", _, lasts, content):
                    asked = MemoryWrite(content=content, expected_version=expected, expires_in_seconds=lasts)
                    return (await service.write(tx, self.who, self.spot, asked)).version
                case ("delete", _):
                    return (await service.delete(tx, self.who, self.spot, MemoryDelete(expected_version=expected))).version
                case ("purge", most):
                    return await service.purge_expired(tx, most)

    async def read(self, version: int | None) -> Any:
        async with self.database.transaction(self.who.account_id, origin=make.ORIGIN) as tx:
            try:
                return (await reading.one(tx, self.who, self.spot, version=version)).content
            except Missing:
                return Missing

    async def listed(self) -> list[int]:
        async with self.database.transaction(self.who.account_id, origin=make.ORIGIN) as tx:
            page = await reading.page(tx, self.who, self.spot.scope, self.spot.key)
            return [one.version for one in page.items]


async def outcome(real: Real, step: tuple[Any, ...], *, expected: int) -> Any:
    try:
        return await real.do(step, expected=expected)
    except Missing:
        return Missing
    except VersionConflict as conflict:
        return ("conflict", conflict.details["version"])


def foretold(model: Model, step: tuple[Any, ...], *, expected: int) -> Any:
    match step:
        case ("purge", most):
            return model.purge(most)
        case ("delete", _) if model.there is None:
            return Missing
        case ("write" | "delete", *_) if expected != model.current:
            return ("conflict", model.current)
        case ("write", _, lasts, content):
            return model.write(content, lasts)
        case _:
            return model.delete()


@pytest.fixture
async def owner(stopped, account) -> Principal:
    person_id = uuid4()
    people = "INSERT INTO people (account_id, id, email, handle, name, role) VALUES ($1, $2, 'o@example.com', 'o', 'O', 'owner')"
    await stopped.execute(people, account, person_id)
    return Principal(kind=ActorKind.PERSON, id=person_id, account_id=account, name="O", role=Role.OWNER)


async def told(admin, since: int) -> list[tuple[str, int]]:
    sql = "SELECT type, sequence FROM events WHERE entity_kind = 'memory' AND seq > $1 ORDER BY seq"
    return [(row["type"].rpartition(":")[2], row["sequence"]) for row in await admin.fetch(sql, since)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps)
async def test_any_history_goes_as_the_model_says(database, stopped, owner, history):
    # Every history in a scope of its own.
    agent_id = await _agent(stopped, owner.account_id)
    await stopped.execute("UPDATE runtime_clock SET at = $1", START)
    await stopped.execute("DELETE FROM runtime_memory_snapshots")
    since = await stopped.fetchval("SELECT last_seq FROM event_counters")
    real, model = Real(database, owner, Spot(scope=Scope.AGENT, key=agent_id, name="n")), Model(START)
    for step in history:
        if step[0] == "wait":
            model.now += timedelta(seconds=step[1])
            await later(stopped, step[1])
        elif step[0] == "read":
            assert await real.read(step[1]) == model.read(step[1])
        else:
            expected = max(0 if step[0] == "write" else 1, model.current - (step[1] if step[0] != "purge" else 0))
            assert await outcome(real, step, expected=expected) == foretold(model, step, expected=expected)
        assert await real.read(None) == (model.there.content if model.there else Missing)
        assert await real.listed() == ([model.current] if model.there else [])
    for version in range(1, 30):
        assert await real.read(version) == model.read(version)
    assert await told(stopped, since) == model.told
    assert await stopped.fetchval("SELECT count(*) FROM runtime_memory_snapshots") == len(model.rows)


async def _agent(admin, account_id: UUID) -> UUID:
    agent_id = uuid4()
    sql = (
        "INSERT INTO agents (account_id, id, slug, name, role, description, soul, reach, version) "
        "VALUES ($1, $2, $3, 'A', 'R', '', '', 'pull', 1)"
    )
    await admin.execute(sql, account_id, agent_id, agent_id.hex)
    return agent_id
