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
from app.bootstrap.types.vcs import Place, Report, Trouble
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
    credential = credential_for(git.settings, address)
    variables = environment.remote(
        git.home, scheme=address.scheme, askpass=_askpass(to.directory), credential=credential.variables if credential else {}
    )
    lines = words.Lines()

    def said(piece: bytes) -> None:
        for progress in lines.read(piece):
            if to.report:
                to.report(progress)

    program = [git.require(), *environment.OPTIONS, *environment.NETWORK_OPTIONS, *asked]
    try:
        done = await guard.followed(
            program,
            environment=variables | to.variables,
            directory=to.directory,
            seconds=seconds,
            said=said,
            holding=to.holding,
        )
    except TimeoutError:
        raise words.error(Trouble.TIMEOUT, to.place) from None
    except (guard.CannotRun, guard.GuardLost):
        raise words.error(Trouble.BROKEN, to.place) from None
    if done.exit_code not in accepted:
        secrets = [credential.token] if credential else []
        trouble = words.trouble_in(done.errors)
        log.warning(
            "git.failed", step=asked[0], code=done.exit_code, trouble=trouble, said=words.shown(done.errors, secrets=secrets)
        )
        raise words.error(trouble, to.place)
    return done


def _askpass(directory: Path) -> Path:
    """A program in the private directory that holds no secret and runs ours."""
    path = directory / "askpass"
    words_of_it = shlex.join([sys.executable, "-I", "-S", askpass.__file__])
    path.write_text(f'#!/bin/sh\nexec {words_of_it} "$@"\n')
    path.chmod(EXECUTABLE)
    return path
