"""What a gateway reads of the agents that it runs: their workspaces, names, skills and models, and no secret."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from app.bootstrap import places as directories
from app.bootstrap import workspaces_files as files
from app.bootstrap.rules.workspaces import gateway_ids
from app.bootstrap.types.workspaces import Agent, Place
from app.kernel.confined import Confined
from app.kernel.settings import Settings

MODE = 0o640
NEVER = "0m"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the file."""


class Identity(_Part, frozen=True, kw_only=True):
    name: str


class Heartbeat(_Part, frozen=True, kw_only=True):
    every: str


class GatewayAgent(_Part, frozen=True, kw_only=True):
    """`skills` are all that this agent may use; `model` is there only where its executor profile says one."""

    id: str
    workspace: str
    identity: Identity
    skills: list[str]
    model: str | msgspec.UnsetType = msgspec.UNSET


class Defaults(_Part, frozen=True, kw_only=True):
    """The board writes the workspaces and wakes the agents, so the gateway does neither."""

    skip_bootstrap: bool
    heartbeat: Heartbeat


class Agents(_Part, frozen=True, kw_only=True):
    defaults: Defaults
    list: list[GatewayAgent]


class GatewayConfig(_Part, frozen=True, kw_only=True):
    agents: Agents


class Told(NamedTuple):
    """What the file says now of those who were asked for, and whether it was written."""

    ids: dict[Agent, str]
    is_new: bool


def written(settings: Settings, root: Path, *, known: Mapping[Agent, str | None]) -> Told:
    """Write the file if it is to say something else. Blocking.

    `known` are agents of one account with the ids that the board has stored; the file tells those of all others.
    """
    path = settings.gateway_config
    if path is None:
        return Told({}, is_new=False)
    with files.locked(root, "gateway", waits=True):
        places = files.places(root)
        there = Confined(path.parent)
        present = there.read(path.name) if path.parent.is_dir() else None
        ids = _ids(settings, root, places, known=known, present=present)
        told = {agent: ids[agent] for agent in known}
        config = composed(settings, root, places, ids=ids)
        content = msgspec.json.format(msgspec.json.encode(config)) + b"\n"
        if msgspec.json.decode(content, type=GatewayConfig) != config:
            raise ValueError("the gateway's configuration does not read back as it was written")
        if present == content or (present is None and not places):
            return Told(told, is_new=False)
        there.write(path.name, content, mode=MODE)
        return Told(told, is_new=True)


def composed(settings: Settings, root: Path, places: Iterable[Place], *, ids: Mapping[Agent, str]) -> GatewayConfig:
    """The same agents give the same file, whatever their order."""
    agents = [
        GatewayAgent(
            id=ids[one.agent],
            workspace=_workspace(settings, root, one.agent),
            identity=Identity(name=one.name),
            skills=sorted(one.skills),
            model=one.model or msgspec.UNSET,
        )
        for one in sorted(places, key=lambda one: ids[one.agent])
    ]
    return GatewayConfig(agents=Agents(defaults=Defaults(skip_bootstrap=True, heartbeat=Heartbeat(every=NEVER)), list=agents))


def _ids(
    settings: Settings, root: Path, places: Iterable[Place], *, known: Mapping[Agent, str | None], present: bytes | None
) -> dict[Agent, str]:
    agents = {one.agent for one in places} | known.keys()
    said = _said(present)
    held = {agent: said[path] for agent in agents if (path := _workspace(settings, root, agent)) in said}
    others = {name for agent, name in held.items() if agent not in known}
    held |= {agent: name for agent, name in known.items() if name is not None and name not in others}
    return gateway_ids(agents, held=held)


def _said(present: bytes | None) -> dict[str, str]:
    """Ids by workspaces, as the file has them; nothing where somebody made something else of it."""
    try:
        config = msgspec.json.decode(present or b"", type=GatewayConfig)
    except msgspec.DecodeError:
        return {}
    return {one.workspace: one.id for one in config.agents.list}


def _workspace(settings: Settings, root: Path, agent: Agent) -> str:
    path = root.joinpath(*agent)
    return directories.seen(path, settings) or str(path)
