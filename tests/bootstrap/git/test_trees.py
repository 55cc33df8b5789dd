"""Worktrees: one directory and one branch each, whatever was left there before, and nothing outside of it."""

import asyncio
import shutil

import msgspec
import pytest

from app.bootstrap.git import clones, trees, work
from app.bootstrap.types.vcs import Author, GitError, Trouble
from tests import remotes
from tests.bootstrap.git import killing

AUTHOR = Author("agent-slug", "agent-slug@example.org")


@pytest.fixture
async def cloned(git, place):
    return await clones.ensure(git, place, report=lambda _: None)


def other(tree, name, **changes):
    return msgspec.structs.replace(tree, path=tree.path.with_name(name), branch=f"task/{name}", **changes)


def make(git, place, tree, reason="held"):
    return trees.make(git, place, tree, reason=reason)


async def refused(awaitable) -> Trouble:
    with pytest.raises(GitError) as caught:
        await awaitable
    return caught.value.trouble


def listing(place):
    return remotes.git("worktree", "list", "--porcelain", directory=place.directory)


async def test_two_tasks_have_two_worktrees_and_neither_sees_the_other(git, place, tree, cloned, origin):
    second = other(tree, "second")
    made = await make(git, place, tree, "held by agent-slug\nuntil noon")
    assert (made.head, made.base, made.is_resumed) == (cloned.head, cloned.head, False)
    await make(git, place, second)
    (tree.path / "first.txt").write_text("first\n")
    await work.commit(git, tree, message="First", author=AUTHOR)
    assert not (second.path / "first.txt").exists()
    assert (await work.observe(git, second)).changes == []
    listed = await trees.listed(git, place)
    assert [(one.path, one.branch, one.locked, one.is_missing) for one in listed] == [
        (tree.path, "task/first", "held by agent-slug until noon", False),
        (second.path, "task/second", "held", False),
    ]
    assert "locked held by agent-slug until noon" in listing(place)
    await trees.lock(git, tree, reason=None)
    assert [one.locked for one in await trees.listed(git, place)] == [None, "held"]
    # Both directories may be mounted elsewhere for whoever works there.
    moved = git.settings.data_dir.rename(git.settings.data_dir.with_name("elsewhere"))
    seen = remotes.git("log", "--format=%s", "--max-count=1", directory=moved / tree.path.relative_to(git.settings.data_dir))
    assert seen == "First"
    moved.rename(git.settings.data_dir)
    again = await make(git, place, tree, "held by reviewer-slug")
    assert again.is_resumed
    assert (tree.path / "first.txt").exists()
    assert remotes.git("status", "--porcelain", "--branch", directory=tree.path).splitlines() == ["## task/first"]


async def test_a_branch_that_is_there_is_resumed(git, place, tree, origin):
    remotes.branch_from(origin, "task/first")
    theirs = remotes.commit(origin, {"theirs.txt": "theirs\n"}, branch="task/first")
    cloned = await clones.ensure(git, place, report=lambda _: None)
    made = await make(git, place, msgspec.structs.replace(tree, base_branch=""))
    assert (made.head, made.base, made.is_resumed) == (theirs, cloned.head, True)
    assert (tree.path / "theirs.txt").exists()
    assert await trees.remove(git, tree, rescue="refs/rescue/1") is None
    theirs = remotes.commit(origin, {"theirs.txt": "more\n"}, branch="task/first")
    await clones.ensure(git, place, report=lambda _: None)
    assert (await make(git, place, tree)).head == theirs
    assert (tree.path / "theirs.txt").read_text() == "more\n"
    # Only one worktree at a time has a branch, and the clone's own is not free either.
    elsewhere = msgspec.structs.replace(tree, path=tree.path.with_name("elsewhere"))
    assert await refused(make(git, place, elsewhere)) == Trouble.CONFLICT
    assert await refused(make(git, place, other(elsewhere, "x", base_branch="nowhere"))) == Trouble.NO_BRANCH
    assert await refused(make(git, place, msgspec.structs.replace(elsewhere, branch="trunk"))) == Trouble.CONFLICT
    assert await refused(make(git, place, msgspec.structs.replace(elsewhere, branch="task"))) == Trouble.CONFLICT
    assert not elsewhere.path.exists()


