"""Preflight of an executor profile: whether it could run an agent now, without running one."""

import asyncio

import httpx

from app.agents.executors import ProcessSettings
from app.agents.profile_schemas import ProfileView
from app.agents.types import Adapter
from app.delivery import probing
from app.delivery.gateway import rounds
from app.delivery.gateway.process import denied_to
from app.delivery.gateway.spreading import Spread
from app.delivery.resources import Resources
from app.delivery.schemas import PreflightCheck, PreflightView
from app.delivery.types.runs import Profile
from app.kernel.settings import Settings

AT_ONCE = 1


async def preflight(profile: ProfileView, settings: Settings) -> PreflightView:
    """Each check with what it found; a profile that calls nothing outside passes."""
    wanted = Profile(name=profile.name, adapter=profile.adapter, url=profile.url, settings=profile.settings)
    async with httpx.AsyncClient(transport=Spread(), trust_env=False, follow_redirects=False) as http:
        trouble = await probing.trouble_of(wanted, Resources(http, settings), asyncio.Semaphore(AT_ONCE))
    checks = [PreflightCheck(name="reachable", passed=trouble is None, detail=trouble or "")]
    if profile.adapter is Adapter.PROCESS:
        checks.append(await _denied(wanted, settings))
    return PreflightView(profile=profile.name, passed=all(check.passed for check in checks), checks=checks)


async def _denied(profile: Profile, settings: Settings) -> PreflightCheck:
    wanted = rounds.settings_of(profile, ProcessSettings)
    program = settings.executor_commands.programs.get(wanted.command) if settings.executor_commands else None
    found = await denied_to(wanted, program) if program else []
    detail = f"within reach of the command: {', '.join(found)}" if found else ""
    return PreflightCheck(name="denied", passed=not found, detail=detail)
