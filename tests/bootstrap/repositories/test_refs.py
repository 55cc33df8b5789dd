"""Names of branches, patterns, globs and addresses, held against git itself and against bad input."""

import shutil
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.bootstrap.rules import refs
from app.kernel.outside import origin_of

SETTING = "CALLBOARD_REPOSITORY_ORIGINS"
ALLOWED = frozenset({("https", "git.example", 443), ("http", "git.example", 8080)})
ODD = st.text("ab-/.@{~^:?*[\\\x7f \n\0_é", max_size=9) | st.sampled_from(["HEAD", "@", "a.lock", "a.lock/b", "refs/x", "-a"])


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to ask")
@settings(max_examples=60, deadline=None)
@given(ODD)
@example("a/.b")
@example("a..b")
@example("x@{y")
def test_what_is_allowed_as_a_branch_git_allows_too(name):
    if refs.branch_problem(name) is None:
        asked = ["git", "check-ref-format", "--branch", name]
        assert subprocess.run(asked, capture_output=True, check=False, timeout=10).returncode == 0, name


@pytest.mark.parametrize("name", ["main", "trunk", "release/2.0", "a" * 200, "v1.2-rc_3", "feat/ümlaut"])
def test_usual_names_of_branches_are_allowed(name):
    assert refs.branch_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-x",
        "a b",
        "a..b",
        "/a",
        "a/",
        "a//b",
        "a.lock",
        ".a",
        "a.",
        "HEAD",
        "@",
        "a@{b",
        "refs/heads/a",
        "a" * 201,
        "a\nb",
        "a\u202eb",
    ],
)
def test_what_is_no_name_of_a_branch_is_refused(name):
    assert refs.branch_problem(name)


@given(st.text("{}idtleagn-/x", max_size=14))
@example("{id}-{title}")
@example("{agent}")
def test_a_pattern_that_is_allowed_makes_branches_whatever_is_filled_in(pattern):
    if refs.pattern_problem(pattern) is None:
        filled = pattern.replace("{id}", "t1").replace("{title}", "fix").replace("{agent}", "writer")
        assert refs.branch_problem(f"task/{filled}") is None
        assert "{id}" in pattern or "{agent}" in pattern


@pytest.mark.parametrize("pattern", ["", "fixed", "{title}", "{id", "{id}}", "{other}-{id}", "{id} x", "{id}.lock", "{id}/"])
def test_a_pattern_that_makes_no_branches_is_refused(pattern):
    assert refs.pattern_problem(pattern)


def test_prefixes_and_globs():
    assert [refs.prefix_problem(one) for one in ("", "task/", "a-")] == [None] * 3
    assert [refs.glob_problem(one) for one in ("release/*", "*", "v*.x")] == [None] * 3
    assert all(refs.prefix_problem(one) for one in ("-", "a b", "/", "a//", "x..", "refs/"))
    assert all(refs.glob_problem(one) for one in ("", "a?", "a b", "[ab]", "x/"))


def problem(url):
    return refs.address_problem(url, allowed=ALLOWED, setting=SETTING)


@pytest.mark.parametrize(
    "url", ["https://git.example/a.git", "https://git.example:443/a/b", "http://git.example:8080/a", "HTTPS://GIT.example/a"]
)
def test_an_address_at_an_allowed_origin_may_be_named(url):
    assert problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "file:///srv/a.git",
        "/srv/a.git",
        "ext::sh -c id",
        "ssh://git@git.example/a",
        "git@git.example:a",
        "--upload-pack=x",
        "https://user:secret@git.example/a",
        "https://token@git.example/a",
        "https://git.example\\@evil.example/a",
        "https://git.example@evil.example/a",
        "https://evil.example/a?x=https://git.example/",
        "https://git.example/a?token=x",
        "https://git.example/a#b",
        "https://git.example/",
        "https://git.example:444/a",
        "http://git.example/a",
        "https://git.example.evil.example/a",
        "https://git.example/a b",
        "https://git.example/a\n",
        "https://[::1/a",
        "https://git.example:x/a",
        "https://git.example/é",
        f"https://git.example/{'a' * 500}",
        "",
    ],
)
def test_any_other_address_is_refused_without_repeating_it(url):
    told = problem(url)
    assert told
    assert "secret" not in told
    assert "evil" not in told


@given(st.text(max_size=30))
def test_whatever_is_named_an_allowed_address_has_an_allowed_origin(text):
    url = f"https://git.example{text}"
    if problem(url) is None:
        assert origin_of(url) == ("https", "git.example", 443)
        assert "@" not in url.split("/")[2]
