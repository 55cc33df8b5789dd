"""Work in a worktree: what is seen, committed and pushed, and what never is."""

import fcntl
import os
import time

import msgspec
import pytest

from app.bootstrap.git import clones, committing, trees, work
from app.bootstrap.git.running import Local
from app.bootstrap.types.vcs import Author, Change, GitError, Pushed, Trouble
from tests import remotes

AUTHOR = Author("agent-slug", "agent-slug@example.org")


@pytest.fixture
async def cloned(git, place, tree):
    cloned = await clones.ensure(git, place, report=lambda _: None)
    await trees.make(git, place, tree, reason="held")
    return cloned


def commit(git, tree, message="A change", paths=()):
    return work.commit(git, tree, message=message, author=AUTHOR, paths=paths)


async def refused(awaitable) -> GitError:
    with pytest.raises(GitError) as caught:
        await awaitable
    return caught.value


def status(path):
    return remotes.git("status", "--porcelain", directory=path).splitlines()


async def test_what_changed_is_seen_committed_and_pushed(git, place, tree, cloned, origin):
    (tree.path / "README.md").write_text("changed\n")
    (tree.path / "src" / "one.txt").rename(tree.path / "src" / "moved.txt")
    (tree.path / "new ü.txt").write_text("new\n")
    seen = await work.observe(git, tree)
    assert sorted(seen.changes, key=lambda change: change.path) == [
        Change("M", "README.md"),
        Change("?", "new ü.txt"),
        Change("?", "src/moved.txt"),
        Change("D", "src/one.txt"),
    ]
    assert (seen.ahead, seen.behind, seen.unpushed, seen.files, seen.commits, seen.is_cut) == (0, 0, 0, 0, [], False)
    before = status(tree.path)
    shown = await work.diff(git, tree)
    assert (shown.files, shown.is_cut) == (3, False)
    assert "+new\n" in shown.text
    assert "rename to src/moved.txt" in shown.text
    assert "README" not in (await work.diff(git, tree, paths=["src"])).text
    assert status(tree.path) == before
    made = await commit(git, tree, "First line\n\nThe rest \x00of it\n# no comment")
    assert made is not None
    assert (made.subject, made.author) == ("First line", "agent-slug")
    assert status(tree.path) == []
    told = remotes.git("show", "--no-patch", "--format=%an <%ae>|%cn <%ce>|%B", made.sha, directory=place.directory)
    assert told == "agent-slug <agent-slug@example.org>|Callboard <board@localhost>|First line\n\nThe rest of it\n# no comment"
    assert await commit(git, tree) is None


async def test_a_branch_is_counted_against_its_base_and_the_remote(git, place, tree, cloned, origin):
    (tree.path / "README.md").write_text("changed\n")
    (tree.path / "src" / "one.txt").rename(tree.path / "src" / "moved.txt")
    (tree.path / "new.txt").write_text("new\n")
    made = await commit(git, tree)
    assert made is not None
    remotes.commit(origin, {"theirs.txt": "theirs\n"})
    await clones.ensure(git, place, report=lambda _: None)
    seen = await work.observe(git, tree)
    assert (seen.ahead, seen.behind, seen.unpushed, seen.files, seen.changes) == (1, 1, 1, 3, [])
    assert (seen.insertions, seen.deletions, seen.base, seen.head) == (2, 1, cloned.head, made.sha)
    assert [one.sha for one in seen.commits] == [made.sha]
    pushed = await work.push(git, place, tree)
    assert (pushed.head, pushed.is_new) == (made.sha, True)
    assert remotes.head(origin, "task/first") == made.sha
    assert not (await work.push(git, place, tree)).is_new
    assert (await work.observe(git, tree)).unpushed == 0
    assert "+new" in (await work.diff(git, tree, against_base=True)).text
    assert (await work.diff(git, tree)).text == ""


async def test_only_the_named_paths_are_committed_and_the_rest_stays_staged(git, tree, cloned):
    for name in ("one.txt", "two.txt", "three.txt"):
        (tree.path / name).write_text(f"{name}\n")
    (tree.path / "README.md").unlink()
    remotes.git("add", "two.txt", directory=tree.path)
    made = await commit(git, tree, paths=["one.txt", "README.md"])
    assert made is not None
    assert remotes.git("show", "--format=", "--name-status", made.sha, directory=tree.path).split() == [
        "D", "README.md", "A", "one.txt",
    ]  # fmt: skip
    assert status(tree.path) == ["A  two.txt", "?? three.txt"]
    missing = await refused(commit(git, tree, paths=["nowhere.txt"]))
    assert missing.trouble == Trouble.NOT_FOUND
    (tree.path / "*").write_text("literal\n")
    star = await commit(git, tree, paths=["*"])
    assert star is not None
    assert remotes.git("show", "--format=", "--name-only", star.sha, directory=tree.path) == "*"
    for path in ("../x", "/etc/passwd", ".git/config", "a//b", "x\x00", ".GIT/hooks", ":(top)x/..", "x" * 300):
        assert (await refused(commit(git, tree, paths=[path]))).trouble == Trouble.ESCAPES
        assert (await refused(work.diff(git, tree, paths=[path]))).trouble == Trouble.ESCAPES
    assert (await refused(commit(git, tree, paths=[":(top)x"]))).trouble == Trouble.NOT_FOUND