async def test_of_two_accounts_that_share_a_clone_neither_gets_a_branch_of_the_other(git, place, tree, cloned):
    ours = msgspec.structs.replace(tree, owner="a")
    await make(git, place, ours)
    (tree.path / "secret.txt").write_text("ours\n")
    assert await work.commit(git, ours, message="ours", author=AUTHOR)
    await trees.remove(git, ours, rescue="refs/rescue/1")
    theirs = msgspec.structs.replace(tree, path=git.worktrees / "a-b" / tree.path.name, owner="a-b")
    assert await refused(make(git, place, theirs)) == Trouble.CONFLICT
    for asked in (work.observe(git, theirs), work.diff(git, theirs, against_base=True)):
        assert await refused(asked) == Trouble.NOT_FOUND
    assert not theirs.path.exists()
    assert (await make(git, place, msgspec.structs.replace(theirs, branch="task/second"))).head == cloned.head
    assert (await make(git, place, ours)).is_resumed
    assert (tree.path / "secret.txt").exists()


async def test_removal_keeps_the_branch_and_what_nobody_committed(git, place, tree, cloned):
    await make(git, place, tree)
    (tree.path / "README.md").write_text("changed\n")
    (tree.path / "new.txt").write_text("new\n")
    (tree.path / ".gitignore").write_text("*.log\n")
    (tree.path / "noise.log").write_text("noise\n")
    assert await trees.remove(git, tree, rescue="refs/rescue/first") == "refs/rescue/first"
    assert not tree.path.exists()
    assert [path.name for path in tree.path.parent.iterdir()] == []
    assert remotes.git("rev-parse", "task/first", directory=place.directory) == cloned.head
    kept = remotes.git("show", "--format=%P", "--name-status", "refs/rescue/first", directory=place.directory)
    assert kept.split() == [cloned.head, "A", ".gitignore", "M", "README.md", "A", "new.txt"]
    assert await trees.remove(git, tree, rescue="refs/rescue/first") is None
    # What is rescued twice is kept twice; a head that is on no branch is work as well.
    await make(git, place, tree)
    remotes.git("switch", "--quiet", "--detach", directory=tree.path)
    (tree.path / "new.txt").write_text("other\n")
    remotes.git("add", "--all", directory=tree.path)
    remotes.git("commit", "--quiet", "--message=detached", directory=tree.path)
    (tree.path / "new.txt").write_text("third\n")
    assert await trees.remove(git, tree, rescue="refs/rescue/first") == "refs/rescue/first"
    contents = remotes.git("log", "--format=%H", "refs/rescue/first", "--", "new.txt", directory=place.directory).split()
    assert len(contents) == 3
    # A directory that somebody deleted is no obstacle.
    await make(git, place, tree)
    shutil.rmtree(tree.path)
    assert [one.is_missing for one in await trees.listed(git, place)] == [True]
    assert await refused(work.observe(git, tree)) == Trouble.NOT_FOUND
    assert (await make(git, place, tree)).head == cloned.head
    shutil.rmtree(tree.path)
    assert await trees.remove(git, tree, rescue="refs/rescue/first") is None
    assert await trees.listed(git, place) == []


async def test_a_directory_with_its_own_repository_inside_is_put_aside_and_not_lost(git, place, tree, cloned):
    await make(git, place, tree)
    nested = tree.path / "nested"
    nested.mkdir()
    remotes.git("init", "--quiet", nested)
    (nested / "precious.txt").write_text("precious\n")
    (tree.path / "new.txt").write_text("new\n")
    assert await work.commit(git, tree, message="All but what is inside", author=AUTHOR) is not None
    (tree.path / "new.txt").write_text("newer\n")
    assert [change.path for change in (await work.observe(git, tree)).changes] == ["new.txt", "nested/"]
    assert await trees.remove(git, tree, rescue="refs/rescue/first") == "refs/rescue/first"
    assert remotes.git("show", "refs/rescue/first:new.txt", directory=place.directory) == "newer"
    found = [path for path in tree.path.parent.rglob("precious.txt") if path.read_text() == "precious\n"]
    assert found
    assert not tree.path.exists()
    assert await trees.listed(git, place) == []


