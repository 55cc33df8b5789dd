"""Names of branches and worktrees, whatever a pattern, a title or an agent is called."""

import re
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bootstrap.rules import branches
from app.bootstrap.rules.branches import Naming, Subject
from app.kernel import confined

ID = UUID("01890000-0000-7000-8000-00000000beef")
LAMP = Subject(id=ID, title="Fix the lämp: now!", agent="engineer")
WORDS = st.text(max_size=80) | st.sampled_from(
    ["..", "a.lock", "-x", "HEAD", "@", "refs/heads/x", "a//b", "/", ".", "{title}.lock", "{id}/{title}", "\x00", "ö" * 300]
)
SUBJECTS = st.builds(Subject, id=st.uuids(), title=WORDS, agent=st.none() | WORDS)
GLOBS = st.lists(
    st.sampled_from(["release/*", "*", "x*y", "task/*", "work", "HEAD"]) | st.text(min_size=1, max_size=8), max_size=3
)
NAMINGS = st.builds(
    Naming,
    prefix=st.none() | WORDS,
    pattern=st.none() | WORDS,
    base_branch=st.none() | st.sampled_from(["main", "trunk", "work", "a*b"]),
    protected=GLOBS.map(tuple),
    is_per_task=st.booleans(),
)


def obeys_git(name: str) -> bool:
    """The rules of `git check-ref-format --branch`, written down anew."""
    steps = name.split("/")
    return (
        all(step and not step.startswith(".") and not step.endswith((".lock", ".")) for step in steps)
        and not re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{", name)
        and not name.startswith("-")
        and name not in {"@", "HEAD"}
        and max(len(step.encode()) for step in steps) < 256
    )


@given(NAMINGS, SUBJECTS)
@settings(max_examples=150)
def test_every_name_is_one_that_git_takes_and_no_protected_one(naming, subject):
    name = branches.branch(naming, subject)
    if name is None:
        assert any("*" in glob or glob for glob in naming.protected)
    else:
        assert obeys_git(name), name
        assert not branches.is_protected(name, naming)
        assert name.casefold() != (naming.base_branch or "").casefold()
    directory = branches.directory(naming, subject)
    assert confined.parts(directory) == (directory,)
    assert not directory.startswith(("-", "."))


@given(NAMINGS, SUBJECTS)
@settings(max_examples=50)
def test_a_taken_name_is_not_given_again(naming, subject):
    first = branches.branch(naming, subject)
    second = branches.branch(naming, subject, taken={first} if first else ())
    if naming.is_per_task and first is not None:
        assert second != first
    taken = {branches.directory(naming, subject)}
    assert branches.directory(naming, subject, taken=taken) not in taken or not naming.is_per_task


@pytest.mark.parametrize(
    ("naming", "name"),
    [
        (Naming(), "0000beef-fix-the-lamp-now"),
        (Naming(prefix="task/"), "task/0000beef-fix-the-lamp-now"),
        (Naming(prefix="task/", pattern="{agent}/{id}"), "task/engineer/0000beef"),
        (Naming(pattern="{agent}", base_branch="Engineer"), "engineer-0000beef"),
        (Naming(pattern="{agent}", protected=("eng*",)), None),
        (Naming(prefix="task/", protected=("task/????",)), "task/0000beef-fix-the-lamp-now"),
        (Naming(prefix="task/", is_per_task=False), "task/engineer"),
        (Naming(pattern="{id}.lock"), "0000beef"),
    ],
)
def test_a_branch_is_named_by_the_pattern(naming, name):
    assert branches.branch(naming, LAMP) == name


def test_two_tasks_of_one_title_have_names_of_their_own():
    other = Subject(id=UUID(int=7), title=LAMP.title)
    assert branches.branch(Naming(), other) != branches.branch(Naming(), LAMP)
    assert branches.directory(Naming(), other) != branches.directory(Naming(), LAMP)
    nameless = Subject(id=ID, title="日本語")
    assert branches.branch(Naming(pattern="{title}"), nameless) == "work"