async def test_what_git_cannot_merge_or_does_not_hold_is_not_committed(git, place, tree, cloned, origin):
    (tree.path / "README.md").write_text("ours\n")
    ours = await commit(git, tree)
    assert ours is not None
    theirs = remotes.commit(origin, {"README.md": "theirs\n"})
    await clones.ensure(git, place, report=lambda _: None)
    remotes.git("merge", "--quiet", "origin/trunk", directory=tree.path, check=False)
    assert Change("U", "README.md") in (await work.observe(git, tree)).changes
    assert (await refused(commit(git, tree))).trouble == Trouble.CONFLICT
    (tree.path / "README.md").write_text("both\n")
    merged = await commit(git, tree, "Merge")
    assert merged is not None
    assert remotes.git("show", "--no-patch", "--format=%P", merged.sha, directory=tree.path).split() == [ours.sha, theirs]
    assert remotes.git("status", directory=tree.path).endswith("nothing to commit, working tree clean")
    remotes.git("switch", "--quiet", "--create", "elsewhere", directory=tree.path)
    (tree.path / "README.md").write_text("elsewhere\n")
    assert (await refused(commit(git, tree))).trouble == Trouble.CONFLICT
    remotes.git("switch", "--quiet", "task/first", directory=tree.path)
    lock = place.directory / ".git" / "worktrees" / "first" / "index.lock"
    lock.touch()
    busy = await refused(commit(git, tree))
    assert (busy.trouble, busy.may_pass) == (Trouble.BUSY, True)
    os.utime(lock, (time.time() - 1_000,) * 2)
    branch = place.directory / ".git" / "refs" / "heads" / "task" / "first.lock"
    branch.touch()
    assert (await refused(commit(git, tree))).trouble == Trouble.BUSY
    os.utime(branch, (time.time() - 1_000,) * 2)
    assert await commit(git, tree) is not None
    assert not lock.exists()


async def test_a_push_never_overwrites_what_the_remote_has(git, place, tree, cloned, origin, host):
    remotes.branch_from(origin, "task/first")
    theirs = remotes.commit(origin, {"theirs.txt": "theirs\n"}, branch="task/first")
    (tree.path / "ours.txt").write_text("ours\n")
    assert await commit(git, tree) is not None
    for url in (place.url, host.url_of(origin)):
        error = await refused(work.push(git, msgspec.structs.replace(place, url=url), tree))
        assert (error.trouble, error.may_pass) == (Trouble.REJECTED, False)
    assert remotes.head(origin, "task/first") == theirs
    hook = origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'the secret words of the remote' >&2\nexit 1\n")
    hook.chmod(0o755)
    error = await refused(work.push(git, place, msgspec.structs.replace(tree, base_branch="trunk")))
    assert error.trouble == Trouble.REJECTED
    assert "secret words" not in str(error)


async def test_a_push_beside_another_of_the_same_branch_may_be_made_again(git, place, tree, cloned, origin):
    (tree.path / "ours.txt").write_text("ours\n")
    made = await commit(git, tree)
    lock = origin / "refs" / "heads" / "task" / "first.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    error = await refused(work.push(git, place, tree))
    assert (error.trouble, error.may_pass) == (Trouble.BUSY, True)
    lock.unlink()
    assert await work.push(git, place, tree) == Pushed(head=made.sha, is_new=True)


async def test_a_git_that_somebody_ended_may_be_run_again(git, place, tree, cloned):
    with pytest.raises(GitError) as caught:
        Local(git, {})("-c", "alias.end=!kill -9 $PPID", "end")
    assert (caught.value.trouble, caught.value.may_pass) == (Trouble.BROKEN, True)


async def test_a_lock_of_a_killed_board_is_taken_over_at_once_and_that_of_a_living_one_is_not(git, place, tree, cloned):
    lock = place.directory / ".git" / "worktrees" / "first" / "index.lock"
    lock.write_bytes(committing.OURS)
    (tree.path / "ours.txt").write_text("ours\n")
    with lock.open() as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        assert (await refused(commit(git, tree))).trouble == Trouble.BUSY
    assert await commit(git, tree) is not None
    assert not lock.exists()


async def test_any_bytes_can_be_shown_and_nothing_is_shown_without_end(git, tree, cloned, tmp_path):
    (tree.path / "binary").write_bytes(bytes(range(256)) * 10)
    (tree.path / "latin.txt").write_bytes(b"caf\xe9 \x1b[31m\n")
    (tree.path / "link").symlink_to("/etc/passwd")
    (tree.path / os.fsdecode(b"bad-\xff-name")).write_text("x\n")
    for number in range(work.CHANGES_SHOWN + 50):
        (tree.path / f"file-{number:03}").write_text("x\n")
    seen = await work.observe(git, tree)
    assert (len(seen.changes), seen.is_cut) == (work.CHANGES_SHOWN, True)
    shown = await work.diff(git, tree, paths=["binary", "latin.txt", "link"])
    assert "Binary files" in shown.text
    assert "caf\ufffd" in shown.text
    assert "root:" not in shown.text
    msgspec.json.encode(shown), msgspec.json.encode(seen)
    cut = await work.diff(git, tree, most=100)
    assert (len(cut.text) <= 100, cut.is_cut, cut.files) == (True, True, work.CHANGES_SHOWN + 54)
    assert await commit(git, tree) is not None
    assert remotes.git("show", "HEAD:link", directory=tree.path) == "/etc/passwd"


async def test_names_of_authors_are_made_plain(git, tree, cloned):
    for name, shown in (("A <b>\nc", "A b c"), ("", "agent"), ("<>", "agent"), ("ü é", "ü é")):
        (tree.path / "README.md").write_text(f"{name} {shown}\n")
        made = await work.commit(git, tree, message="", author=Author(name, "a@b>\n<x"), paths=())
        assert made is not None
        assert made.author == shown.replace("\n", "")