async def test_a_killed_worktree_heals_at_every_moment(git, place, tree, cloned):
    pairs = [(other(tree, f"{do}-{moment}"), do, moment) for do in ("make", "remove") for moment in range(4, 8)]
    for each, do, _ in pairs:
        if do == "remove":
            await make(git, place, each)
            (each.path / "new.txt").write_text("new\n")
    jobs = [
        killing.Job(do, str(git.settings.data_dir), place.url, str(place.directory), moment, str(each.path), each.branch)
        for each, do, moment in pairs
    ]
    assert sum(await asyncio.to_thread(killing.killed, jobs)) >= 7
    for each, do, _ in pairs:
        if do == "make":
            assert (await make(git, place, each)).head == cloned.head
            assert remotes.git("status", "--porcelain", directory=each.path) == ""
            assert (each.path / "README.md").exists()
        else:
            await trees.remove(git, each, rescue=f"refs/rescue/{each.branch}")
            assert remotes.git("show", f"refs/rescue/{each.branch}:new.txt", directory=place.directory) == "new"
            assert remotes.git("show", f"refs/rescue/{each.branch}:README.md", directory=place.directory)
    assert len(await trees.listed(git, place)) == len(pairs) // 2
    assert len(list(tree.path.parent.iterdir())) == len(pairs) // 2


async def test_a_worktree_that_an_agent_turned_elsewhere_is_left_alone(git, place, tree, cloned, tmp_path):
    await make(git, place, tree)
    outside = tmp_path / "outside"
    outside.mkdir()
    remotes.git("init", "--quiet", outside)
    pointer = tree.path / ".git"
    ours = pointer.read_text()

    async def all_refuse():
        for asked in (
            lambda: work.observe(git, tree),
            lambda: work.diff(git, tree),
            lambda: work.commit(git, tree, message="no", author=AUTHOR),
            lambda: work.push(git, place, tree),
            lambda: trees.remove(git, tree, rescue="refs/rescue/1"),
        ):
            assert await refused(asked()) == Trouble.ESCAPES

    pointer.write_text(f"gitdir: {outside / '.git'}\n")
    await all_refuse()
    pointer.unlink()
    pointer.symlink_to(outside / ".git")
    await all_refuse()
    pointer.unlink()
    pointer.write_text(ours)
    # The directory itself becomes a link.
    moved = tree.path.rename(outside / "moved")
    tree.path.symlink_to(moved)
    await all_refuse()
    assert await refused(make(git, place, tree)) == Trouble.ESCAPES
    tree.path.unlink()
    moved.rename(tree.path)
    # A link in the clone's own files.
    index = place.directory / ".git" / "worktrees" / "first" / "index"
    target = outside / "precious"
    target.write_text("precious\n")
    index.unlink()
    index.symlink_to(target)
    await all_refuse()
    assert target.read_text() == "precious\n"
    assert sorted(path.name for path in outside.iterdir()) == [".git", "precious"]


@pytest.mark.parametrize(
    "changes",
    [
        {"branch": "../x"},
        {"branch": "-x"},
        {"branch": "a..b"},
        {"branch": "x\x00y"},
        {"branch": "x" * 300},
        {"branch": "é" * 150},
        {"branch": "x.lock"},
        {"branch": "a\u202eb"},
        {"path": "../first"},
        {"path": "a/../../first"},
        {"path": "x" * 250},
        {"path": "x\ny"},
        {"path": ".."},
    ],
    ids=str,
)
async def test_names_that_lead_elsewhere_are_refused_before_anything_is_written(git, place, tree, changes):
    if "path" in changes:
        changes = {"path": tree.path.parent / changes["path"]}
    bad = msgspec.structs.replace(tree, **changes)
    for asked in (make(git, place, bad), trees.remove(git, bad, rescue="refs/x"), work.observe(git, bad)):
        assert await refused(asked) == Trouble.ESCAPES
    assert not git.settings.data_dir.exists()


async def test_a_worktree_inside_of_the_clone_or_behind_a_link_is_refused(git, place, tree, cloned, tmp_path):
    inside = msgspec.structs.replace(tree, path=place.directory / "first")
    assert await refused(make(git, place, inside)) == Trouble.ESCAPES
    tree.path.parent.parent.mkdir(exist_ok=True)
    (tmp_path / "target").mkdir()
    tree.path.parent.symlink_to(tmp_path / "target")
    assert await refused(make(git, place, tree)) == Trouble.ESCAPES
    assert not any((tmp_path / "target").iterdir())


async def test_who_only_looks_leaves_a_worktree_alone_that_git_is_just_making(git, place, tree, cloned):
    await make(git, place, tree)
    begun = place.directory / ".git" / "worktrees" / "second"
    begun.mkdir()
    (begun / "locked").touch()
    assert len(await trees.listed(git, place)) == 1
    await work.observe(git, tree)
    assert begun.is_dir()
    # Whoever has the lock of the clone knows that its maker was killed.
    await trees.lock(git, tree, reason=None)
    assert not begun.exists()
