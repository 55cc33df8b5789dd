"""What is decided by text alone: names, addresses, keys of a configuration, questions of git and what it says."""

import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bootstrap.git import askpass, configuration, words
from app.bootstrap.git.addresses import address_of, is_same
from app.bootstrap.git.names import check_branch
from app.bootstrap.types.vcs import GitError, Place, Progress, Trouble
from tests import remotes

ORIGIN, USER, TOKEN = "https://host.example:8443", "a-user", "a-t0ken"
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5}){0,2}", fullmatch=True)


def asked(question):
    return askpass.answer(question, origin=ORIGIN, user=USER, token=TOKEN)


def refusal(url) -> GitError | None:
    try:
        address_of(Place(url=url, directory=Path("/nowhere")))
    except GitError as error:
        return error
    return None


def test_git_is_answered_for_its_own_origin():
    assert asked("Username for 'https://host.example:8443': ") == USER
    assert asked("Password for 'https://a-user@host.example:8443': ") == TOKEN
    assert asked("Password for 'https://HOST.example:8443': ") == TOKEN


@pytest.mark.parametrize(
    "question",
    [
        "Password for 'https://host.example': ",
        "Password for 'http://host.example:8443': ",
        "Password for 'https://host.example:8443.evil.example': ",
        "Password for 'https://host.example:8443@evil.example': ",
        "Password for 'https://evil.example/https://host.example:8443': ",
        "Password for 'https://evil.example#@host.example:8443': ",
        "Password for 'https://evil.example\\@host.example:8443': ",
        "Password for 'https://evil.example?@host.example:8443': ",
        "Password for 'https://evil.example'\n'https://host.example:8443': ",
        "Password for 'https://host.example:99999': ",
        "Passphrase for key 'https://host.example:8443': ",
        "",
    ],
)
def test_another_question_or_origin_gets_no_answer(question):
    assert asked(question) is None


@given(st.sampled_from(["http", "https", "ssh"]), HOSTS, st.none() | st.integers(0, 70_000), st.text(max_size=8))
def test_only_the_one_origin_is_ever_answered(scheme, host, port, rest):
    place = f"{host}:{port}" if port is not None else host
    answer = asked(f"Password for '{scheme}://{place}{rest}': ")
    assert answer is None or (scheme, host, port) == ("https", "host.example", 8443)


def test_the_askpass_program_needs_nothing_but_its_environment():
    def said(question):
        program = [sys.executable, "-I", "-S", askpass.__file__, question]
        variables = {askpass.ORIGIN: ORIGIN, askpass.USER: USER, askpass.TOKEN: TOKEN}
        done = subprocess.run(program, env=variables, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    assert said("Password for 'https://host.example:8443': ") == (0, b"a-t0ken\n", b"")
    assert said("Password for 'https://other.example': ") == (1, b"", b"")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@host.example/x.git",
        "https://token@host.example/x.git",
        "ssh://user:secret@host.example/x.git",
        "ext::sh -c whoami",
        "ext::whoami",
        "-uwhoami",
        "--upload-pack=whoami",
        "ssh://-oProxyCommand=whoami/x.git",
        "-oProxyCommand=whoami:x",
        "ftp://host.example/x.git",
        "https://host.example",
        "https://host.example/x.git?token=secret",
        "https:///x.git",
        "https://host.example:port/x.git",
        "https://host.example/a b",
        "https://host.example/a\nb",
        "relative/path",
        "file://host/x.git",
        "",
        "x" * 3_000,
    ],
)
def test_addresses_that_are_none_or_hold_a_secret_are_refused(url):
    error = refusal(url)
    assert error is not None
    assert error.trouble == Trouble.BAD_URL
    assert not url or url not in error.advice


@pytest.mark.parametrize(
    "url",
    [
        "https://host.example/x.git",
        "http://127.0.0.1:8080/a/b",
        "ssh://git@host.example:22/x.git",
        "git@host.example:group/x.git",
        "file:///srv/x.git",
        "/srv/x.git",
        "git://host.example/x",
    ],
)
def test_addresses_as_hosts_give_them_are_taken(url):
    assert refusal(url) is None
    assert is_same(url, f"{url}/")
    assert not is_same(url, f"{url}y")


@given(st.text(max_size=30))
def test_no_text_makes_an_address_that_git_takes_for_an_option(text):
    assert refusal(text) or not text.startswith("-")


def test_addresses_are_compared_as_places():
    assert is_same("https://HOST.example:443/x.git", "https://host.example/x")
    assert is_same("file:///srv/a%20b.git", "/srv/a b.git/")
    assert not is_same("https://host.example/x", "http://host.example/x")
    assert not is_same("git@host.example:x.git", "git@other.example:x.git")


@settings(max_examples=30)
@given(st.text(alphabet=string.ascii_letters + "./@{-^~:\\ ", max_size=12))
def test_what_is_taken_for_a_branch_git_takes_too(name):
    try:
        check_branch(name)
    except GitError:
        return
    remotes.git("check-ref-format", "--branch", name)


def test_a_clones_own_configuration_is_plain():
    for key in (
        "core.repositoryformatversion",
        "core.bare",
        "remote.origin.url",
        "branch.task/a.b.merge",
        "user.email",
        "pull.rebase",
    ):
        assert configuration.is_allowed(key)


