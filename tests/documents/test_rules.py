"""What documents are called, and what a change of one comes to."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.queries.prompts import GROUND
from app.documents import rules
from app.documents.types import PROTECTED_SLUGS
from app.kernel import places
from app.kernel.errors import Invalid

ID = UUID("0198c0de-0000-7000-8000-0123456789ab")
moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(5000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Release plan", "release-plan"),
        ("  Café: ÀÉ!  ", "cafe-ae"),
        ("a/b\\c_d", "a-b-c-d"),
        ("План", "document"),
        ("🙂", "document"),
        ("x" * 200, "x" * 63),
        ("y" * 62 + " z", "y" * 62),
    ],
)
def test_a_title_gives_a_slug(title, slug):
    assert rules.slug_from(title) == slug


@given(st.text(min_size=1), st.uuids(), st.booleans())
def test_every_title_gives_a_slug_that_is_one(title, identity, is_taken):
    base = rules.slug_from(title)
    assert rules.is_slug(base)
    found = rules.free_slug(base, identity, is_taken=is_taken)
    assert rules.is_slug(found)
    assert (found == base) == (not is_taken and base not in PROTECTED_SLUGS)


@pytest.mark.parametrize("title", ["Repository", "briefing", " BRIEFING! "])
def test_a_title_never_gives_a_protected_slug(title):
    slug = rules.free_slug(rules.slug_from(title), ID, is_taken=False)
    assert not rules.is_protected(slug)
    assert slug.endswith("-456789ab")


def test_what_prompts_show_is_protected():
    assert set(PROTECTED_SLUGS) == {part.split("'")[0] for part in GROUND.split("d.slug = '")[1:]}


@pytest.mark.parametrize("text", ["", "-a", "_a", "A", "a b", "a\n", "a\x00", "á", "a" * 64])
def test_what_is_no_slug(text):
    assert not rules.is_slug(text)


@pytest.mark.parametrize(
    ("asked", "content_differs", "fields", "makes_version"),
    [
        ({}, False, (), False),
        ({"title": "T", "type": "note"}, False, (), False),
        ({"title": "U"}, False, ("title",), True),
        ({}, True, ("content",), True),
        ({"type": "reference", "slug": "s"}, False, ("slug", "type"), False),
        ({"title": "U", "type": "reference"}, True, ("content", "title", "type"), True),
    ],
)
def test_only_another_title_or_content_makes_a_version(asked, content_differs, fields, makes_version):
    before = {"title": "T", "type": "note", "slug": "t"}
    found = rules.change(before=before, asked=asked, content_differs=content_differs)
    assert (found.fields, found.makes_version) == (fields, makes_version)


@given(moments, st.uuids())
def test_a_cursor_says_where_the_page_ended(at, identity):
    assert places.place(places.cursor(at, identity), first=places.NEWEST) == (at, identity)


@given(st.text())
def test_other_text_is_no_cursor(text):
    with pytest.raises(Invalid):
        places.place(text, first=places.NEWEST)
