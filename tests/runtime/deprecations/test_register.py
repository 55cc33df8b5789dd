"""The register: what it says of each entry, and that every entry can be taken away."""

from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime

import pytest

from app import main
from app.agentapi.aliases import ALIASES, verb_of
from app.runtime.rules.deprecations import DEPRECATIONS
from app.runtime.rules.settings import SETTINGS
from app.runtime.types import SettingKind


@pytest.mark.parametrize("one", DEPRECATIONS.values(), ids=lambda one: one.name)
def test_every_entry_ends_after_it_began_and_has_a_setting_that_removes_it(one):
    assert one.since < one.sunset
    setting = SETTINGS[one.setting]
    assert (setting.kind, setting.default) == (SettingKind.REMOVAL, False)
    assert one.what
    assert one.replacement


@pytest.mark.parametrize("one", DEPRECATIONS.values(), ids=lambda one: one.name)
def test_headers_say_since_when_until_when_and_what_instead(one):
    said = one.headers
    since = datetime.fromtimestamp(int(said["Deprecation"].removeprefix("@")), UTC)
    assert (since.date(), since.time()) == (one.since, time.min)
    until = parsedate_to_datetime(said["Sunset"])
    assert (until.date(), said["Sunset"][-3:]) == (one.sunset, "GMT")
    assert said["Link"] == f'<{one.successor}>; rel="successor-version"'


def test_an_alias_stands_for_a_verb_and_hides_none():
    verbs = {verb.name for verb in main.VERBS}
    assert {alias.verb for alias in ALIASES.values()} <= verbs
    assert not verbs & set(ALIASES)
    assert {alias.deprecation.name for alias in ALIASES.values()} <= set(DEPRECATIONS)
    assert [verb_of(name) for name in ("document_upsert", "document-upsert", "task_load", "no such")] == [
        "document",
        "document",
        "task-load",
        "no such",
    ]
