"""The tools of the board as MCP describes them, made from the verbs."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from mcp import types

from app.agentapi.schemas import Next, WorkView
from app.agentapi.shapes import plain
from app.policies.verbs import Toolset, Verb

NEXT = "next"
NOTHING = "nothing"
KEY = "idempotency_key"
KEY_SHAPE = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "A name of your own for this call: repeated with the same arguments it happens once.",
}
# Clients check structured content against the output schema in refusals as well.
REFUSED = {
    "type": "object",
    "properties": {
        "ok": {"const": False},
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {"type": "object"}},
            "required": ["code", "message", "details"],
        },
    },
    "required": ["ok", "error"],
}


class Catalogue:
    """Every verb and its tool, by the tool's name."""

    def __init__(self, verbs: Iterable[Verb]) -> None:
        self.verbs = {verb.tool: verb for verb in verbs}
        self.tools = {NEXT: _next(), **{name: _tool(verb) for name, verb in self.verbs.items()}}

    def listed(self, offered: Iterable[Verb], toolsets: frozenset[str]) -> list[types.Tool]:
        """`next`, the core, and what the connection asked for besides."""
        shown = {Toolset.CORE, *toolsets}
        names = [verb.tool for verb in offered if verb.toolset in shown]
        return [self.tools[name] for name in (NEXT, *names)]


# Once in a process, since each schema takes time to make.
@cache
def _tool(verb: Verb) -> types.Tool:
    wanted = plain(verb.body)
    if not verb.reads:
        wanted["properties"] = wanted.get("properties", {}) | {KEY: KEY_SHAPE}
    return types.Tool(
        name=verb.tool,
        description=verb.summary,
        input_schema=wanted,
        output_schema=_answer(plain(verb.view)),
        annotations=_annotations(reads=verb.reads),
    )


@cache
def _next() -> types.Tool:
    nothing = {"type": "object", "properties": {"kind": {"const": NOTHING}}, "required": ["kind"], "additionalProperties": False}
    return types.Tool(
        name=NEXT,
        description="What to do now; waits for it, and answers `kind: nothing` when nothing came.",
        input_schema=plain(Next),
        output_schema=_answer(plain(WorkView), nothing),
        annotations=_annotations(reads=False),
    )


def _answer(*shapes: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "anyOf": [*shapes, REFUSED]}


def _annotations(*, reads: bool) -> types.ToolAnnotations:
    # Nothing on the board is destroyed: what agents do, people can undo.
    return types.ToolAnnotations(read_only_hint=reads, destructive_hint=False, idempotent_hint=reads, open_world_hint=False)
