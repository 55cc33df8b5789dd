"""The envelopes that others may build on: versioned JSON Schemas of the very views that are served."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from app.events.schemas import EventView
from app.kernel.errors import Missing
from app.kernel.openapi import EnvelopeView
from app.kernel.settings import ROOT
from app.kernel.wire import View
from app.runtime.schemas.alerts import AlertView
from app.runtime.schemas.commands import AttemptView, CommandView
from app.runtime.schemas.contracts import ContractPage, ContractView
from app.runtime.schemas.letters import DeadLetterView
from app.runtime.schemas.schedules import ScheduleView

FROZEN = ROOT / "docs" / "runtime" / "contracts.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
WORDS = frozenset({"description", "title"})
NAMED = frozenset({"properties", "$defs"})


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: str
    view: type[View]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the view, with everything that it refers to."""
        about = {"$schema": DRAFT, "$id": f"/api/v1/contracts/{self.name}", "version": self.version}
        return about | msgspec.json.schema(self.view, ref_template="#/$defs/{name}") | {"title": self.name}

    @property
    def sha256(self) -> str:
        """The fingerprint of what the schema demands; words about it may change."""
        bare = msgspec.json.schema(self.view, ref_template="#/$defs/{name}")
        return hashlib.sha256(msgspec.json.encode(_without_words(bare), order="sorted")).hexdigest()


class Frozen(msgspec.Struct, frozen=True):
    """What a contract was when its version was given."""

    version: str
    sha256: str


class Contracts:
    """The published envelopes; a room adds its own when it is imported."""

    def __init__(self) -> None:
        self._known: dict[str, Contract] = {}

    def publish(self, name: str, view: type[View], *, version: str = "v1") -> None:
        """Promise that what is called `name` looks like `view`; another look needs another version."""
        self._known[name] = Contract(name=name, version=version, view=view)

    def all(self) -> list[Contract]:
        return [contract for _, contract in sorted(self._known.items())]

    def find(self, name: str) -> Contract:
        if name not in self._known:
            raise Missing.thing("contract", name)
        return self._known[name]

    def page(self) -> ContractPage:
        return ContractPage(items=[ContractView(name=one.name, version=one.version, sha256=one.sha256) for one in self.all()])

    def faults(self, frozen: Mapping[str, Frozen]) -> list[str]:
        """How the contracts differ from what was frozen, a sentence each."""
        found = [f"{name} is promised and not there any more" for name in sorted(frozen.keys() - self._known.keys())]
        for one in self.all():
            was = frozen.get(one.name)
            if was is None:
                found.append(f"{one.name} {one.version} is new: run ./callboard runtime contracts --write")
            elif was.version == one.version and was.sha256 != one.sha256:
                found.append(f"{one.name} changed without another version than {one.version}")
            elif was.version != one.version:
                found.append(f"{one.name} is {one.version}, frozen is {was.version}: run ./callboard runtime contracts --write")
        return found

    def broken(self, frozen: Mapping[str, Frozen]) -> list[str]:
        """The contracts that look otherwise under the version they had."""
        known = ((one, frozen.get(one.name)) for one in self.all())
        return [one.name for one, was in known if was and was.version == one.version and was.sha256 != one.sha256]


def frozen(path: Path = FROZEN) -> dict[str, Frozen]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Frozen]) if path.exists() else {}


def freeze(contracts: Contracts, path: Path = FROZEN) -> None:
    """Write down what the contracts look like."""
    known = {one.name: Frozen(one.version, one.sha256) for one in contracts.all()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=2) + b"\n")


def _without_words(schema: Any, *, is_named: bool = False) -> Any:
    """The schema without its descriptions; a property that is called so stays."""
    if isinstance(schema, list):
        return [_without_words(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = schema if is_named else {key: value for key, value in schema.items() if key not in WORDS}
    return {key: _without_words(value, is_named=not is_named and key in NAMED) for key, value in kept.items()}


CONTRACTS = Contracts()
CONTRACTS.publish("command", CommandView)
CONTRACTS.publish("attempt", AttemptView)
CONTRACTS.publish("event", EventView)
CONTRACTS.publish("error", EnvelopeView)
CONTRACTS.publish("alert", AlertView)
CONTRACTS.publish("dead_letter", DeadLetterView)
CONTRACTS.publish("schedule", ScheduleView)
