"""Who starts which durable work: the declared types beside every place in the code that enqueues one."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from app.kernel.settings import ROOT
from app.runtime.taxonomy import Taxonomy

CODE = ROOT / "app"
# What an expression stands for that names its type only at run time: whatever people and schedules may start.
AT_RUN_TIME = ""
ORDER = "Order"
FOLLOW_UP = "on_give_up"
SCHEDULED = "command_type"


class Place(NamedTuple):
    """Where a type is enqueued; `how` is `order`, `follow-up` or `schedule`."""

    type: str
    how: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class _Module(NamedTuple):
    path: str
    tree: ast.Module
    constants: dict[str, str]
    imported: dict[str, tuple[str, str]]


class _Modules:
    """The modules below a directory, read when somebody asks for one."""

    def __init__(self, code: Path) -> None:
        self._root = code.parent
        self._paths = {_dotted(path.relative_to(self._root)): path for path in sorted(code.rglob("*.py"))}
        self._read: dict[str, _Module] = {}

    def that_may_enqueue(self) -> Iterator[_Module]:
        for name, path in self._paths.items():
            text = path.read_text("utf-8")
            if any(word in text for word in (f"{ORDER}(", FOLLOW_UP, f"{SCHEDULED}=")):
                yield self[name]

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def __getitem__(self, name: str) -> _Module:
        if name not in self._read:
            path = self._paths[name]
            self._read[name] = _read(path.relative_to(self._root).as_posix(), path.read_text("utf-8"))
        return self._read[name]


def places(code: Path = CODE) -> list[Place]:
    """Every place below `code` that enqueues a command, by type and file."""
    modules = _Modules(code)
    return sorted({place for module in modules.that_may_enqueue() for place in _enqueues(module, modules)})


def faults(registry: Taxonomy, found: Sequence[Place]) -> list[str]:
    """What the declarations and the code do not agree about, a sentence each."""
    declared, started = {kind.name: kind for kind in registry.all()}, _by_type(found)
    wrong = registry.faults()
    for name in sorted(started.keys() - declared.keys() - {AT_RUN_TIME}):
        wrong.append(f"{name} is enqueued at {', '.join(map(str, started[name]))} and declared nowhere")
    for name, kind in sorted(declared.items()):
        if kind.started_by and not kind.is_submittable and name not in started:
            wrong.append(f"{name} is said to be started by {', '.join(kind.started_by)} and enqueued nowhere")
    return wrong


def lines(registry: Taxonomy, found: Sequence[Place]) -> list[str]:
    """A table of the types, and of the places that enqueue them."""
    started = _by_type(found)
    rows = [("type", "owner", "profile", "queue", "started by", "enqueued at")]
    for kind in registry.all():
        starters = [*kind.started_by, *(["operators", "schedules"] if kind.is_submittable else [])]
        where = ", ".join(map(str, started.get(kind.name, ())))
        rows.append((kind.name, kind.owner, kind.profile, kind.queue.value, ", ".join(starters), where or "-"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*table, "", "any type that operators and schedules may start:", *(f"  {one}" for one in started.get(AT_RUN_TIME, ()))]


def _by_type(found: Sequence[Place]) -> dict[str, list[Place]]:
    by_type: dict[str, list[Place]] = defaultdict(list)
    for place in found:
        by_type[place.type].append(place)
    return by_type


def _enqueues(module: _Module, modules: _Modules) -> Iterator[Place]:
    for scope in _scopes(module.tree):
        looped = _looped(scope)
        for node in scope:
            for how, value in _types(node):
                # A value that a loop takes from a list of constants is each of them.
                values = looped.get(value.id, [value]) if isinstance(value, ast.Name) else [value]
                for name in {_text(each, module, modules) for each in values}:
                    # A keyword of this name means a schedule only where it names a type.
                    if how != "schedule" or name:
                        yield Place(name or AT_RUN_TIME, how, module.path, value.lineno)


def _scopes(tree: ast.Module) -> Iterator[list[ast.AST]]:
    """The code of each outermost function, and last what is outside of all."""
    within: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node not in within:
            scope = list(ast.walk(node))
            within.update(scope)
            yield scope
    yield [node for node in ast.walk(tree) if node not in within]


def _types(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The expressions of the types that this piece of code enqueues."""
    if isinstance(node, ast.Call):
        is_order = _called(node.func) == ORDER
        for keyword in node.keywords:
            if is_order and keyword.arg == "type":
                yield "order", keyword.value
            elif not is_order and keyword.arg == SCHEDULED:
                yield "schedule", keyword.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == FOLLOW_UP:
                yield "follow-up", value


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _text(value: ast.expr, module: _Module, modules: _Modules) -> str | None:
    """The text that an expression stands for, None when only running it would tell."""
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name) if name in module.constants:
            return module.constants[name]
        case ast.Name(id=name) if name in module.imported:
            source, original = module.imported[name]
            return modules[source].constants.get(original) if source in modules else None
        case ast.Attribute(value=ast.Name(id=alias), attr=name) if alias in module.imported:
            source = ".".join(module.imported[alias])
            return modules[source].constants.get(name) if source in modules else None
    return None


def _read(path: str, text: str) -> _Module:
    tree = ast.parse(text)
    constants, imported = dict[str, str](), dict[str, tuple[str, str]]()
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                constants[name] = text
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                constants[name] = text
            case ast.ImportFrom(module=str(source)):
                imported |= {alias.asname or alias.name: (source, alias.name) for alias in node.names}
    return _Module(path, tree, constants, imported)


def _looped(scope: Sequence[ast.AST]) -> dict[str, list[ast.expr]]:
    """What the variables of loops over written-out lists stand for."""
    found: dict[str, list[ast.expr]] = defaultdict(list)
    for node in scope:
        match node:
            case ast.For(target=target, iter=ast.Tuple(elts=items) | ast.List(elts=items)):
                pass
            case ast.comprehension(target=target, iter=ast.Tuple(elts=items) | ast.List(elts=items)):
                pass
            case _:
                continue
        for item in items:
            for name, value in _bound(target, item):
                found[name].append(value)
    return found


def _bound(target: ast.expr, item: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, item:
        case ast.Name(id=name), _:
            yield name, item
        case ast.Tuple(elts=targets), ast.Tuple(elts=items) if len(targets) == len(items):
            for one, value in zip(targets, items, strict=True):
                yield from _bound(one, value)


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")
