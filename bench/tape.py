"""Statements recorded from the running code, to be played again with fresh ids: the baseline cannot drift from the product."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.kernel.ids import new_id

SLOT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|cbs_[\w-]{32}")
TASK = "task"
FETCHES = ("fetchrow", "fetch", "fetchval")


@dataclass(frozen=True, slots=True)
class Step:
    method: str
    sql: str
    arguments: tuple[Any, ...]


class RecordingPool:
    """A pool whose connections write down what is asked of them."""

    def __init__(self, pool: Any) -> None:
        self.steps: list[Step] = []
        self._pool = pool

    async def acquire(self, **how: Any) -> Any:
        return _Recording(await self._pool.acquire(**how), self.steps)

    async def release(self, recording: "_Recording") -> None:
        await self._pool.release(recording.connection)


class _Recording:
    def __init__(self, connection: Any, steps: list[Step]) -> None:
        self.connection = connection
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self.connection, name)
        if name not in FETCHES:
            return inner

        async def noted(sql: str, *arguments: Any) -> Any:
            self._steps.append(Step(name, sql, arguments))
            return await inner(sql, *arguments)

        return noted


class Tape:
    """One recorded call; ids that two recordings do not share are new in each play, `task_id` is the player's."""

    def __init__(self, steps: Sequence[Step], again: Sequence[Step], *, task_id: UUID | None) -> None:
        if [step.sql for step in steps] != [step.sql for step in again]:
            raise RuntimeError("two recordings of one call differ in their statements")
        shared = _ids(steps) & _ids(again)
        self._fresh = sorted(_ids(steps) - shared)
        self._task_id = str(task_id) if task_id else None
        self._steps = [(step.method, step.sql, tuple(self._compiled(one) for one in step.arguments)) for step in steps]

    @property
    def statements(self) -> list[str]:
        return [sql for _, sql, _ in self._steps]

    def play(self, task_id: str | None) -> list[tuple[str, str, list[Any]]]:
        values: dict[str, str] = {name: _another(name) for name in self._fresh}
        if task_id is not None:
            values[TASK] = task_id
        return [(method, sql, [_filled(one, values) for one in arguments]) for method, sql, arguments in self._steps]

    def _compiled(self, value: Any) -> Any:
        """The value itself, or what to fill in: one name of a slot for a UUID, parts of text and names otherwise."""
        if isinstance(value, UUID):
            name = self._slot(str(value))
            return _Id(name) if name else value
        if not isinstance(value, str):
            return value
        parts: list[tuple[str, str | None]] = []
        start = 0
        for found in SLOT.finditer(value):
            if name := self._slot(found[0]):
                parts.append((value[start : found.start()], name))
                start = found.end()
        return _Text((*parts, (value[start:], None))) if parts else str(value)

    def _slot(self, text: str) -> str | None:
        if text == self._task_id:
            return TASK
        return text if text in self._fresh else None


@dataclass(frozen=True, slots=True)
class _Id:
    name: str


@dataclass(frozen=True, slots=True)
class _Text:
    parts: tuple[tuple[str, str | None], ...]


def _filled(value: Any, values: dict[str, str]) -> Any:
    if type(value) is _Id:
        return UUID(values[value.name])
    if type(value) is _Text:
        return "".join([text + (values[name] if name else "") for text, name in value.parts])
    return value


def _another(name: str) -> str:
    return f"cbs_{new_id().hex}" if name.startswith("cbs_") else str(new_id())


def _ids(steps: Sequence[Step]) -> set[str]:
    texts = (str(one) for step in steps for one in step.arguments if isinstance(one, str | UUID))
    return {found[0] for text in texts for found in SLOT.finditer(text)}