@pytest.mark.parametrize(
    "key",
    [
        "core.sshCommand",
        "core.fsmonitor",
        "core.hooksPath",
        "core.worktree",
        "core.askPass",
        "core.pager",
        "core.gitProxy",
        "core.editor",
        "core.attributesFile",
        "core.excludesFile",
        "core.alternateRefsCommand",
        "credential.helper",
        "credential.https://host.example.helper",
        "filter.x.clean",
        "filter.x.process",
        "diff.external",
        "diff.x.textconv",
        "diff.x.command",
        "merge.x.driver",
        "include.path",
        "includeIf.gitdir:/.path",
        "url.https://evil.example/.insteadOf",
        "http.proxy",
        "http.https://host.example.extraHeader",
        "http.sslVerify",
        "remote.origin.uploadpack",
        "remote.origin.receivepack",
        "remote.origin.vcs",
        "remote.origin.proxy",
        "remote.origin.promisor",
        "extensions.partialClone",
        "submodule.x.update",
        "alias.x",
        "gpg.program",
        "gpg.ssh.program",
        "commit.gpgSign",
        "sequence.editor",
        "pager.log",
        "protocol.ext.allow",
        "safe.directory",
        "uploadpack.packObjectsHook",
        "trailer.x.command",
        "init.templateDir",
        "interactive.diffFilter",
        "ssh.variant",
        "no-section",
        "",
    ],
)
def test_keys_that_name_programs_or_places_are_unsafe(key):
    assert not configuration.is_allowed(key)
    assert not configuration.is_allowed(key.upper())
    assert configuration.unsafe_key(["core.bare", key]) == key


@given(
    st.text(max_size=20), st.sampled_from(["helper", "textconv", "clean", "smudge", "process", "insteadof", "command", "program"])
)
def test_no_name_between_makes_an_unsafe_key_safe(name, key):
    for section in ("filter", "credential", "diff", "url", "merge", "gpg", "remote", "branch", "color", "core"):
        assert not configuration.is_allowed(f"{section}.{name}.{key}")


@given(st.binary(max_size=60), st.sampled_from(["a-t0ken", "pa$$ word"]), st.binary(max_size=60))
def test_what_git_said_is_shown_without_secrets(before, secret, after):
    shown = words.shown(before + secret.encode() + b" https://user:hidden@host.example/x " + after, secrets=[secret])
    assert secret not in shown
    assert "hidden" not in shown
    assert shown.isprintable()
    assert len(shown) <= words.SHOWN_MOST


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ("fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output", Trouble.NO_SPACE),
        ("error: could not lock: Disk quota exceeded", Trouble.NO_SPACE),
        ("fatal: could not create work tree dir 'x': Permission denied", Trouble.NOT_WRITABLE),
        ("fatal: Unable to create '/x/.git/a': Read-only file system", Trouble.NOT_WRITABLE),
        ("git@host.example: Permission denied (publickey).\nfatal: Could not read from remote repository.", Trouble.CREDENTIALS),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", Trouble.CREDENTIALS),
        ("fatal: sha1 file '/tmp_idx_x' write error. Out of diskspace\nfatal: index-pack failed", Trouble.NO_SPACE),
        ("fatal: Authentication failed for 'https://host.example/x.git/'", Trouble.CREDENTIALS),
        ("fatal: could not read Username for 'https://host.example': terminal prompts disabled", Trouble.CREDENTIALS),
        ("remote: Repository not found.\nfatal: repository 'https://host.example/x/' not found", Trouble.NOT_FOUND),
        ("fatal: '/x' does not appear to be a git repository\nfatal: Could not read from remote repository.", Trouble.NOT_FOUND),
        ("fatal: unable to access 'https://host.example/': Could not resolve host: host.example", Trouble.UNREACHABLE),
        ("ssh: Could not resolve hostname host.example: Name or service not known", Trouble.UNREACHABLE),
        ("ssh: connect to host host.example port 22: Connection timed out", Trouble.UNREACHABLE),
        ("fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate", Trouble.UNREACHABLE),
        ("error: RPC failed; curl 92 HTTP/2 stream\nfatal: early EOF", Trouble.UNREACHABLE),
        ("fatal: Unable to create '/x/.git/refs/heads/x.lock': File exists.", Trouble.BUSY),
        ("! [rejected] x -> x (fetch first)\nerror: failed to push some refs to 'https://x'", Trouble.REJECTED),
        ("! [remote rejected] x -> x (pre-receive hook declined)", Trouble.REJECTED),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 301", Trouble.BAD_URL),
        ("fatal: transport 'ext' not allowed", Trouble.BAD_URL),
        ("fatal: something that nobody has seen", Trouble.BROKEN),
    ],
)
def test_what_git_says_is_understood(said, trouble):
    assert words.trouble_in(said.encode()) == trouble


@given(st.binary(max_size=200))
def test_any_words_of_git_have_an_advice_without_them(said):
    error = words.error(words.trouble_in(said), Place(url="file:///x", directory=Path("/x"), is_from_environment=True))
    assert error.setting
    assert "{" not in error.advice


def test_progress_is_read_whatever_the_pieces():
    said = b"remote: Counting objects:  50% (1/2)\rremote: evil: 10%\rReceiving objects:   7% (1/14)\rReceiving objects:   7%\r"
    whole, single = words.Lines(), words.Lines()
    wanted = [Progress("counting objects", 50), Progress("receiving objects", 7)]
    assert whole.read(said) == wanted
    assert [each for number in range(len(said)) for each in single.read(said[number : number + 1])] == wanted
