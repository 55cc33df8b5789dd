"""Bringing a database to this version's schema, and making the roles that serve it."""

from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.kernel import clock
from app.kernel.db import APP_ROLE, AUTH_ROLE, RUNTIME_ROLE, plain
from app.kernel.startup import CannotStart

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
ROLES = (APP_ROLE, RUNTIME_ROLE, AUTH_ROLE)
LOCK = 0x63616C6C626F6172


async def upgrade(admin_url: str, service_user: str, revision: str = "head", *, mode: str | None = None) -> None:
    """Make the roles, let `service_user` become them, and migrate; two processes at once take turns.

    `mode` is the clock that a new database gets, and that one in use must have.
    """
    admin = await asyncpg.connect(plain(admin_url))
    try:
        await admin.execute("SELECT pg_advisory_lock($1)", LOCK)
        await _refuse_a_wall_that_cannot_hold(admin, service_user)
        await _make_roles(admin, service_user)
        await _run(admin_url, lambda config: command.upgrade(config, revision))
        if mode is not None:
            await clock.choose(admin, mode, reader=AUTH_ROLE)
    finally:
        await admin.close()


async def downgrade(admin_url: str, revision: str) -> None:
    await _run(admin_url, lambda config: command.downgrade(config, revision))


async def _run(admin_url: str, action: Any) -> None:
    _, _, rest = plain(admin_url).partition("://")
    engine = create_async_engine(
        f"postgresql+asyncpg://{rest}", poolclass=NullPool, async_creator=lambda: asyncpg.connect(plain(admin_url))
    )

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        action(config)

    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


async def _refuse_a_wall_that_cannot_hold(admin: Any, service_user: str) -> None:
    row = await admin.fetchrow("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = $1", service_user)
    if row is not None and (row["rolsuper"] or row["rolbypassrls"]):
        raise CannotStart(
            f"DATABASE_URL serves as {service_user}, which bypasses row-level security, so accounts would not be walled off; "
            "run as a superuser: CREATE ROLE callboard_service LOGIN PASSWORD '...'; then put that role in DATABASE_URL "
            "and the present address in DATABASE_ADMIN_URL"
        )


async def _make_roles(admin: Any, service_user: str) -> None:
    try:
        present = {
            row["rolname"] for row in await admin.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1)", list(ROLES))
        }
        for role in ROLES:
            if role not in present:
                await _create(admin, role)
            await _grant(admin, role, service_user if role != AUTH_ROLE else None)
    except asyncpg.InsufficientPrivilegeError as error:
        admin_user = await admin.fetchval("SELECT current_user")
        grants = " ".join(f"CREATE ROLE {role} NOLOGIN; GRANT {role} TO {admin_user} WITH ADMIN OPTION;" for role in ROLES)
        raise CannotStart(f"{admin_user} may not make the roles that serve ({error}); run as a superuser: {grants}") from error


async def _create(admin: Any, role: str) -> None:
    try:
        await admin.execute(f"CREATE ROLE {role} NOLOGIN")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        # Roles belong to the cluster: another board's start may have been quicker.
        return


async def _grant(admin: Any, role: str, service_user: str | None) -> None:
    members = {await admin.fetchval("SELECT current_user"), service_user} - {None}
    for member in members:
        if not await admin.fetchval("SELECT pg_has_role($1, $2, 'MEMBER')", member, role) or await _is_barred(
            admin, member, role
        ):
            await admin.execute(f'GRANT {role} TO "{member}"')


async def _is_barred(admin: Any, member: str, role: str) -> bool:
    """From PostgreSQL 16 on a creator is a member that may administer the role but not become it."""
    if admin.get_server_version().major < 16:  # noqa: PLR2004
        return False
    return not await admin.fetchval("SELECT pg_has_role($1, $2, 'SET')", member, role)
