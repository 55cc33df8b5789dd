import hashlib
import os
import signal
import subprocess
import sys
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bootstrap.types.workspaces import ENVIRONMENT, Piece
from app.bootstrap.workspaces_files import Shelf, Trouble, locked
from app.kernel.confined import Confined, Escapes
from app.kernel.settings import ROOT

AGENT = UUID(int=7)
# Each round a process dies when it has put so many files in their places, and the next sync must find them all the board's.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.bootstrap.workspaces.test_disk import settled
root, replace = Path(sys.argv[1]), os.replace
def dying_after(count):
    def counted(*arguments, **options):
        nonlocal count
        count -= 1
        if count < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*arguments, **options)
    return counted
for number in range(8):
    files = {f"file{n}": str(number) for n in range(4)} | {f"skills/s{number % 3}/SKILL.md": "skill"}
    if (child := os.fork()) == 0:
        os.replace = dying_after(number)
        settled(root, **files)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), settled(root, file0="last", file1="last").edited)
"""


def piece(text, *, is_private=False):
    content = text.encode()
    return Piece(content, hashlib.sha256(content).hexdigest(), is_private)


def settled(root, *, restored=(), **files):
    pieces = {name: piece(text, is_private=name == ENVIRONMENT) for name, text in files.items()}
    return Shelf(root, "account").settle("agent", AGENT, pieces, scaffold={"memory/WORKING.md": b"scaffold"}, restored=restored)


def tree(root):
    """Every file below with its content and time."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture
def root(tmp_path):
    return tmp_path / "workspaces"


@pytest.fixture
def home(root):
    return root / "account" / "agent"


def test_what_is_as_it_should_be_is_not_touched(root, home):
    files = {"SOUL.md": "soul", "skills/a/SKILL.md": "skill", ENVIRONMENT: "CALLBOARD_TOKEN=cb_abcdefgh_secret\n"}
    assert settled(root, **files).touched == 3
    before = tree(root)
    assert settled(root, **files).touched == 0
    assert tree(root) == before
    assert (home / ENVIRONMENT).stat().st_mode & 0o777 == 0o600
    assert (home / "SOUL.md").stat().st_mode & 0o777 == 0o644
    assert Shelf(root, "account").tokens("agent") == ["cb_abcdefgh_secret"]
    assert (home / "deliverables").is_dir()


def test_stale_files_go_and_the_agents_own_stay(root, home):
    settled(root, **{"SOUL.md": "soul", "skills/a/SKILL.md": "a", "skills/b/SKILL.md": "b"})
    (home / "skills/b/notes.md").write_text("my notes")
    (home / "memory/WORKING.md").write_text("my work")
    (home / "own.md").write_text("own")
    settled(root, **{"SOUL.md": "soul"})
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert left == {"SOUL.md", "skills/b/notes.md", "memory/WORKING.md", "own.md"}
    assert not (home / "skills/a").exists()
    Shelf(root, "account").clear("agent")
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert left == {"skills/b/notes.md", "memory/WORKING.md", "own.md"}
    assert Shelf(root, "account").known() == []


def test_an_edited_file_stays_until_it_is_restored_and_is_kept_then(root, home):
    settled(root, **{"SOUL.md": "one"})
    (home / "SOUL.md").write_text("mine")
    (home / "SOUL.md.mine").write_text("older")
    assert settled(root, **{"SOUL.md": "two"}).edited == ("SOUL.md",)
    assert (home / "SOUL.md").read_text() == "mine"
    assert (home / "SOUL.md.board").read_text() == "two"
    assert settled(root, **{"SOUL.md": "two"}, restored=["SOUL.md"]).edited == ()
    assert {path.name: path.read_text() for path in home.iterdir() if path.is_file()} == {
        "SOUL.md": "two",
        "SOUL.md.mine": "older",
        "SOUL.md.mine-2": "mine",
    }


