"""The clone of a repository: what becomes of it whatever is there, and whatever the remote has."""

import asyncio
import shutil

import msgspec
import pytest

from app.bootstrap.git import clones, trees, work
from app.bootstrap.git.locking import beside
from app.bootstrap.types.vcs import Author, GitError, Progress, Trouble
from tests import remotes
from tests.bootstrap.git import killing

# In a sync that replaces the clone of another address: after the renamings, before the record of the address.
WHEN_NAMED = 23


def quiet(_: Progress) -> None:
    """Nobody listens."""


def ensure(git, place, **changes):
    return clones.ensure(git, msgspec.structs.replace(place, **changes), report=quiet)


async def trouble(git, place, **changes) -> GitError:
    with pytest.raises(GitError) as caught:
        await ensure(git, place, **changes)
    return caught.value


def state(directory):
    return remotes.git("status", "--porcelain", "--branch", directory=directory)


async def test_a_clone_is_made_and_follows_the_remote(git, place, origin, host):
    said: list[Progress] = []
    made = await clones.ensure(git, place, report=said.append)
    assert (made.head, made.base_branch, made.is_new, made.aside, made.remark) == (
        remotes.head(origin),
        "trunk",
        True,
        None,
        None,
    )
    assert said[0].phase == "connecting"
    assert any(step.phase == "receiving objects" or step.percent == 100 for step in said)
    assert state(place.directory) == "## trunk...origin/trunk"
    assert (place.directory / "src" / "one.txt").read_text() == "one\n"
    assert not (again := await ensure(git, place)).is_new
    assert not again.has_moved
    # Over HTTP it is the same.
    over_http = msgspec.structs.replace(place, url=host.url_of(origin), directory=place.directory.with_name("http"))
    assert (await clones.ensure(git, over_http, report=quiet)).head == made.head
    later = remotes.commit(origin, {"src/one.txt": "changed\n", "src/two.txt": None})
    remotes.git("tag", "v1", later, directory=origin)
    for each in (place, over_http):
        moved = await clones.ensure(git, each, report=quiet)
        assert (moved.head, moved.has_moved, moved.remark) == (later, True, None)
        assert state(each.directory) == "## trunk...origin/trunk"
        assert not (each.directory / "src" / "two.txt").exists()
        assert remotes.git("rev-parse", "v1", directory=each.directory) == later
    # A clone that has what the remote has asks once and fetches nothing.
    before = len(host.requests)
    await clones.ensure(git, over_http, report=quiet)
    assert len(host.requests) - before == 2
    remotes.git("fsck", "--strict", directory=place.directory)


async def test_work_in_the_clone_stays_as_it_is_and_the_remote_is_fetched_all_the_same(git, place, origin):
    await ensure(git, place)
    (place.directory / "README.md").write_text("not committed\n")
    second = remotes.commit(origin, {"more.txt": "more\n"})
    dirty = await ensure(git, place)
    assert dirty.remark is not None
    assert "uncommitted" in dirty.remark
    assert dirty.head == second == remotes.git("rev-parse", "origin/trunk", directory=place.directory)
    assert (place.directory / "README.md").read_text() == "not committed\n"
    remotes.git("commit", "--quiet", "--all", "--message=own", directory=place.directory)
    diverged = await ensure(git, place)
    assert diverged.remark is not None
    assert "lacks" in diverged.remark
    remotes.git("reset", "--quiet", "--hard", "HEAD^", directory=place.directory)
    (place.directory / "more.txt").write_text("in the way\n")
    assert "in the way" in str((await ensure(git, place)).remark)
    assert (place.directory / "more.txt").read_text() == "in the way\n"
    (place.directory / "more.txt").unlink()
    # Whoever switched it is left without: the clone stays on the base branch.
    remotes.git("switch", "--quiet", "--create", "elsewhere", directory=place.directory)
    (place.directory / ".git" / "index.lock").touch()
    assert (await ensure(git, place)).remark is None
    assert state(place.directory) == "## trunk...origin/trunk"
    remotes.git("checkout", "--quiet", "--detach", directory=place.directory)
    assert "no branch" in str((await ensure(git, place)).remark)


async def test_branches_of_the_remote_come_and_go(git, place, origin):
    remotes.branch_from(origin, "feature")
    await ensure(git, place)
    remotes.git("branch", "--delete", "--force", "feature", directory=origin)
    remotes.branch_from(origin, "feature/deeper")
    remotes.git("symbolic-ref", "HEAD", "refs/heads/feature/deeper", directory=origin)
    moved = await ensure(git, place)
    assert moved.base_branch == "feature/deeper"
    listed = remotes.git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/remotes", directory=place.directory)
    assert listed.split() == ["origin/HEAD", "origin/feature/deeper", "origin/trunk"]
    assert (await ensure(git, place, base_branch="trunk")).base_branch == "trunk"
    assert state(place.directory).startswith("## trunk")


