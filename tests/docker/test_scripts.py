"""Shell scripts and system units."""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import asyncpg
import pytest

from app.cli.attached import CLOSING_SECONDS
from app.kernel import db, postgres
from app.kernel.server import STOP_SECONDS
from app.kernel.settings import DECLARED, ROOT
from tests.docker.reading import DOCKER

SCRIPTS = sorted([*DOCKER.glob("*.sh"), ROOT / "callboard", ROOT / ".ci" / "run"])
RENAMED = "DO $$ BEGIN ALTER ROLE {0} RENAME TO {1}; EXCEPTION WHEN undefined_object THEN NULL; END $$"
UNITS = sorted((DOCKER / "systemd").glob("*.service"))


def test_shellcheck_finds_nothing():
    checker = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([checker, *SCRIPTS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert all(os.access(script, os.X_OK) for script in SCRIPTS)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Username for 'https://host.example': ", "robot"),
        ("Password for 'https://robot@host.example': ", "t0ken"),
        ("Password for 'https://robot@other.example': ", None),
        ("Password for 'http://robot@host.example': ", None),
        ("Password for 'https://robot@host.example:8443': ", None),
        ("Password for 'https://host.example.other.example': ", None),
        ("Password for 'https://other.example/host.example': ", None),
        ("Enter passphrase for key '/key': ", None),
        ("", None),
    ],
)
def test_a_password_is_told_to_its_own_origin_only(prompt, answer):
    environment = {
        "PATH": os.defpath,
        "REPO_URL": "https://host.example/group/work.git",
        "REPO_USER": "robot",
        "REPO_TOKEN": "t0ken",
    }
    done = subprocess.run([DOCKER / "askpass.sh", prompt], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == ((1, "") if answer is None else (0, f"{answer}\n"))


def libpq(url):
    """The environment with which PostgreSQL's programs reach the server of an address."""
    parts = urlsplit(db.plain(url))
    given = {"host": parts.hostname, "port": parts.port, "password": parts.password, **dict(parse_qsl(parts.query))}
    return {f"PG{key.upper()}": unquote(str(value)) for key, value in given.items() if value}


def stored_key(password, salt, rounds):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), rounds)
    return base64.b64encode(hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()).decode()


async def service_role(**environment):
    return await asyncio.to_thread(
        subprocess.run, [DOCKER / "service-role.sh"], env=environment, capture_output=True, text=True, check=False
    )


async def test_the_database_gets_a_role_that_serves_and_no_policy_lets_past(cluster):
    admin, _ = cluster
    aside = f"aside_{uuid4().hex[:8]}"
    password = 'it\'s a \\ "password" of $HOME'
    connection = await asyncpg.connect(db.plain(admin))
    try:
        await connection.execute(f"SET password_encryption = 'scram-sha-256'; {RENAMED.format('callboard_service', aside)}")
        own = {"POSTGRES_USER": await connection.fetchval("SELECT current_user"), "SERVICE_PASSWORD": password}
        path = f"{postgres.find_programs().directory}:{os.defpath}"
        done = await service_role(PATH=path, **own, **libpq(admin))
        assert (done.returncode, done.stderr) == (0, "")
        (row,) = await connection.fetch("SELECT * FROM pg_authid WHERE rolname = 'callboard_service'")
        assert (row["rolcanlogin"], row["rolsuper"], row["rolbypassrls"], row["rolcreaterole"]) == (True, False, False, False)
        _, rounds, salt, keys = re.split(r"[$:]", row["rolpassword"], maxsplit=3)
        assert keys.partition(":")[0] == stored_key(password, salt, int(rounds))
    finally:
        await connection.execute(f"DROP ROLE IF EXISTS callboard_service; {RENAMED.format(aside, 'callboard_service')}")
        await connection.close()
    done = await service_role(PATH=path)
    assert done.returncode
    assert "POSTGRES_SERVICE_PASSWORD is unset: docker/up.sh makes it" in done.stderr


def unit(path):
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        key, is_set, value = line.partition("=")
        if is_set and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_confined_and_its_stop_leaves_time_for_the_longest_drain(path):
    found = unit(path)
    assert found["NoNewPrivileges"] == found["ProtectHome"] == found["PrivateTmp"] == found["RestrictSUIDSGID"] == ["true"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["User"] == ["callboard"]
    assert found["StateDirectory"] == ["callboard"]
    assert found["EnvironmentFile"] == ["-/etc/callboard/callboard.env"]
    assert found["KillMode"] == ["mixed"]
    drain = max(int(word) for s in DECLARED if s.name == "drain_seconds" for word in s.values.split() if word.isdigit())
    assert int(found["TimeoutStopSec"][0]) > drain + CLOSING_SECONDS + STOP_SECONDS


def test_the_units_start_the_board_and_more_workers():
    assert [path.name for path in UNITS] == ["callboard-worker@.service", "callboard.service"]
    worker, board = (unit(path) for path in UNITS)
    assert board["ExecStart"] == ["/opt/callboard/callboard up"]
    assert worker["ExecStart"] == ["/opt/callboard/callboard worker"]
    assert worker["UnsetEnvironment"] == ["DATABASE_ADMIN_URL"]
