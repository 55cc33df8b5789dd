from time import perf_counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.messages.rules import mentions
from app.messages.types import Content

MOST = 100_000


@pytest.mark.parametrize(
    ("content", "slugs"),
    [
        ("@qa please review", ("qa",)),
        ("ask @QA, @Ada-Two and @qa.", ("qa", "ada-two")),
        ("(@qa) *@ada* \"@bo\" '@cy' @d_e!", ("qa", "ada", "bo", "cy", "d_e")),
        ("@all-hands meet @all", ("all-hands", "all")),
        ("@qa- @qa--", ("qa",)),
        ("@alice.smith", ("alice",)),
        ("@qa's turn", ("qa",)),
        ("@qa/@ada", ("qa",)),
        ("@qa\n@ada\r\n@bo", ("qa", "ada", "bo")),
        ("привет,@qa", ("qa",)),
        ("bob@all.com", ()),
        ("josé@qa", ()),
        ("@josé", ()),
        ("@@qa", ()),
        ("a.@qa", ()),
        ("https://x.org/@qa?who=@ada&b=@bo", ()),
        ("see https://x.org then @qa", ("qa",)),
        ("@", ()),
        ("@ qa", ()),
        ("@-qa @_qa", ()),
        ("@" + "a" * 63, ("a" * 63,)),
        ("@" + "a" * 64, ()),
        ("@aa-" + "b" * 70, ()),
        ("", ()),
    ],
)
def test_a_mention_is_an_at_sign_and_a_slug(content, slugs):
    assert mentions(content) == slugs


@pytest.mark.parametrize(
    ("content", "slugs"),
    [
        ("`@qa` @ada", ("ada",)),
        ("``@qa ` @bo`` @ada", ("ada",)),
        ("`@qa\n@bo` @ada", ("ada",)),
        ("a lone ` before @ada", ("ada",)),
        ("a lone ` here\n\n@ada and ` there", ("ada",)),
        ("```\nx\n```\n@ada ``` @bo", ("ada", "bo")),
        ("`` not closed ` @ada", ("ada",)),
        ("```\n@qa\n```\n@ada", ("ada",)),
        ("```py\n@qa\n````\n@ada", ("ada",)),
        ("````\n```\n@qa\n````\n@ada", ("ada",)),
        ("~~~\n@qa\n```\n@bo\n~~~\n@ada", ("ada",)),
        ("```\n@qa\n``` no end\n@bo", ()),
        ("```\n@qa never closed", ()),
        ("- ```\n  @qa\n  ```\n@ada", ("ada",)),
        ("  ```\r\n@qa\r\n  ```\r\n@ada", ("ada",)),
        ("```@qa``` @ada", ("ada",)),
        ("> @qa\n@ada", ("ada",)),
        ("  > @qa\n>@bo\n@ada", ("ada",)),
        ("> ```\n@ada", ("ada",)),
        ("` open\n> quoted `\n@ada ` x", ("ada",)),
        ("```\n> x\n```\n@ada > @bo", ("ada", "bo")),
    ],
)
def test_code_and_quotes_call_nobody(content, slugs):
    assert mentions(content) == slugs


NASTY = ["@", "`", "@a", "a@", "@a-", "`@a", "``` ", "```\n", "> @a\n", "@a ", "://", "\n", " ", "- ", "~", "-", "1", "\r", "@a`"]


def rising(most):
    """Runs of ticks, each longer than the last: no two can close one another."""
    text = " ".join("`" * length for length in range(1, 450))
    return text[:most]


LONG = [*((piece * MOST)[:MOST] for piece in NASTY), rising(MOST), "@" + "a-" * 49_999, "` `` " * 20_000]


@pytest.mark.parametrize("content", LONG, ids=range(len(LONG)))
def test_a_hundred_thousand_nasty_characters_take_no_time(content):
    start = perf_counter()
    mentions(content)
    assert perf_counter() - start < 1


slugs = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?", fullmatch=True)
prose = st.text(alphabet="ab @`>~-./:\n1é", max_size=60)


@given(st.lists(slugs, max_size=6))
def test_every_slug_is_heard_once_in_order(names):
    assert mentions(" ".join(f"@{name.upper()}," for name in names)) == tuple(dict.fromkeys(names))


@given(prose, slugs, prose)
def test_nothing_inside_a_block_is_heard(before, name, after):
    hidden = "\n".join(line for line in before.split("\n") if "`" not in line and "~" not in line)
    assert mentions(f"{hidden}\n\n```\n@{name}\n{after.replace('`', '')}\n```\n") == mentions(hidden)


@given(slugs, st.text(alphabet="ab @>-./:é", max_size=30), st.integers(1, 4))
def test_nothing_inside_a_code_span_is_heard(name, inside, ticks):
    assert mentions(f"x {'`' * ticks} @{name} {inside} {'`' * ticks} y") == ()


@given(slugs, prose)
def test_nothing_on_a_quoted_line_is_heard(name, inside):
    line = inside.replace("\n", " ")
    assert mentions(f"> @{name} {line}") == ()


@given(prose)
def test_what_is_heard_is_a_slug_of_the_text_and_hearing_again_changes_nothing(content):
    heard = mentions(content)
    assert len(set(heard)) == len(heard)
    assert all(f"@{slug}" in content.lower() for slug in heard)
    assert mentions(" ".join(f"@{slug}" for slug in heard)) == heard


@given(st.text())
def test_any_text_is_heard_without_failing(content):
    assert all(slug and slug == slug.lower() for slug in mentions(content))


def test_a_message_has_one_to_a_hundred_thousand_characters():
    assert msgspec.convert("x" * MOST, Content)
    for bad in ("", "x" * (MOST + 1)):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, Content)
