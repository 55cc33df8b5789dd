"""The OpenAPI document: bodies and views, described from the same types that the routes decode and encode."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi.spec import OpenAPI, OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody
from litestar.openapi.spec.base import BaseSchemaObject

from app.kernel.wire import View

JSON = "application/json"
REFERENCE = "#/components/schemas/{name}"


class ErrorView(View):
    contract_version: str
    code: str
    message: str
    details: dict[str, Any]
    request_id: str


class EnvelopeView(View):
    """Every answer that is no success."""

    ok: bool
    error: ErrorView
    correlation_id: str


@dataclass
class _Raw(BaseSchemaObject):
    """A JSON Schema that is ready as it is."""

    value: dict[str, Any]

    def to_schema(self) -> dict[str, Any]:
        return self.value


def described(*, body: Any = None, view: Any = None, status: int = 200, also: Mapping[int, Any] | None = None) -> type[Operation]:
    """How a route is described: the body that it decodes, the view that it answers, and the envelope otherwise.

    `also` are the views of other successes, by their status.
    """
    others = dict(also or {})
    kinds = [kind for kind in (body, view, EnvelopeView, *others.values()) if kind is not None]
    (*schemas,), _ = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    by_kind = dict(zip(map(id, kinds), schemas, strict=True))

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            if body is not None:
                self.request_body = RequestBody(content=_content(by_kind[id(body)]), required=True)
            success = None if view is None else _content(by_kind[id(view)])
            self.responses = {
                str(status): OpenAPIResponse(description="Done.", content=success),
                **{
                    str(code): OpenAPIResponse(description="Done.", content=_content(by_kind[id(kind)]))
                    for code, kind in others.items()
                },
                "default": OpenAPIResponse(description="Refused, with the reason.", content=_content(by_kind[id(EnvelopeView)])),
            }

    Described.kinds = tuple(kinds)  # type: ignore[attr-defined]
    return Described


def complete(document: OpenAPI, handlers: Iterable[Any]) -> None:
    """Add the named schemas that the described ones of `handlers` refer to; the framework keeps only its own."""
    operations = [getattr(handler, "operation_class", None) for handler in handlers]
    kinds = {id(kind): kind for operation in operations for kind in getattr(operation, "kinds", ())}
    _, named = msgspec.json.schema_components(list(kinds.values()), ref_template=REFERENCE)
    document.components.schemas |= {name: _Raw(schema) for name, schema in named.items()}  # type: ignore[misc]


def _content(schema: dict[str, Any]) -> dict[str, OpenAPIMediaType]:
    return {JSON: OpenAPIMediaType(schema=_Raw(schema))}  # type: ignore[arg-type]
