"""Looks at gateways that gave no sign for a while; whatever one answers, it is there."""

import asyncio
import os
from typing import Any

import httpx
import msgspec

from app.agents import gateways
from app.agents.types import Adapter
from app.delivery import presence
from app.delivery.queries import presence as queries
from app.delivery.resources import Resources
from app.delivery.types.runs import GatewayError, Profile
from app.kernel.outside import origin_of
from app.runtime.handlers import Attempt
from app.runtime.rules.settings import GATEWAY_INTERVAL
from app.runtime.taxonomy import tick

PROBE_SECONDS = 5.0
AT_ONCE = 8
# A tick that comes a little early still looks.
SLACK_SECONDS = 1


@tick(gateways.PROBE, owner="delivery")
async def probe(attempt: Attempt) -> None:
    """Look at the gateways that agents are reached through, and notice which of them fell silent or are back."""
    interval = attempt.database.controls.limit(attempt.claim.account_id, GATEWAY_INTERVAL)
    async with attempt.transaction() as tx:
        rows = await tx.rows(queries.TO_PROBE, tx.account_id, float(interval - SLACK_SECONDS))
    room = asyncio.Semaphore(AT_ONCE)
    looks = [_looked(_profile(row), attempt.resources, room) for row in rows if not row["is_fresh"]]
    known = [look for look in await asyncio.gather(*looks) if look is not None]
    async with attempt.transaction() as tx:
        for name, trouble in known:
            if trouble is None:
                await presence.heard(tx, name, interval=interval)
            else:
                await presence.missed(tx, name, trouble, interval=interval)
        await gateways.put_off(tx, interval=interval)
        attempt.finish(tx, {"looked_at": len(known), "silent": sum(trouble is not None for _, trouble in known)})


def _profile(row: Any) -> Profile:
    settings = msgspec.json.decode(row["settings"])
    return Profile(name=row["name"], adapter=Adapter(row["adapter"]), url=row["url"], settings=settings)


async def _looked(profile: Profile, resources: Resources, room: asyncio.Semaphore) -> tuple[str, str | None] | None:
    try:
        return profile.name, await trouble_of(profile, resources, room)
    except httpx.PoolTimeout:
        # Every connection of this process is in use: nothing was asked, so nothing is known.
        return None


async def trouble_of(profile: Profile, resources: Resources, room: asyncio.Semaphore) -> str | None:
    """Why nothing answers there, or None; a profile that calls nothing outside is always there."""
    try:
        resolved = resources.gateways.resolved(profile)
    except GatewayError as error:
        return error.message
    if profile.adapter is Adapter.PROCESS:
        return _missing(profile, resources)
    origin = origin_of(resolved.url) if resolved.url else None
    if origin is None:
        return None
    scheme, host, port = origin
    async with room:
        return await _silent(resources.http, f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/")


def _missing(profile: Profile, resources: Resources) -> str | None:
    commands, name = resources.settings.executor_commands, str(profile.settings.get("command"))
    program = commands.programs.get(name) if commands else None
    if program is None:
        return f"the operator's list has no command {name}"
    return None if os.access(program.words[0], os.X_OK) else f"the command {name} is not there or may not be run"


async def _silent(http: httpx.AsyncClient, url: str) -> str | None:
    """Whatever status comes is a sign; its body is not read, and no credential is sent."""
    try:
        async with asyncio.timeout(PROBE_SECONDS + 1), http.stream("GET", url, timeout=PROBE_SECONDS):
            return None
    except (TimeoutError, httpx.ReadTimeout):
        return f"it did not answer within {PROBE_SECONDS:g} s"
    except httpx.PoolTimeout:
        raise
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
