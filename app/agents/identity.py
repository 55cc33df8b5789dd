"""Who an agent is: its layers, what they come to, and which of that each session was given."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from app.agents.identity_schemas import AgentIdentityView, ConflictView, GivenIdentityView, SectionView, SourceView
from app.agents.layering import Compiled, Text, compile_identity
from app.agents.queries import identity as queries
from app.agents.types import Layer
from app.kernel.errors import Missing
from app.kernel.transaction import Transaction

_layers = msgspec.json.Decoder(dict[Layer, tuple[str, str]])


async def compiled(tx: Transaction, agent_id: UUID) -> Compiled:
    """What the agent would be given now."""
    return compile_identity(found(await _row(tx, agent_id)))


async def view(tx: Transaction, agent_id: UUID) -> AgentIdentityView:
    row = await _row(tx, agent_id)
    one = compile_identity(found(row))
    return AgentIdentityView(
        soul=row["soul"] or None,
        prompt=one.prompt,
        sections=_sections(one),
        conflicts=[ConflictView(layer=each.layer, heading=each.heading, winner=each.winner) for each in one.conflicts],
        sources=[SourceView(layer=each.layer, source=each.source) for each in one.sources],
        warnings=list(one.warnings),
        sha256=one.sha256,
    )


async def given(tx: Transaction, agent_id: UUID, session_id: UUID) -> GivenIdentityView:
    """What a session of the agent was last given; one that was given none is absent here."""
    row = await tx.row(queries.GIVEN, tx.account_id, agent_id, session_id)
    if row is None:
        raise Missing.thing("identity of session", session_id)
    lists = {name: msgspec.json.decode(row[name]) for name in ("sections", "conflicts", "sources", "warnings")}
    return msgspec.convert(dict(row) | lists, GivenIdentityView)


def give(tx: Transaction, session_id: UUID, one: Compiled, *, before: str | None) -> None:
    """Note that the session is given this identity, unless that was so `before`."""
    if one.sha256 == before:
        return
    lists = (_sections(one), one.conflicts, one.sources, one.warnings)
    tx.write(queries.GIVE, tx.account_id, session_id, one.sha256, one.prompt, *map(_json, lists), expect=1)


def found(row: Any) -> dict[Layer, Text]:
    """The layers that a row tells of in `layers`, in the order of their precedence."""
    known = _layers.decode(row["layers"]) if row["layers"] else {}
    return {layer: Text(*known[layer]) for layer in Layer if layer in known}


def _sections(one: Compiled) -> list[SectionView]:
    return [SectionView(layer=each.layer, heading=each.heading, size=len(each.text.encode())) for each in one.sections]


def _json(items: Sequence[Any]) -> str:
    return msgspec.json.encode(items).decode()


async def _row(tx: Transaction, agent_id: UUID) -> Any:
    row = await tx.row(queries.OF_AGENT, tx.account_id, agent_id)
    if row is None:
        raise Missing.thing("agent", agent_id)
    return row
