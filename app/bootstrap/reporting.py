"""How an account's clones stand, in words for a terminal."""

from collections.abc import Sequence

import msgspec

from app.bootstrap import ordering
from app.bootstrap.queries import repositories as queries
from app.bootstrap.types.repositories import Standing
from app.bootstrap.types.vcs import CloneState
from app.kernel.settings import Settings
from app.kernel.transaction import Transaction


async def standing(tx: Transaction) -> Sequence[Standing]:
    """All repositories of the account, the primary one first."""
    return [msgspec.convert(dict(row), Standing) for row in await tx.rows(queries.STANDING, tx.account_id)]


async def order(tx: Transaction, name: str | None, *, settings: Settings) -> int:
    """Have the repository of this name synced, or all; answers how many there are to sync."""
    rows = await tx.rows(queries.WITH_ADDRESS, tx.account_id)
    wanted = [row["id"] for row in rows if name in {None, row["name"]}]
    return await ordering.order(tx, wanted, settings=settings, actor=None) if wanted else 0


def is_over(one: Standing) -> bool:
    """Nothing more is to be seen for now; what is tried again later has been told already."""
    return one.is_put_off or not one.is_pending


def is_degraded(one: Standing) -> bool:
    return one.state is CloneState.DEGRADED


def progress(one: Standing) -> str:
    percent = "" if one.percent is None else f" {one.percent} %"
    return f"{one.name}: {one.phase}{percent}"


def outcome(one: Standing) -> str:
    """How it stands, with what to do where it cannot be used."""
    if is_degraded(one):
        what = "cannot be brought up to date" if one.head else "cannot be cloned"
        return f"{one.name}: {what} ({one.trouble}): {f'{one.setting}: ' if one.setting else ''}{one.advice}"
    if one.state is CloneState.READY:
        remark = f" ({one.remark})" if one.remark else ""
        return f"{one.name}: ready, {one.base_branch} at {(one.head or '')[:10]}{remark}"
    if one.state is CloneState.OFF:
        return f"{one.name}: nothing is cloned"
    return f"{one.name}: {one.phase or 'waiting for a worker'}"
