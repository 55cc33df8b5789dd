"""JSON Schema of bodies and views as clients of tools want it: one object at the root and nothing to look up."""

from typing import Any

import msgspec

_PLACE = "#/$defs/{name}"
# In Python `$` also stands before a last newline, so patterns say more.
ONLY_AT_THE_END = r"(?!\n)"


def plain(kind: Any) -> dict[str, Any]:
    """The schema of a struct; named parts stand where they are used, only what contains itself stays a reference."""
    (root,), named = msgspec.json.schema_components([kind], ref_template=_PLACE)
    kept: dict[str, Any] = {}
    shape: dict[str, Any] = _resolved(root, named, kept, inside=())
    return {"type": "object"} | shape | ({"$defs": kept} if kept else {})


def _resolved(part: Any, named: dict[str, Any], kept: dict[str, Any], *, inside: tuple[str, ...]) -> Any:
    if isinstance(part, list):
        return [_resolved(each, named, kept, inside=inside) for each in part]
    if not isinstance(part, dict):
        # The end of a text is the end in JSON Schema, and not every client's expressions look ahead.
        return part.removesuffix(ONLY_AT_THE_END) if isinstance(part, str) else part
    if not isinstance(reference := part.get("$ref"), str):
        return {key: _resolved(value, named, kept, inside=inside) for key, value in part.items() if not _is_name(key, value)}
    name = reference.removeprefix(_PLACE.format(name=""))
    if name in inside:
        if name not in kept:
            kept[name] = {}
            kept[name] = _resolved(named[name], named, kept, inside=(name,))
        return part
    beside = {key: value for key, value in part.items() if key != "$ref"}
    return _resolved(named[name], named, kept, inside=(*inside, name)) | beside


def _is_name(key: str, value: Any) -> bool:
    # The title of a struct is its class name; a property called `title` is a schema itself.
    return key == "title" and isinstance(value, str)