async def test_what_the_remote_lacks_is_told_with_the_key_to_look_at(git, place, tmp_path):
    empty = remotes.bare(tmp_path / "srv" / "empty.git", files={})
    for changes, wanted, setting in (
        ({"url": remotes.url_of(empty)}, Trouble.NO_COMMITS, "REPO_URL"),
        ({"base_branch": "nowhere"}, Trouble.NO_BRANCH, "REPO_BASE_BRANCH"),
        ({"url": "file:///nowhere/at.git"}, Trouble.NOT_FOUND, "REPO_URL"),
        ({"url": "ext::sh -c true"}, Trouble.BAD_URL, "REPO_URL"),
        ({"url": "http://127.0.0.1:1/one.git"}, Trouble.UNREACHABLE, "REPO_URL"),
    ):
        error = await trouble(git, place, **changes)
        assert (error.trouble, error.setting) == (wanted, setting)
        own = await trouble(git, place, is_from_environment=False, **changes)
        assert (own.trouble, own.setting) == (wanted, None)
        assert "REPO_URL" not in own.advice
    assert not place.directory.exists()
    assert sorted(path.name for path in place.directory.parent.iterdir()) == [".one.sync"]


async def test_without_git_nothing_is_begun(git, place, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    error = await trouble(git, place)
    assert (error.trouble, error.may_pass) == (Trouble.NO_GIT, False)
    assert not git.settings.data_dir.exists()
    monkeypatch.undo()
    assert (await ensure(git, place)).is_new


async def test_histories_with_long_names_are_cloned_too(git, place, tree, tmp_path):
    origin = tmp_path / "srv" / "long.git"
    remotes.git("init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=trunk", origin)
    sha = remotes.commit(origin, {"README.md": "long\n"})
    place = msgspec.structs.replace(place, url=remotes.url_of(origin))
    assert (await ensure(git, place)).head == sha
    assert len(sha) == 64
    await trees.make(git, place, tree, reason="held")
    (tree.path / "README.md").write_text("longer\n")
    made = await work.commit(git, tree, message="Longer", author=Author("a", "a@b"))
    assert made is not None
    assert (await work.push(git, place, tree)).head == remotes.head(origin, "task/first") == made.sha


async def test_what_is_no_clone_is_never_touched(git, place):
    place.directory.mkdir(parents=True)
    (place.directory / "precious.txt").write_text("mine\n")
    assert (await trouble(git, place)).trouble == Trouble.NOT_A_CLONE
    assert [path.name for path in place.directory.iterdir()] == ["precious.txt"]
    (place.directory / "precious.txt").unlink()
    target = place.directory.rename(place.directory.with_name("target"))
    place.directory.symlink_to(target)
    assert (await trouble(git, place)).trouble == Trouble.NOT_A_CLONE
    assert not any(target.iterdir())
    place.directory.unlink()
    place.directory.write_text("a file\n")
    told = await trouble(git, place)
    assert (told.trouble, told.setting) == (Trouble.NOT_A_CLONE, "WRITABLE_REPO_DIR")
    place.directory.unlink()
    # An empty directory is as good as none.
    place.directory.mkdir()
    assert (await ensure(git, place)).is_new


async def test_another_address_puts_the_clone_aside_with_its_worktrees(git, place, tree, tmp_path):
    await ensure(git, place)
    await trees.make(git, place, tree, reason="first")
    (tree.path / "work.txt").write_text("work\n")
    other = remotes.bare(tmp_path / "srv" / "two.git", branch="main", files={"two.txt": "two\n"})
    moved = await ensure(git, place, url=remotes.url_of(other))
    assert moved.is_new
    assert moved.aside == place.directory.with_name("one.before-1")
    assert (place.directory / "two.txt").exists()
    # The old worktree still works with the old clone, and is no worktree of the new one.
    assert remotes.git("status", "--porcelain", directory=tree.path) == "?? work.txt"
    assert await trees.listed(git, place) == []
    fresh = msgspec.structs.replace(tree, base_branch="main")
    await trees.make(git, place, fresh, reason="again")
    assert (tree.path / "two.txt").exists()
    assert (tree.path.with_name("first.before-1") / "work.txt").read_text() == "work\n"
    # Back again, by a process that is killed when the new clone has its name and nobody wrote down whose it is: both are kept.
    assert await asyncio.to_thread(killing.killed, [job(git, place, moment=WHEN_NAMED)]) == [True]
    assert not (place.directory / "two.txt").exists()
    assert not beside(place.directory, "origin").exists()
    assert (await ensure(git, place)).aside is None
    assert place.directory.with_name("one.before-2").is_dir()
    # Another spelling of the address is no other address, and what agents write into the configuration decides nothing.
    remotes.git("config", "remote.origin.url", "https://elsewhere.example/x.git", directory=place.directory)
    assert not (await ensure(git, place, url=f"{place.url}/")).is_new


async def test_an_operators_own_clone_is_taken_over(git, place, origin):
    place.directory.parent.mkdir(parents=True)
    remotes.git("clone", "--quiet", place.url, place.directory)
    later = remotes.commit(origin, {"later.txt": "later\n"})
    taken = await ensure(git, place)
    assert (taken.head, taken.is_new, taken.remark) == (later, False, None)
    assert (place.directory / "later.txt").exists()


async def test_a_depth_limits_the_history_until_it_is_unset(git, place, tree, origin):
    for number in range(5):
        remotes.commit(origin, {"count.txt": f"{number}\n"})

    def commits():
        return int(remotes.git("rev-list", "--count", "HEAD", directory=place.directory))

    await ensure(git, place, depth=2)
    assert commits() == 2
    remotes.commit(origin, {"count.txt": "more\n"})
    assert (await ensure(git, place, depth=2)).remark is None
    assert commits() == 3
    await trees.make(git, place, tree, reason="held")
    (tree.path / "new.txt").write_text("new\n")
    author = Author("agent-slug", "agent-slug@example.org")
    made = await work.commit(git, tree, message="From a part of the history", author=author)
    assert made is not None
    assert (await work.push(git, place, tree)).head == remotes.head(origin, "task/first") == made.sha
    await ensure(git, place)
    assert commits() == 7
    remotes.git("fsck", "--strict", directory=place.directory)


async def test_two_processes_make_one_clone(git, place, origin):
    running = [killing.started([job(git, place)]) for _ in range(2)]
    said = sorted([(await asyncio.to_thread(process.communicate))[0].decode().split() for process in running])
    assert said == [["False", remotes.head(origin)], ["True", remotes.head(origin)]]
    assert state(place.directory) == "## trunk...origin/trunk"
    assert not beside(place.directory, "cloning").exists()


async def test_whoever_waits_too_long_for_the_other_is_told(git, place, host, origin):
    host.stalls = True
    place = msgspec.structs.replace(place, url=host.url_of(origin))
    first = asyncio.create_task(ensure(git, place))
    assert await asyncio.to_thread(host.stalled.wait, 20)
    impatient = type(git)(git.settings, limits=replace_limits(git, waiting=0.1))
    busy = await trouble(impatient, place)
    assert (busy.trouble, busy.may_pass) == (Trouble.BUSY, True)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert not beside(place.directory, "cloning").exists()
    slow = type(git)(git.settings, limits=replace_limits(git, asking=0.3))
    told = await trouble(slow, place)
    assert (told.trouble, told.may_pass) == (Trouble.TIMEOUT, True)


def replace_limits(git, **changes):
    return git.limits._replace(**changes)


async def test_a_killed_clone_heals_at_every_moment(git, place, origin, tmp_path):
    """A process is killed before it starts git or renames something; the next call finds what it left."""
    # Before the clone is begun, is fetched, gets its references, its files and its name.
    moments = (2, 8, 11, 16, 20)
    targets = [msgspec.structs.replace(place, directory=tmp_path / str(moment) / "one") for moment in moments]
    jobs = [job(git, target, moment=moment) for target, moment in zip(targets, moments, strict=True)]
    assert all(await asyncio.to_thread(killing.killed, jobs))
    for target in targets:
        made = await ensure(git, target)
        assert (made.head, made.remark) == (remotes.head(origin), None)
        whole(target)


async def test_a_killed_fast_forward_heals_at_every_moment(git, place, origin):
    await ensure(git, place)
    targets = [msgspec.structs.replace(place, directory=place.directory.with_name(f"copy-{number}")) for number in range(4)]
    for target in targets:
        shutil.copytree(place.directory, target.directory, symlinks=True)
    later = remotes.commit(origin, {"README.md": "later\n", "later/on.txt": "later\n", "src/one.txt": None})
    jobs = [job(git, target, moment=number) for number, target in enumerate(targets, start=16)]
    assert all(await asyncio.to_thread(killing.killed, jobs))
    for target in targets:
        moved = await ensure(git, target)
        assert (moved.head, moved.remark) == (later, None)
        whole(target)


def job(git, place, **changes) -> killing.Job:
    return killing.Job("sync", str(git.settings.data_dir), place.url, str(place.directory), **changes)


def whole(place):
    """Nothing of the killed call is left but locks."""
    name = place.directory.name
    assert state(place.directory) == "## trunk...origin/trunk"
    left = {path.name for path in place.directory.parent.iterdir() if name in path.name}
    assert left == {name, f".{name}.sync", f".{name}.origin"} | (left & {f".{name}.lock"})
