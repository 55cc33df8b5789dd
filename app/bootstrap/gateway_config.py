"""What a gateway reads of the agents that it runs: their workspaces, names, skills and models, and no secret."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from app.bootstrap import spots
from app.bootstrap import workspaces_files as files
from app.bootstrap.rules.workspaces import gateway_ids
from app.bootstrap.types.workspaces import Place
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


def written(settings: Settings, root: Path) -> bool:
    """Write the file if it is to say something else; whether it was written. Blocking."""
    path = settings.gateway_config
    if path is None:
        return False
    with files.locked(root, "gateway", waits=True):
        places = files.places(root)
        config = composed(settings, root, places)
        content = msgspec.json.format(msgspec.json.encode(config)) + b"\n"
        if msgspec.json.decode(content, type=GatewayConfig) != config:
            raise ValueError("the gateway's configuration does not read back as it was written")
        there = Confined(path.parent)
        present = there.read(path.name) if path.parent.is_dir() else None
        if present == content or (present is None and not places):
            return False
        there.write(path.name, content, mode=MODE)
        return True


def composed(settings: Settings, root: Path, places: Iterable[Place]) -> GatewayConfig:
    """The same agents give the same file, whatever their order."""
    agents = [
        GatewayAgent(
            id=name,
            workspace=spots.seen(path := root / one.account / one.slug, settings) or str(path),
            identity=Identity(name=one.name),
            skills=sorted(one.skills),
            model=one.model or msgspec.UNSET,
        )
        for name, one in gateway_ids(places)
    ]
    return GatewayConfig(agents=Agents(defaults=Defaults(skip_bootstrap=True, heartbeat=Heartbeat(every=NEVER)), list=agents))
