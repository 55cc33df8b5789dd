"""The part of the template language that an account may use: it names, asks and walks, and cannot compute."""

from collections.abc import Iterator

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables

from app.delivery.types.templates import PARTS, Problem

NEST_MOST = 2
LOOPS_MOST = 25
CONST_MOST = 500
SUFFIX = ".md.j2"

# None of them makes more than a little of what it gets.
FILTERS = frozenset(
    {"capitalize", "default", "first", "join", "last", "length", "lower", "safe", "string", "title", "trim", "unique", "upper"}
)
TESTS = frozenset({"boolean", "defined", "eq", "equalto", "false", "in", "ne", "none", "sameas", "true", "undefined"})
# What may be walked, by its last name.
LISTS = frozenset(
    {
        "assigned",
        "criteria",
        "facts",
        "handoffs",
        "labels",
        "mentionable",
        "messages",
        "missing",
        "next_statuses",
        "others",
        "steps",
        "tools",
    }
)
PATH = (nodes.Name, nodes.Getattr, nodes.Getitem)
PLAIN = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Const,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.If,
    nodes.For,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Concat,
    nodes.Assign,
    nodes.Include,
    nodes.Tuple,
    nodes.List,
)


def problems(source: str, *, place: str, known: frozenset[str], environment: Environment) -> list[Problem]:
    """What this text says that a template of an account may not say."""
    try:
        tree = environment.parse(source)
        # First this: the search for names computes what is constant.
        found = [*_of(tree, depth=0, assigned=frozenset(_assigned(tree))), *_many(tree)]
        found += [] if found else _unknown(tree, known=known)
    except TemplateSyntaxError as error:
        return [Problem(place=place, line=error.lineno, rule="syntax", message=error.message or "cannot be read")]
    except RecursionError:
        return [Problem(place=place, line=1, rule="syntax", message="is nested too deeply")]
    return [Problem(place=place, line=line, rule="language", message=message) for line, message in sorted(set(found))]


def _many(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    if sum(1 for _ in tree.find_all(nodes.For)) > LOOPS_MOST:
        yield 1, f"there are more than {LOOPS_MOST} loops"


def _unknown(tree: nodes.Template, *, known: frozenset[str]) -> list[tuple[int, str]]:
    unknown = find_undeclared_variables(tree) - known
    named = [node for node in tree.find_all(nodes.Name) if node.ctx == "load" and node.name in unknown]
    return [(node.lineno, f"there is no {node.name}") for node in named]


def _assigned(tree: nodes.Template) -> Iterator[str]:
    return (node.name for node in tree.find_all(nodes.Name) if node.ctx in {"store", "param"})


def _of(node: nodes.Node, *, depth: int, assigned: frozenset[str]) -> Iterator[tuple[int, str]]:
    reason = _refused(node, depth=depth, assigned=assigned)
    if reason is not None:
        yield node.lineno, reason
    for child in node.iter_child_nodes():
        yield from _of(child, depth=depth + isinstance(node, nodes.For), assigned=assigned)


def _refused(node: nodes.Node, *, depth: int, assigned: frozenset[str]) -> str | None:
    if not isinstance(node, PLAIN):
        return f"{type(node).__name__} is not for templates of an account"
    match node:
        case nodes.For():
            return _loop(node, depth=depth, assigned=assigned)
        case nodes.Filter():
            return _filter(node)
        case nodes.Include():
            return _include(node, depth=depth)
    return _value(node)


def _value(node: nodes.Node) -> str | None:
    match node:
        case nodes.Test() if node.name not in TESTS:
            return f"the test {node.name} is not for templates of an account"
        case nodes.Assign() if any(True for _ in node.find_all((nodes.Concat, nodes.Filter))):
            return "a variable may not be made of several values or by a filter"
        case nodes.Const() if isinstance(node.value, str) and len(node.value) > CONST_MOST:
            return f"a text in an expression has at most {CONST_MOST} characters"
        case nodes.Tuple(ctx="load") | nodes.List() if not all(isinstance(item, nodes.Const) for item in node.items):
            return "a list holds plain values only"
        case nodes.Getitem() if not isinstance(node.arg, nodes.Const):
            return "an index is a plain value"
    return None


def _loop(node: nodes.For, *, depth: int, assigned: frozenset[str]) -> str | None:
    if node.recursive:
        return "a loop may not call itself"
    if depth >= NEST_MOST:
        return f"loops stand at most {NEST_MOST} deep in each other"
    walked, last = node.iter, None
    if isinstance(walked, nodes.Name):
        last = walked.name if walked.name not in assigned else None
    elif isinstance(walked, nodes.Getattr):
        last = walked.attr
    return None if last in LISTS else f"a loop walks one of {', '.join(sorted(LISTS))}"


def _filter(node: nodes.Filter) -> str | None:
    if node.node is None or node.name not in FILTERS:
        return f"the filter {node.name} is not for templates of an account"
    given = [*node.args, *(one.value for one in node.kwargs)]
    if node.dyn_args or node.dyn_kwargs or not all(isinstance(one, nodes.Const) for one in given):
        return "a filter takes plain values only"
    if node.name == "join" and not isinstance(node.node, PATH):
        return "join takes a list by its name"
    return None


def _include(node: nodes.Include, *, depth: int) -> str | None:
    known = {f"{name}{SUFFIX}" for name in PARTS}
    if depth or not isinstance(node.template, nodes.Const) or node.template.value not in known:
        return f"outside of loops {' and '.join(sorted(known))} may be included, nothing else"
    return None
