"""What goes over the network: in a private directory, under a guard, with the credential of one origin for one call."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from app.bootstrap.git import askpass, environment, words
from app.bootstrap.git.addresses import address_of
from app.bootstrap.git.credentials import credential_for
from app.bootstrap.git.program import Git
from app.bootstrap.git.store import HEADS, SHA
from app.bootstrap.types.vcs import GitError, Place, Report, Trouble
from app.kernel import guard

EXECUTABLE = 0o700

log = structlog.get_logger()


class Look(NamedTuple):
    """What a remote has: its default branch, and commits by the names of branches."""

    default: str | None
    heads: dict[str, str]


class Call(NamedTuple):
    """Where one call to the remote of a place happens; `variables` name the private directory."""

    place: Place
    directory: Path
    variables: dict[str, str]
    holding: Sequence[int] = ()
    report: Report | None = None


async def look(git: Git, place: Place, *, directory: Path) -> Look:
    """The branches of a remote, or GitError."""
    asked = ["ls-remote", "--symref", place.url, "HEAD", f"{HEADS}*"]
    done = await call(git, Call(place, directory, {}), asked, seconds=git.limits.asking)
    default, heads = None, {}
    for line in done.output.decode(errors="surrogateescape").splitlines():
        what, _, name = line.partition("\t")
        if name == "HEAD" and what.startswith(f"ref: {HEADS}"):
            default = what.removeprefix(f"ref: {HEADS}")
        elif name.startswith(HEADS) and SHA.fullmatch(what):
            heads[name.removeprefix(HEADS)] = what
    return Look(default, heads)


async def call(git: Git, to: Call, asked: Sequence[str], *, seconds: float, accepted: Sequence[int] = (0,)) -> guard.Finished:
    """Run git with the network open to one protocol; GitError with our own advice if it fails."""
    address = address_of(to.place)
    credential = credential_for(git.settings, to.place)
    variables = environment.remote(
        git.home, scheme=address.scheme, askpass=_askpass(to.directory), credential=credential.variables if credential else {}
    )
    program = [git.require(), *environment.OPTIONS, *environment.NETWORK_OPTIONS, *asked]
    done = await _followed(to, program, variables=variables | to.variables, seconds=seconds)
    if done.exit_code not in accepted:
        raise _failed(to.place, asked[0], done, secrets=[credential.token] if credential else [])
    return done


async def _followed(to: Call, program: Sequence[str], *, variables: dict[str, str], seconds: float) -> guard.Finished:
    lines = words.Lines()

    def said(piece: bytes) -> None:
        for progress in lines.read(piece):
            if to.report:
                to.report(progress)

    try:
        return await guard.followed(
            program, environment=variables, directory=to.directory, seconds=seconds, said=said, holding=to.holding
        )
    except TimeoutError:
        raise words.error(Trouble.TIMEOUT, to.place) from None
    except (guard.CannotRun, guard.GuardLost):
        raise words.error(Trouble.BROKEN, to.place) from None


def _failed(place: Place, step: str, done: guard.Finished, *, secrets: Sequence[str]) -> GitError:
    trouble = Trouble.BUSY if words.has_raced(done.output) else words.trouble_in(done.errors)
    said = words.shown(done.errors + done.output, secrets=secrets)
    log.warning("git.failed", step=step, code=done.exit_code, trouble=trouble, said=said)
    is_anonymous = not secrets and address_of(place).scheme in {"http", "https"}
    return words.killed() if done.exit_code < 0 else words.error(trouble, place, is_anonymous=is_anonymous)


def _askpass(directory: Path) -> Path:
    """A program in the private directory that holds no secret and runs ours."""
    path = directory / "askpass"
    words_of_it = shlex.join([sys.executable, "-I", "-S", askpass.__file__])
    path.write_text(f'#!/bin/sh\nexec {words_of_it} "$@"\n')
    path.chmod(EXECUTABLE)
    return path
