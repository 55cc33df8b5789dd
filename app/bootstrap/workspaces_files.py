"""The files of workspaces on disk, and the manifests that say which words in them are the board's; blocking."""

import fcntl
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import msgspec

from app.bootstrap.rules import workspaces as rules
from app.bootstrap.types.workspaces import BOARD, ENVIRONMENT, MINE, Manifest, Piece, Place, Plan
from app.kernel.confined import PRIVATE, PUBLIC, Confined, Escapes, parts

MANIFESTS = ".manifests"
DELIVERABLES = "deliverables"
ENVIRONMENT_MOST = 64 << 10
_TOKEN = re.compile(rb"^[ \t]*(?:export[ \t]+)?CALLBOARD_TOKEN=[\"']?(cb_[A-Za-z0-9]+_[A-Za-z0-9_-]+)", re.MULTILINE)
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.new")
_manifest = msgspec.json.Decoder(Manifest)
_NOTHING = Manifest(agent_id=UUID(int=0))


class Trouble(Exception):
    """Why a workspace cannot be brought up to date; the message names the file and no secret."""


class Settled(msgspec.Struct, frozen=True):
    """What came of a workspace: the files that the agent has changed, and how many the board wrote or took away."""

    edited: tuple[str, ...] = ()
    touched: int = 0


class Shelf:
    """The workspaces of one account below `root`."""

    def __init__(self, root: Path, account: str) -> None:
        self._files = Confined(root)
        self._account = account

    def tokens(self, slug: str) -> list[str]:
        """The tokens that the environment file holds, and the board's version of it."""
        found = []
        for name in (ENVIRONMENT, ENVIRONMENT + BOARD):
            with _told(name):
                text = self._files.read(self._at(slug, name), most=ENVIRONMENT_MOST) or b""
            found += [token.decode() for token in _TOKEN.findall(text)]
        return found

    def manifest(self, slug: str) -> Manifest | None:
        """What the board wrote there; None where it says nothing that can be believed."""
        with _told("manifest"):
            text = self._files.read(self._manifest_of(slug))
        try:
            found = _manifest.decode(text) if text is not None else None
            for name in found.files if found else ():
                parts(name)
        except (msgspec.DecodeError, Escapes):
            return None
        return found

    def known(self) -> list[str]:
        """The agents that have a manifest."""
        with _told(MANIFESTS):
            names = self._files.names(f"{MANIFESTS}/{self._account}")
        return [slug for name in names if rules.is_safe(slug := name.removesuffix(".json")) and name != slug]

    def settle(
        self,
        slug: str,
        agent_id: UUID,
        pieces: Mapping[str, Piece],
        *,
        scaffold: Mapping[str, bytes],
        restored: Collection[str] = (),
        place: Place | None = None,
    ) -> Settled:
        """Bring one workspace up to date; whatever is in the way is found before anything is touched."""
        before = self.manifest(slug)
        known = before.files if before else {}
        wanted = {name: piece.sha256 for name, piece in pieces.items()}
        names = {*wanted, *known, *(name + BOARD for name in wanted)}
        disk = {name: self._digest(slug, name) for name in sorted(names | scaffold.keys())}
        self._tidy(slug, disk)
        plan = rules.plan(wanted, disk=disk, known=known, restored=restored)
        if plan.writes:
            self._keep(slug, Manifest(agent_id=agent_id, files=dict(plan.intended), place=before.place if before else None))
        self._do(slug, plan, pieces)
        for name, content in scaffold.items():
            if disk[name] is None:
                self._write(slug, name, content, mode=PUBLIC)
        after = Manifest(agent_id=agent_id, files=dict(plan.final), place=place)
        if plan.writes or after != before:
            self._keep(slug, after)
        return Settled(plan.edited, len(plan.writes) + len(plan.removes))

    def clear(self, slug: str) -> None:
        """Take the board's files away, and leave what is the agent's own."""
        known = (found.files if (found := self.manifest(slug)) else None) or {}
        disk = {name: self._digest(slug, name) for name in sorted(known)}
        self._do(slug, rules.plan({}, disk=disk, known=known), {})
        with _told("manifest"):
            self._files.remove(self._manifest_of(slug))

    def _do(self, slug: str, plan: Plan, pieces: Mapping[str, Piece]) -> None:
        for name in plan.moves:
            self._set_aside(slug, name)
        for name, source in plan.writes.items():
            piece = pieces[source]
            self._write(slug, name, piece.content, mode=PRIVATE if piece.is_private else PUBLIC)
        for name in plan.removes:
            with _told(name):
                self._files.remove(self._at(slug, name))

    def _set_aside(self, slug: str, name: str) -> None:
        """Keep the agent's version under a name that is free."""
        number = 1
        with _told(name):
            while not self._files.move(self._at(slug, name), self._at(slug, f"{name}{MINE}{f'-{number}' if number > 1 else ''}")):
                number += 1

    def _write(self, slug: str, name: str, content: bytes, *, mode: int) -> None:
        with _told(name):
            self._files.write(self._at(slug, name), content, mode=mode)

    def _digest(self, slug: str, name: str) -> str | None:
        with _told(name):
            return self._files.digest(self._at(slug, name))

    def _tidy(self, slug: str, names: Iterable[str]) -> None:
        """Make what there is to be without a file in it, and take away what a process left that died while it wrote."""
        with _told(DELIVERABLES):
            self._files.make(self._at(slug, DELIVERABLES))
        for above in sorted({name.rpartition("/")[0] for name in names}):
            with _told(above or "workspace"):
                directory = self._at(slug, above).rstrip("/")
                for left in filter(_UNFINISHED.fullmatch, self._files.names(directory)):
                    self._files.remove(f"{directory}/{left}")

    def _keep(self, slug: str, manifest: Manifest) -> None:
        with _told("manifest"):
            text = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"))
            self._files.write(self._manifest_of(slug), text, mode=PRIVATE)

    def _at(self, slug: str, name: str) -> str:
        return f"{self._account}/{slug}/{name}"

    def _manifest_of(self, slug: str) -> str:
        return f"{MANIFESTS}/{self._account}/{slug}.json"


def places(root: Path) -> list[Place]:
    """The agents of all accounts that a gateway is told of."""
    found = []
    for account in filter(rules.is_safe, Confined(root).names(MANIFESTS) if root.is_dir() else ()):
        shelf = Shelf(root, account)
        for slug in shelf.known():
            place = (shelf.manifest(slug) or _NOTHING).place
            # One that says it is another leads nowhere.
            if place is not None and (place.account, place.slug) == (account, slug):
                found.append(place)
    return found


@contextmanager
def locked(root: Path, name: str, *, waits: bool = False) -> Iterator[bool]:
    """Hold a lock that ends with this process; False when another one holds it, unless this `waits` for it."""
    path = root / MANIFESTS / f".{name}.lock"
    with _told(str(root)):
        Confined(root).make(MANIFESTS)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except Escapes as error:
        raise Trouble(f"{name}: {error}") from None
    except OSError as error:
        raise Trouble(f"{name}: {error.strerror or type(error).__name__}") from None