def test_the_token_is_found_in_the_boards_version_of_an_edited_environment_file(root, home):
    settled(root, **{ENVIRONMENT: "CALLBOARD_TOKEN=cb_abcdefgh_one\n"})
    (home / ENVIRONMENT).write_text("MORE=1\n")
    settled(root, **{ENVIRONMENT: "CALLBOARD_TOKEN=cb_abcdefgh_two\n"})
    assert Shelf(root, "account").tokens("agent") == ["cb_abcdefgh_two"]
    assert (home / f"{ENVIRONMENT}.board").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("planted", ["SOUL.md", "skills", "skills/a", "memory", "deliverables", ".env", "", "SOUL.md.board"])
def test_a_planted_link_is_refused_and_nothing_is_touched(root, home, tmp_path, planted):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "SOUL.md").write_text("not the board's")
    place = home / planted
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside / "SOUL.md" if planted.endswith((".md", ".env", ".board")) else outside)
    before = tree(tmp_path)
    with pytest.raises(Trouble):
        settled(root, **{"SOUL.md": "soul", "skills/a/SKILL.md": "a", ENVIRONMENT: "x"})
    assert {name: content for name, (content, _) in tree(tmp_path).items()} == {
        name: content for name, (content, _) in before.items()
    }
    assert [path.name for path in outside.iterdir()] == ["SOUL.md"]


@pytest.mark.parametrize("made", [lambda path: path.mkdir(parents=True), os.mkfifo])
def test_what_is_no_plain_file_is_refused_without_waiting(root, home, made):
    home.mkdir(parents=True)
    made(home / "SOUL.md")
    with pytest.raises(Trouble, match=r"SOUL\.md: "):
        settled(root, **{"SOUL.md": "soul"})


@pytest.mark.parametrize("text", ["{", "[]", '{"agent_id": "x"}', f'{{"agent_id": "{AGENT}", "files": {{"../x": []}}}}', "\0"])
def test_a_manifest_that_cannot_be_believed_makes_no_file_the_boards(root, home, text):
    settled(root, **{"SOUL.md": "one", "TOOLS.md": "same"})
    (root / ".manifests/account/agent.json").write_text(text)
    assert settled(root, **{"SOUL.md": "two", "TOOLS.md": "same"}).edited == ("SOUL.md",)
    assert (home / "SOUL.md").read_text() == "one"


def test_a_manifest_that_is_a_link_is_refused(root, tmp_path):
    settled(root, **{"SOUL.md": "one"})
    manifest = root / ".manifests/account/agent.json"
    manifest.rename(tmp_path / "elsewhere.json")
    manifest.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(Trouble, match="manifest"):
        settled(root, **{"SOUL.md": "one"})


BAD = st.sampled_from(["..", "../x", "/x", "a/../../x", "a\0b", "a" * 300, "", ".", "a//b", "a\\b", "a\n", "\ud800"])


@given(name=BAD | st.text(max_size=5).map(lambda text: f"../{text}"))
@settings(max_examples=40)
def test_a_name_that_leads_out_writes_nothing(name, tmp_path_factory):
    root = tmp_path_factory.getbasetemp() / "names"
    with pytest.raises(Escapes):
        Confined(root).write(name, b"x")
    with pytest.raises(Escapes):
        Confined(root).move("a", name)
    with pytest.raises(Escapes):
        Confined(root).digest(name)
    assert not root.exists()


def test_killed_at_any_moment_the_next_sync_finds_nothing_that_the_agent_changed(root, home):
    done = subprocess.run([sys.executable, "-c", KILLED, str(root)], cwd=ROOT, capture_output=True, text=True, check=False)
    ends = done.stdout.splitlines()
    assert len(ends) == 8, done.stderr[-500:]
    assert {end.split(" ", 1)[0] for end in ends[:7]} == {str(-signal.SIGKILL)}
    assert {end.split(" ", 1)[1] for end in ends} == {"()"}
    # Nor is anything left of what was being written.
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert left == {"file0", "file1", "memory/WORKING.md"}


def test_one_writes_at_a_time(root):
    with locked(root, "one") as first, locked(root, "one") as second, locked(root, "two") as other:
        assert (first, second, other) == (True, False, True)
    with locked(root, "one") as again:
        assert again
