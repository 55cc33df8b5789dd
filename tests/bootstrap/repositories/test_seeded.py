"""Repositories in seeds: one or several, typed texts, and what a load makes of them."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bootstrap import files, places, rules
from app.bootstrap.queries import repositories as queries
from app.bootstrap.rules import seeded
from app.bootstrap.types import Kind
from app.bootstrap.types.repositories import Facts, Roots
from app.kernel import settings as registry
from app.kernel.ids import new_id
from app.kernel.settings import ROOT, Settings
from app.kernel.startup import CannotStart

TWO = """
- name: service
  url: ${REPO_URL:-}
  clone_depth: ${REPO_CLONE_DEPTH:-}
  branch_per_task: ${REPO_BRANCH_PER_TASK:-}
  keep_worktrees: ${REPO_KEEP_WORKTREES:-}
  protected_branches: ${REPO_PROTECTED_BRANCHES:-}
- name: library
  url: https://git.example/library.git
  base_branch: trunk
  protected_branches: [stable/*]
- name: nowhere
"""
ROWS = "SELECT name, is_primary, is_from_environment, version FROM repositories WHERE account_id = $1 ORDER BY name"


@pytest.fixture
def directory(tmp_path):
    return Path(shutil.copytree(ROOT / "seeds", tmp_path / "seeds"))


def read(directory, text, settings=None):
    (directory / "repository.yaml").write_text(text)
    found = files.read(directory, settings=settings or Settings())
    return {record.key: record.fields for record in found.records if record.kind is Kind.REPOSITORY}


def refused(directory, text):
    with pytest.raises(CannotStart) as error:
        read(directory, text)
    return [line.strip() for line in str(error.value).splitlines()[1:]]


def test_a_list_holds_several_and_texts_become_what_they_stand_for(directory):
    settings = Settings(
        repo_url="https://git.example/service.git",
        writable_repo_dir=Path("/srv/a"),
        repo_clone_depth=7,
        repo_branch_per_task=False,
        repo_keep_worktrees=True,
        repo_protected_branches="main, release/*,",
    )
    found = read(directory, TWO, settings)
    assert list(found) == ["service", "library"]
    wanted = {"clone_depth": 7, "branch_per_task": False, "keep_worktrees": True, "protected_branches": ["main", "release/*"]}
    assert {name: found["service"][name] for name in wanted} == wanted
    assert [found[name]["is_from_environment"] for name in found] == [True, False]
    unset = read(directory, TWO, Settings(repo_url="https://git.example/service.git", writable_repo_dir=Path("/srv/a")))[
        "service"
    ]
    assert [unset[name] for name in wanted] == [None, True, False, []]


def test_the_repository_of_the_environment_follows_each_of_its_settings_that_the_file_leaves_open(directory):
    url = "https://git.example/service.git"
    settings = Settings(
        repo_url=url, repo_base_branch="trunk", repo_branch_prefix="work/", repo_keep_worktrees=True, repo_clone_depth=7
    )
    text = f"- name: a\n  url: ${{REPO_URL}}\n  clone_depth: 3\n- {{name: b, url: '{url}'}}\n- {{name: c, url: x}}\n"
    found = read(directory, text, settings)
    facts = ("base_branch", "branch_prefix", "keep_worktrees", "clone_depth", "is_from_environment")
    assert [found["a"][name] for name in facts] == ["trunk", "work/", True, 3, True]
    assert [found[one][name] for one in "bc" for name in facts] == [None, None, False, None, False] * 2
    assert list(read(directory, "name: a\nurl: ${REPO_URL:-}\n")) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: a\nclone_depth: few\n", "clone_depth must be a whole number from 1 to 1000000"),
        ("name: a\nclone_depth: 0\n", "clone_depth must be a whole number from 1 to 1000000"),
        ("- name: a\n- name: b\n  branch_per_task: maybe\n", "[1].branch_per_task: Expected `bool`, got `str`"),
        ("- name: a\n- colour: red\n", "unknown key [1].colour"),
        ("- name: a\n- name: a\n", "names must differ"),
        ("- [a]\n", "[0] must be a mapping"),
        ("name: a\nurl: https://user:secret@git.example/a\n", "a: url must hold no credentials"),
        (
            "- {name: a, url: x, writable_dir: /srv}\n- {name: b, url: y, writable_dir: /srv}\n",
            "each needs a writable_dir of its own",
        ),
    ],
)
def test_mistakes_are_told_by_their_place(directory, text, problem):
    told = refused(directory, text)
    assert any(problem in line for line in told), told
    assert "secret" not in str(told)


@given(st.text(max_size=8) | st.integers() | st.booleans() | st.none() | st.lists(st.integers(), max_size=2))
def test_a_value_that_is_no_text_stays_as_it_is_and_no_text_is_lost(value):
    for name in ("clone_depth", "branch_per_task", "keep_worktrees", "protected_branches"):
        typed = seeded.typed({name: value})
        if value == "":
            assert typed == {}
        elif not isinstance(value, str):
            assert typed == {name: value}
        else:
            assert name in typed


@pytest.mark.parametrize(
    "url", ["http://[bad/a", "https://user:secret@[bad/a", "https://git.example/..", "..", "ext::sh", "x" * 3_000, "-x"]
)
def test_an_address_that_is_none_stops_no_start_and_places_nothing_elsewhere(tmp_path, url):
    settings = registry.load({"REPO_URL": url, "CALLBOARD_DATA_DIR": str(tmp_path)}, None)
    assert settings.writable_repo_dir is not None
    assert settings.writable_repo_dir.parent == tmp_path / "repos"
    (record,) = [one for one in files.read(ROOT / "seeds", settings=settings).records if one.kind is Kind.REPOSITORY]
    assert "secret" not in str(record)
    assert record.fields["is_from_environment"]


def facts(**given):
    told: dict[str, Any] = {
        "id": new_id(),
        "account_slug": "crew",
        "name": "library",
        "url": "https://git.example/a",
        "version": 1,
    }
    told |= dict.fromkeys(("base_branch", "branch_prefix", "branch_pattern", "clone_depth", "writable_dir"))
    told |= {"protected_branches": [], "branch_per_task": True, "keep_worktrees": False, "is_primary": True}
    return Facts(**({"is_from_environment": False} | told | given))


def test_each_clone_has_a_directory_of_its_own():
    roots = Roots(environment=Path("/data/repos/crew"), shared=Path("/data/repos"), base=Path("/board"))
    assert places.directory(facts(is_from_environment=True, writable_dir="/old"), roots) == Path("/data/repos/crew")
    nested = Roots(environment=Path("/data/repos/crew/library"), shared=Path("/data/repos"), base=Path("/board"))
    assert places.directory(facts(), nested) == Path("/data/repos/crew.own/library")
    assert places.directory(facts(account_slug="crew-2"), nested) == Path("/data/repos/crew-2/library")
    assert places.directory(facts(writable_dir="/srv/x"), roots) == Path("/srv/x")
    assert places.directory(facts(writable_dir="clones/x"), roots) == Path("/board/clones/x")
    # The clone of the environment has the name of the account here, and nothing is put into it.
    assert places.directory(facts(), roots) == Path("/data/repos/crew.own/library")
    assert places.directory(facts(account_slug="other"), roots) == Path("/data/repos/other/library")


async def test_a_load_makes_them_and_the_first_is_the_primary_one(board):
    settings = Settings(repo_url="https://git.example/service.git", writable_repo_dir=Path("/srv/a"))
    (board.directory / "repository.yaml").write_text(TWO)
    account_id = (await board.load(settings)).account_id
    rows = [tuple(row) for row in await board.rows(account_id, ROWS)]
    assert rows == [("library", False, False, 1), ("service", True, True, 1)]
    commands = "SELECT count(*) FROM runtime_commands WHERE account_id = $1 AND type = 'repository.sync'"
    assert (await board.row(account_id, commands))["count"] == 2
    # As an older version left it: without the fields that came later, and loaded from a seed without them.
    defaults = "clone_depth = NULL, branch_pattern = NULL, branch_prefix = NULL, writable_dir = NULL, is_from_environment = false"
    await board.rows(account_id, f"UPDATE repositories SET {defaults} WHERE account_id = $1 AND name = 'service' RETURNING 1")
    old = {"url": "https://git.example/service.git"}
    change = "UPDATE seed_records SET digest = $2 WHERE account_id = $1 AND kind = 'repository' AND key = 'service' RETURNING 1"
    await board.rows(account_id, change, rules.digest(old))
    assert "  repository service: updated, because the seed has changed" in (await board.load(settings)).lines
    assert (await board.rows(account_id, ROWS))[1]["is_from_environment"]


async def test_a_full_queue_stops_no_start_and_the_sweep_orders_what_it_did_not_take(board):
    settings = Settings(repo_url="https://git.example/service.git", writable_repo_dir=Path("/srv/a"))
    account_id = (await board.load(settings)).account_id
    await board.rows(account_id, "UPDATE runtime_commands SET run_at = run_at - interval '1 s' WHERE account_id = $1 RETURNING 1")
    columns = "account_id, name, value, version, reason, changed_by_kind"
    await board.rows(
        account_id,
        f"INSERT INTO runtime_settings ({columns}) VALUES ($1, 'queue.outbound.most', '1', 1, '', 'system') RETURNING 1",
    )
    other = Settings(repo_url="https://git.example/other.git", writable_repo_dir=Path("/srv/a"))
    assert (await board.load(other)).lines[-1] == "  repositories: synced later, since a queue of the account is full"
    row = await board.row(
        account_id, "SELECT state, url FROM repository_clones JOIN repositories r USING (account_id) WHERE r.account_id = $1"
    )
    assert tuple(row) == ("waiting", "https://git.example/other.git")
    behind = await board.rows(account_id, queries.FALLEN_BEHIND, 3_600.0)
    assert len(behind) == 1
