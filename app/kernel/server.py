"""The embedded PostgreSQL: one server per data directory, behind `start_local`."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec

from app.kernel import datadir, postgres
from app.kernel.cluster import Postmaster, postmaster
from app.kernel.postgres import Programs
from app.kernel.startup import CannotStart

SERVICE_USER = "callboard_service"
DATABASE = "callboard"
SUPERUSER = "postgres"
START_SECONDS = 120.0
STOP_SECONDS = 60.0
LONGEST_SOCKET_DIR = 85
BUILTIN_LOCALES_SINCE = 17
LARGEST_LOG = 10_000_000


class LocalServer:
    """A running server; `stop` ends it even if another process started it."""

    def __init__(self, found: Postmaster, process: subprocess.Popen[bytes] | None) -> None:
        self.pid = found.pid
        self.admin_url = found.url(user=SUPERUSER, database=DATABASE)
        self.url = found.url(user=SERVICE_USER, database=DATABASE)
        self.was_adopted = process is None
        self._found = found
        self._process = process

    def is_running(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        current = postmaster(self._found.directory)
        return current is not None and current.pid == self.pid and current.is_alive()

    def stop(self) -> None:
        """Disconnect everyone, write a checkpoint and end."""
        if self._ends_after(signal.SIGINT, seconds=STOP_SECONDS):
            return
        # Immediate shutdown loses nothing that was committed: the next start replays the log.
        self._ends_after(signal.SIGQUIT, seconds=5)

    def _ends_after(self, number: signal.Signals, *, seconds: float) -> bool:
        if not self.is_running():
            return True
        os.kill(self.pid, number)
        deadline = time.monotonic() + seconds
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self.is_running():
            return False
        if self._found.socket_dir != self._found.directory:
            shutil.rmtree(self._found.socket_dir, ignore_errors=True)
        return True


def start_local(data_dir: Path) -> LocalServer:
    """Start the server of `data_dir`, made at first use, or adopt the one that outlived its board."""
    datadir.create(data_dir)
    programs = postgres.find_programs()
    directory = _directory(data_dir, programs)
    programs = _as_owner(directory, programs)
    _check_version(directory, programs)
    _give_to_account(directory, programs)
    found = postmaster(directory)
    if found and found.answers():
        return LocalServer(found, process=None)
    if found:
        found.forget()
    socket_dir = _socket_dir(directory, programs, last=found.socket_dir if found else None)
    return _launch(data_dir, directory, programs, socket_dir)


def find_local(data_dir: Path) -> LocalServer | None:
    """The running server of `data_dir`."""
    found = postmaster((data_dir / "postgres").resolve())
    return LocalServer(found, process=None) if found and found.answers() else None


def _directory(data_dir: Path, programs: Programs) -> Path:
    link = data_dir / "postgres"
    if link.exists():
        return link.resolve()
    link.unlink(missing_ok=True)
    if programs.account is None or programs.account.may_pass(data_dir):
        unfinished = data_dir / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        _initialise(unfinished, programs)
        # Only a finished cluster gets the name, so an interrupted first start is simply redone.
        return unfinished.rename(link).resolve()
    elsewhere = Path(tempfile.mkdtemp(prefix="data-", dir=postgres.state()))
    try:
        _initialise(elsewhere, programs)
    except CannotStart:
        shutil.rmtree(elsewhere)
        raise
    link.symlink_to(elsewhere)
    return elsewhere


def _initialise(directory: Path, programs: Programs) -> None:
    programs.own(directory)
    locale = ["--no-locale"]
    if programs.major >= BUILTIN_LOCALES_SINCE:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    programs.run(
        "initdb", "-D", str(directory), "-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", *locale
    )
    sql = f"CREATE ROLE {SERVICE_USER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS\nCREATE DATABASE {DATABASE}\n"
    programs.run("postgres", "--single", "-D", str(directory), "template1", text=sql)


def _as_owner(directory: Path, programs: Programs) -> Programs:
    owner = directory.stat().st_uid
    if programs.account is None:
        if owner != os.geteuid():
            raise CannotStart(f"{directory} belongs to user {_user_name(owner)}: start the board as that user")
        return programs
    if owner in {0, programs.account.uid}:
        return programs
    entry = pwd.getpwuid(owner)
    account = postgres.Account(name=entry.pw_name, uid=owner, gid=entry.pw_gid)
    return msgspec.structs.replace(programs, account=account)


def _give_to_account(directory: Path, programs: Programs) -> None:
    # A copy or a restore made by root belongs to root.
    if programs.account and directory.stat().st_uid == 0:
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, programs.account.uid, programs.account.gid, follow_symlinks=False)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _check_version(directory: Path, programs: Programs) -> None:
    try:
        made_by = (directory / "PG_VERSION").read_text().strip()
    except OSError:
        raise CannotStart(f"{directory} is not a PostgreSQL data directory: move it aside to start afresh") from None
    if made_by != str(programs.major):
        raise CannotStart(
            f"{directory} was made by PostgreSQL {made_by}, and this is PostgreSQL {programs.major}: dump it with pg_dump of "
            f"version {made_by}, or set DATABASE_URL to a server of that version, or move the directory aside to start afresh"
        )


def _launch(data_dir: Path, directory: Path, programs: Programs, socket_dir: Path) -> LocalServer:
    log = data_dir / "postgres.log"
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.unlink()
    settings = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
    }
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with log.open("ab") as output:
        log.chmod(0o600)
        # Its own session: Ctrl-C at the terminal must reach the board, which stops the server last.
        process = subprocess.Popen(
            programs.command("postgres", "-D", str(directory), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **programs.options(),
        )
    return _when_ready(directory, process, log)


def _socket_dir(directory: Path, programs: Programs, *, last: Path | None) -> Path:
    # A socket's address holds 107 bytes on Linux, 103 on macOS; asyncpg takes a comma for two hosts.
    if len(os.fsencode(directory)) <= LONGEST_SOCKET_DIR and re.fullmatch(r"[\w/.+-]+", str(directory), re.ASCII):
        return directory
    if last and programs.owns(last):
        # After a crash the address stays as those who reconnect know it.
        return last
    short = Path(tempfile.mkdtemp(prefix="callboard-", dir="/tmp"))
    programs.own(short)
    return short


def _when_ready(directory: Path, process: subprocess.Popen[bytes], log: Path) -> LocalServer:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = postmaster(directory)
        if found and found.answers():
            return LocalServer(found, process if found.pid == process.pid else None)
        is_another_starting = found is not None and found.pid != process.pid and found.is_alive()
        if process.poll() is not None and not is_another_starting:
            break
        time.sleep(0.02)
    raise CannotStart(f"PostgreSQL did not start: {_last_complaint(log)} (all of it in {log})")


def _last_complaint(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    complaints = [line for line in lines if "FATAL:" in line or "PANIC:" in line] or lines or ["no output"]
    return complaints[-1]
