"""What a template of an account may say: enough to lay out a prompt, too little to burn time or memory."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery import render, templating
from app.delivery.fence import TooLarge
from app.delivery.specimens import specimens
from app.delivery.types.templates import TemplateName
from app.kernel import settings as registry
from tests.delivery.injections import INJECTIONS, WORD
from tests.delivery.test_injections import full, poisoned
from tests.delivery.test_render_overrides import bare
from tests.delivery.worlds import tokens

SETTINGS = registry.load({}, None)


def problems(content, name="input"):
    return templating.problems({name: content}, SETTINGS, written=(name,))


def loops(body, *lists):
    return "".join(f"{{% for x{depth} in {one} %}}" for depth, one in enumerate(lists)) + body + "{% endfor %}" * len(lists)


REFUSED = [
    ("{{ task.title", "syntax", 1),
    ("a\n{{ nothing_known }}", "language", 2),
    ("\n\n{{ task.secret if task }}", "rendering", 3),
    ("{{ message.text }}", "rendering", 1),
    ("one\nAsk the squad lead.", "role-name", 2),
    ("x\n{{ 'the' }} {{ 'lead' }}", "role-name", 2),
    ("git checkout main", "branch-command", 1),
    ("{{ 'x' * 100000000 }}", "language", 1),
    ("{{ 10 ** 10 ** 10 }}", "language", 1),
    ("{{ '%999999999d' % 1 }}", "language", 1),
    ("{{ 'x' | center(1000000) }}", "language", 1),
    ("{{ task.labels | join(briefing) }}", "language", 1),
    ("{{ 'abc' | join('123') | join('456') }}", "language", 1),
    ("{{ message | replace('a', 'aaaa') }}", "language", 1),
    ("{% set a = 'x' ~ 'x' %}{{ a }}", "language", 1),
    ("{% set a %}x{{ message }}{% endset %}{{ a }}", "language", 1),
    ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "language", 1),
    ("{% filter upper %}x{% endfilter %}", "language", 1),
    ("{% for a in others recursive %}{{ loop(others) }}{% endfor %}", "language", 1),
    (loops("", "mentionable", "mentionable", "mentionable"), "language", 1),
    (loops("", "'aaaa'"), "language", 1),
    (loops("", "message"), "language", 1),
    ("{% set others = message %}" + loops("", "others"), "language", 1),
    (loops("x", "others") * 26, "language", 1),
    (loops("{% include 'acting.md.j2' %}", "others"), "language", 1),
    ("{% include 'input.md.j2' %}", "language", 1),
    ("{% include briefing %}", "language", 1),
    ("{% extends 'input.md.j2' %}", "language", 1),
    ("{{ ''.__class__ }}{{ message.format() }}", "language", 1),
    ("{{ policy['__class__'] }}", "rendering", 1),
    ("{{ [message, [message]] }}", "language", 1),
    ("{{ {'a': 1} }}", "language", 1),
    ("{{ '" + "x" * 501 + "' }}", "language", 1),
    ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "syntax", 1),
    ("{{ " + "not " * 4000 + "1 }}", "syntax", 1),
    ("{% if task %}" * 110 + "x" + "{% endif %}" * 110, "syntax", 0),
    (loops("{{ message }}", "mentionable", "mentionable"), "rendering", 0),
    ("{{ message }}" * 14, "rendering", 0),
    (loops("", "wakeup.steps", "wakeup.steps"), "rendering", 1),
]


@pytest.mark.parametrize(("content", "rule", "line"), REFUSED, ids=[content[:40] for content, _, _ in REFUSED])
def test_what_cannot_be_used_is_refused_with_place_and_rule(content, rule, line):
    problem = problems(content)[0]
    assert (problem.rule, problem.line) == (rule, line), problem


FINE = [
    "{{ message }}",
    "# {{ notification.type | upper }}\n{% if task %}{{ task.title }} {{ task.labels | join(', ') }}{% else %}none{% endif %}",
    "{% for one in mentionable %}{{ loop.index }} {{ one.slug }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for name, value in repository.facts %}{{ name }}: {{ value | trim }}\n{% endfor %}",
    "{% set id = task.id if task else 'none' %}{{ id }} {{ 'a' ~ id ~ message }}",
    "{% include 'quoting.md.j2' %}\n{% include 'acting.md.j2' %}",
    "{{ 'yes' if notification.type in ('mention', 'ready') else 'no' }} {{ message is none }} {{ thread.messages | length }}",
    "{% raw %}{{ not read }}{% endraw %}{# said to nobody #}",
]


@pytest.mark.parametrize("content", FINE)
def test_what_lays_out_a_prompt_is_taken(content):
    assert problems(content) == []


@pytest.mark.parametrize("name", list(TemplateName))
def test_the_built_in_templates_are_written_in_it(name):
    assert problems(render.sources(None)[name][1], name=name) == []


VALUES = st.sampled_from(
    [
        "message",
        "task",
        "task.title",
        "briefing",
        "policy",
        "agent.name",
        "thread.messages",
        "mentionable",
        "repository.facts",
        "1",
        "'x'",
    ]
)
FILTERS = st.lists(
    st.sampled_from(["upper", "length", "join('-')", "first", "last", "trim", "string", "default('x')"]), max_size=3
)
PRINTS = st.tuples(VALUES, FILTERS).map(lambda made: "{{ " + " | ".join([made[0], *made[1]]) + " }}")
PIECES = st.recursive(
    PRINTS | st.sampled_from(["text\n", "{{ message[1:] }}", "{{ ", "%}", "\ue0001\ue001"]),
    lambda inner: st.tuples(
        inner, st.sampled_from(["mentionable", "thread.messages", "task.labels", "handoffs", "task"]), st.booleans()
    ).map(lambda made: loops(made[0], made[1]) if made[2] else f"{{% if {made[1]} %}}{made[0]}{{% endif %}}"),
    max_leaves=6,
)
WORLD = poisoned(full(), INJECTIONS["an end and a beginning"])


def said(templates):
    """What the template makes of a hostile world, or how it fails."""
    try:
        return render.render(WORLD, token=tokens(), templates=templates).input
    except Exception as error:  # noqa: BLE001 a value that cannot be used so; trying it at save says where
        return "" if isinstance(error, TooLarge) or render.where(error)[0] == "input" else error


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=4).map("".join))
def test_whatever_is_taken_renders_within_bounds_and_prints_the_outside_fenced_only(content):
    if not render.checked("input", content):
        text = said(render.compiled({"input": content}, None)[0])
        assert len(text) <= render.PROMPT_LIMIT
        assert WORD not in bare(text)


def test_the_worst_that_is_taken_ends_soon():
    body = "{% if task %}{{ policy.is_reviewer if may_close else agent }}{% endif %}" * 180
    content = loops(body, "mentionable", "mentionable") + loops("", "mentionable", "thread.messages") * 10
    started = time.thread_time()
    problems(content)
    assert time.thread_time() - started < render.TRYING_SECONDS + 4 * render.SECONDS_LIMIT


def test_every_kind_of_prompt_is_tried():
    kinds = {one.context.notification.type for one in specimens()}
    assert {"assignment", "wakeup", "ready", "mention", "status_change", "budget"} <= kinds
