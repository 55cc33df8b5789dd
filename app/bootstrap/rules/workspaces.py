"""What becomes of each file of a workspace: the board's are brought up to date, whatever the agent wrote stays."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count, islice
from uuid import UUID

import msgspec

from app.bootstrap.types.workspaces import BOARD, Agent, Piece, Plan

# Names of directories, so neither dots nor anything that a shell or another file system reads differently.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

# Gateways take no longer ids.
NAME_MOST, DIGEST_AT, DIGEST_DIGITS = 63, 40, 16
NAMES_HELD = 5


class Token(msgspec.Struct, frozen=True):
    """A token that the board made for workspaces; `name` says for those of which machine."""

    id: UUID
    name: str
    sha256: str


def is_safe(slug: str) -> bool:
    """Whether a directory may be called that."""
    return _SAFE.fullmatch(slug) is not None


def plan(
    wanted: Mapping[str, str],
    *,
    disk: Mapping[str, str | None],
    known: Mapping[str, Collection[str]],
    restored: Collection[str] = (),
) -> Plan:
    """What to do where `wanted` are the SHA-256 of the board's files, `disk` of what is there, `known` of what it wrote before.

    A file that is neither the wanted one nor one that the board wrote is the agent's: the board's is put beside it.
    """
    writes, removes, moves, edited = dict[str, str](), list[str](), list[str](), list[str]()
    final: dict[str, list[str]] = {}
    for name, sha256 in sorted(wanted.items()):
        there = disk.get(name)
        if there is None or there == sha256 or there in known.get(name, ()) or name in restored:
            if there != sha256:
                writes[name] = name
                moves += [name] if there is not None and there not in known.get(name, ()) else []
            final[name] = [sha256]
            removes += _stale(name + BOARD, disk=disk, known=known)
        else:
            edited.append(name)
            final |= _kept(name, known) | _beside(name, sha256, disk=disk, known=known, writes=writes)
    beside = {name + BOARD for name in wanted}
    for name in sorted(known.keys() - wanted.keys() - beside):
        removes += _stale(name, disk=disk, known=known)
    intended = _intended(final, writes=writes, wanted=wanted, known=known)
    return Plan(writes=writes, removes=tuple(removes), moves=tuple(moves), edited=tuple(edited), intended=intended, final=final)


def _stale(name: str, *, disk: Mapping[str, str | None], known: Mapping[str, Collection[str]]) -> list[str]:
    return [name] if disk.get(name) in set(known.get(name, ())) else []


def _kept(name: str, known: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    return {name: list(known[name])} if name in known else {}


def _beside(
    name: str,
    sha256: str,
    *,
    disk: Mapping[str, str | None],
    known: Mapping[str, Collection[str]],
    writes: dict[str, str],
) -> dict[str, list[str]]:
    """The board's version beside the agent's, unless the agent took it away or wrote into it."""
    beside = name + BOARD
    there, before = disk.get(beside), known.get(beside, ())
    if there != sha256 and (there in before or (there is None and sha256 not in before)):
        writes[beside] = name
        return {beside: [sha256]}
    return {beside: [sha256]} if there == sha256 else _kept(beside, known)


def _intended(
    final: Mapping[str, list[str]],
    *,
    writes: Mapping[str, str],
    wanted: Mapping[str, str],
    known: Mapping[str, Collection[str]],
) -> dict[str, list[str]]:
    """Whichever of the writes are done when the process dies, what they left is known to be the board's."""
    intended = {name: list(hashes) for name, hashes in known.items()} | dict(final)
    for name, source in writes.items():
        intended[name] = sorted({*known.get(name, ()), wanted[source]})
    return intended


def digest(pieces: Mapping[str, Piece], *, without: str) -> str:
    """The SHA-256 of all files but one, whatever their order."""
    lines = [f"{name}\0{piece.sha256}\n" for name, piece in sorted(pieces.items()) if name != without]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def tokens(held: Collection[str], issued: Iterable[Token], *, name: str) -> tuple[Token | None, list[Token]]:
    """The token that the workspace holds, if it is still good, and those of this machine that nobody holds."""
    good = list(issued)
    kept = next((one for one in good if one.sha256 in held), None)
    return kept, [one for one in good if one.name == name and one != kept]


def gateway_ids(agents: Iterable[Agent], *, held: Mapping[Agent, str]) -> dict[Agent, str]:
    """The id of each agent in a gateway: the one that it has, else its slug, with its account's where another has that slug.

    Nobody's changes because somebody else comes, so prompts never reach another account's agent.
    """
    ordered = sorted(set(agents))
    found: dict[Agent, str] = {}
    for agent in ordered:
        name = held.get(agent)
        if name is not None and name not in found.values() and name in islice(_names(agent), NAMES_HELD):
            found[agent] = name
    for agent in ordered:
        if agent not in found:
            found[agent] = next(name for name in _names(agent) if name not in found.values())
    return found


def _names(agent: Agent) -> Iterator[str]:
    account, slug = agent
    yield slug
    if len(name := f"{account}-{slug}") <= NAME_MOST:
        yield name
    for number in count():
        yield f"{slug[:DIGEST_AT]}-{hashlib.sha256(f'{account}/{slug}/{number}'.encode()).hexdigest()[:DIGEST_DIGITS]}"
