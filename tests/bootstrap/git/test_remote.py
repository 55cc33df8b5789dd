"""Over the network: credentials reach the one origin that they belong to and nothing else, and every failure has its advice."""

import asyncio
import base64
import subprocess

import msgspec
import pytest
import structlog

from app.bootstrap.git import clones, remote, running, trees, work
from app.bootstrap.git.locking import beside
from app.bootstrap.git.program import Git
from app.bootstrap.types.vcs import Author, GitError, Trouble
from app.kernel.outside import Origins
from app.kernel.settings import Settings
from tests import remotes
from tests.bootstrap.git import killing
from tests.bootstrap.git.conftest import TOKEN


def ensure(git, place):
    return clones.ensure(git, place, report=lambda _: None)


async def trouble(git, place) -> GitError:
    with pytest.raises(GitError) as caught:
        await ensure(git, place)
    return caught.value


def basic(user: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


@pytest.fixture
def guarded(host):
    host.token = TOKEN
    return host


@pytest.fixture
def served(place, origin, guarded):
    return msgspec.structs.replace(place, url=guarded.url_of(origin))


@pytest.fixture
def trusted(tmp_path, served):
    return Git(Settings(data_dir=tmp_path / "data", repo_url=served.url, repo_token=TOKEN))


def holders_of(text, directory):
    """Files below a directory that hold a text, and processes with it among their words."""
    files = [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    listed = subprocess.run(["ps", "-ww", "-eo", "args="], capture_output=True, text=True, check=True).stdout
    return [*files, *(line for line in listed.splitlines() if text in line)]


async def test_a_token_reaches_its_own_origin_alone(git, trusted, served, guarded, origin, tmp_path):
    refused = await trouble(git, served)
    assert (refused.trouble, refused.setting, refused.may_pass) == (Trouble.CREDENTIALS, "REPO_TOKEN", False)
    assert (await ensure(trusted, served)).head == remotes.head(origin)
    assert set(guarded.authorized) == {basic("git", TOKEN)}
    # Another origin gets nothing, though it asks and an address leads there.
    with remotes.serving(tmp_path / "srv", token="another") as other:
        elsewhere = msgspec.structs.replace(served, url=other.url_of(origin))
        assert (await trouble(trusted, elsewhere)).trouble == Trouble.CREDENTIALS
        guarded.redirects = other.url
        assert (await trouble(trusted, served)).trouble == Trouble.BAD_URL
        assert other.authorized == []
        # An account's repository gets the token of its own origin.
        origins = Origins(f"{other.url}=OTHER_TOKEN").filled({"OTHER_TOKEN": "another"})
        both = Git(msgspec.structs.replace(trusted.settings, repository_origins=origins, repo_user="somebody"))
        account = msgspec.structs.replace(elsewhere, is_from_environment=False, directory=served.directory.with_name("two"))
        assert (await ensure(both, account)).is_new
        assert set(other.authorized) == {basic("git", "another")}
    guarded.redirects = None
    # An account that names a repository of that host, even the same one, does not read with the operator's token.
    guarded.authorized.clear()
    strange = msgspec.structs.replace(served, is_from_environment=False, directory=served.directory.with_name("three"))
    remotes.bare(tmp_path / "srv" / "secret.git")
    moved = msgspec.structs.replace(served, url=guarded.url_of(tmp_path / "srv" / "secret.git"), directory=strange.directory)
    for other_place in (strange, moved):
        unasked = await trouble(trusted, other_place)
        assert unasked.trouble == Trouble.CREDENTIALS
        assert "was given none: put a token into" in unasked.advice
    assert guarded.authorized == []
    bound = Origins(f"{guarded.url}=HOST_TOKEN").filled({"HOST_TOKEN": TOKEN})
    assert (await ensure(Git(msgspec.structs.replace(trusted.settings, repository_origins=bound)), strange)).is_new
    guarded.user = "somebody"
    assert not (await ensure(both, served)).is_new
    assert holders_of(TOKEN, trusted.settings.data_dir) == []


async def test_a_token_is_in_no_process_list_no_file_and_no_log(trusted, served, guarded, tmp_path, monkeypatch):
    logs = structlog.testing.LogCapture()
    # A logger that was used before is bound to what was configured then.
    for module in (remote, running):
        monkeypatch.setattr(module, "log", structlog.wrap_logger(None, processors=[logs], wrapper_class=structlog.BoundLogger))
    guarded.stalls = True
    syncing = asyncio.create_task(ensure(trusted, served))
    assert await asyncio.to_thread(guarded.stalled.wait, 20)
    assert holders_of(TOKEN, tmp_path) == []
    guarded.refuses = 500
    guarded.release()
    with pytest.raises(GitError) as caught:
        await syncing
    assert caught.value.trouble == Trouble.UNREACHABLE
    assert logs.entries
    assert TOKEN not in str(logs.entries)
    assert TOKEN not in str(caught.value)


async def test_every_failure_of_the_network_is_known(trusted, served, guarded, origin):
    guarded.cuts = 40
    cut = await trouble(trusted, served)
    assert (cut.trouble, cut.may_pass) == (Trouble.UNREACHABLE, True)
    guarded.cuts = None
    for status, wanted in (
        (404, Trouble.NOT_FOUND),
        (403, Trouble.CREDENTIALS),
        (503, Trouble.UNREACHABLE),
        (429, Trouble.UNREACHABLE),
    ):
        guarded.refuses = status
        assert (await trouble(trusted, served)).trouble == wanted
    guarded.refuses = None
    missing = msgspec.structs.replace(served, url=f"{served.url}.nowhere")
    wrong = Git(msgspec.structs.replace(trusted.settings, repo_url=missing.url))
    assert (await trouble(wrong, missing)).trouble == Trouble.NOT_FOUND
    nameless = msgspec.structs.replace(served, url="http://host.invalid/one.git")
    assert (await trouble(trusted, nameless)).trouble == Trouble.UNREACHABLE
    assert (await ensure(trusted, served)).is_new


async def test_a_killed_process_takes_its_git_with_it_and_the_next_one_begins_anew(git, place, host, origin):
    # It asks what is there, then asks again to fetch it, and is killed with the pack on its way.
    host.stalls, host.spares = True, 2
    place = msgspec.structs.replace(place, url=host.url_of(origin))
    running = killing.started([killing.Job("sync", str(git.settings.data_dir), place.url, str(place.directory))])
    assert await asyncio.to_thread(host.stalled.wait, 20)
    assert beside(place.directory, "cloning").exists()
    running.kill()
    await asyncio.to_thread(running.communicate)
    host.stalls = False
    made = await ensure(git, place)
    assert (made.is_new, made.head) == (True, remotes.head(origin))
    assert not beside(place.directory, "cloning").exists()
    assert holders_of(host.url, git.private) == []


PLANTED = """
[core]
    sshCommand = {canary}
    fsmonitor = {canary}
    hooksPath = {hooks}
    editor = {canary}
    askPass = {canary}
    gitProxy = {canary}
[credential]
    helper = {canary}
[filter "planted"]
    clean = {canary}
    smudge = {canary}
[diff "planted"]
    textconv = {canary}
    command = {canary}
[diff]
    external = {canary}
[merge "planted"]
    driver = {canary}
[url "{elsewhere}"]
    insteadOf = {real}
[http]
    proxy = {elsewhere}
    extraHeader = X-Planted: 1
[gpg]
    program = {canary}
[commit]
    gpgSign = true
[remote "origin"]
    uploadpack = {canary}
    receivepack = {canary}
    vcs = ext
"""


def plant(clone, tree, tmp_path, *, elsewhere, real):
    """Everything that makes git run a program or talk to somebody else; answers the file that the program would write."""
    hooks, trace, canary = tmp_path / "hooks", tmp_path / "trace", tmp_path / "canary.sh"
    canary.write_text(f'#!/bin/sh\nenv > "{trace}"\ncat\n')
    canary.chmod(0o755)
    for place in (hooks, clone / ".git" / "hooks"):
        place.mkdir(exist_ok=True)
        for name in ("post-checkout", "pre-commit", "commit-msg", "pre-push", "reference-transaction", "post-index-change"):
            (place / name).symlink_to(canary)
    (clone / ".git" / "info").mkdir(exist_ok=True)
    for attributes in (clone / ".git" / "info" / "attributes", tree.path / ".gitattributes"):
        attributes.write_text("* filter=planted diff=planted merge=planted\n")
    with (clone / ".git" / "config").open("a") as config:
        config.write(PLANTED.format(canary=canary, hooks=hooks, elsewhere=elsewhere, real=real))
    return trace


async def test_nothing_that_an_agent_plants_is_run_or_followed(trusted, served, guarded, origin, tree, tmp_path, monkeypatch):
    await ensure(trusted, served)
    await trees.make(trusted, served, tree, reason="held")
    with remotes.serving(tmp_path / "srv", token="x") as other:
        trace = plant(served.directory, tree, tmp_path, elsewhere=other.url, real=guarded.url)
        refused = await trouble(trusted, served)
        assert (refused.trouble, refused.setting) == (Trouble.UNSAFE_CONFIG, "WRITABLE_REPO_DIR")
        assert "core.sshcommand" in refused.advice
        # An agent that changes it after the board looked, and before git reads it.
        monkeypatch.setattr("app.bootstrap.git.configuration.unsafe_key", lambda _: None)
        remotes.commit(origin, {"README.md": "theirs\n", "more.txt": "more\n"})
        assert (await ensure(trusted, served)).remark is None
        (tree.path / "README.md").write_text("ours\n")
        assert (await work.observe(trusted, tree)).changes
        assert (await work.diff(trusted, tree)).files == 2
        author = Author("agent-slug", "agent-slug@example.org")
        assert await work.commit(trusted, tree, message="ours", author=author) is not None
        assert (await work.push(trusted, served, tree)).is_new
        (tree.path / "README.md").write_text("again\n")
        assert await trees.remove(trusted, tree, rescue="refs/rescue/1")
        await trees.make(trusted, served, tree, reason="held")
        assert other.requests == []
    assert not trace.exists()
    # Whoever runs git there without such care runs it all.
    remotes.git("status", directory=tree.path, check=False)
    assert trace.exists()
