"""What the operator lets accounts reach."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kernel.outside import Commands, Origins, origin_of
from app.kernel.settings import SettingsError, load

ORIGINS, COMMANDS = "CALLBOARD_GATEWAY_ORIGINS", "CALLBOARD_EXECUTOR_COMMANDS"


def test_an_origin_has_its_token_from_the_environment_or_the_file(tmp_path):
    (tmp_path / ".env").write_text("FILED=of-file\nBOTH=of-file\n")
    listed = "https://a.example=FILED, http://b.example:81/=BOTH,https://c.example=ABSENT, https://d.example"
    origins: Any = load({ORIGINS: listed, "BOTH": "of-environment"}, tmp_path / ".env").gateway_origins
    assert [(one.origin, one.token) for one in origins.bound] == [
        (("https", "a.example", 443), "of-file"),
        (("http", "b.example", 81), "of-environment"),
        (("https", "c.example", 443), None),
        (("https", "d.example", 443), None),
    ]
    assert origins.find("https://A.example/path").variable == "FILED"
    assert origins.find("https://a.example:444") is None
    assert "of-" not in f"{origins!r} {origins} {origins.bound}"


@pytest.mark.parametrize(
    "text",
    ["a.example", "ftp://a.example", "https://a.example/path", "https://u:p@a.example", "https://a.example=A B", "https://a:x"],
)
def test_what_is_no_origin_stops_the_start(text):
    with pytest.raises(SettingsError) as error:
        load({ORIGINS: text}, None)
    assert error.value.key == ORIGINS


def test_a_command_has_its_words_and_only_the_variables_that_it_is_to_have():
    settings = load({COMMANDS: "a=/bin/cat -; b = HOME KEY /opt/my\\ tool 'two words'", "KEY": "k3y", "OTHER": "x"}, None)
    commands: Any = settings.executor_commands
    programs = commands.programs
    assert programs["a"].words == ("/bin/cat", "-")
    assert (programs["b"].words, dict(programs["b"].environment)) == (("/opt/my tool", "two words"), {"KEY": "k3y"})
    assert "k3y" not in f"{settings!r} {programs}"


@pytest.mark.parametrize("text", ["cat", "a=cat", "a=bin/cat", "=/bin/cat", "a b=/bin/cat", "a=/x; a=/y", "a='/x"])
def test_what_is_no_command_stops_the_start(text):
    with pytest.raises(SettingsError) as error:
        load({COMMANDS: text}, None)
    assert error.value.key == COMMANDS


@pytest.mark.parametrize("secret", ["DATABASE_URL", "OPENCLAW_GATEWAY_TOKEN", "CALLBOARD_TOKEN", "CHAT_TOKEN"])
def test_no_command_is_handed_a_secret_of_the_boards(secret):
    with pytest.raises(SettingsError) as error:
        load({COMMANDS: f"a={secret} /bin/cat", ORIGINS: "https://a.example=CHAT_TOKEN"}, None)
    assert str(error.value) == f"{COMMANDS} must not hand on {secret}"


@given(st.text(max_size=30) | st.from_regex(r"https?://[a-z@:/\[\]\\#?0-9.]{0,20}"))
def test_any_text_is_an_origin_or_none(text):
    found = origin_of(text)
    assert found is None or (found[0] in {"http", "https"} and found[1] and 0 <= found[2] < 2**16)
    for kind in (Origins, Commands):
        try:
            kind(text)
        except ValueError:
            continue
