import re
import shutil
from pathlib import Path

import pytest

from app.bootstrap import files
from app.bootstrap.types import Kind
from app.kernel.settings import ROOT, Settings
from app.kernel.startup import CannotStart

SEEDS = ROOT / "seeds"
BANNED = re.compile(r"\b(squad|team|the)[\s-]+lead\b|https?://|\bgit (push|checkout|merge|rebase|switch)\b", re.IGNORECASE)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SEEDS, tmp_path / "seeds"))


def read(directory: Path, settings: Settings | None = None, **overrides):
    seeds = files.read(directory, settings=settings or Settings(), **overrides)
    return seeds, {(record.kind, record.key): record.fields for record in seeds.records}


def refused(directory: Path) -> list[str]:
    with pytest.raises(CannotStart) as error:
        files.read(directory, settings=Settings())
    first, *problems = str(error.value).splitlines()
    assert first == f"the seeds in {directory} cannot be loaded:"
    return [problem.strip() for problem in problems]


def test_the_seeds_of_the_product_hold_a_crew():
    seeds, fields = read(SEEDS)
    assert seeds.slug == "demo"
    assert [key for kind, key in fields if kind is Kind.AGENT] == ["engineer", "engineer-2", "orchestrator", "reviewer", "writer"]
    assert fields[Kind.ACCOUNT, "demo"]["orchestrator"] == "orchestrator"
    assert fields[Kind.AGENT, "orchestrator"]["flags"] == {"can_create_tasks": True}
    assert fields[Kind.AGENT, "reviewer"]["flags"] == {"is_reviewer": True}
    assert fields[Kind.PERSON, "owner@example.com"]["role"] == "owner"
    assert {"repository", "briefing", "operating-manual"} == {key for kind, key in fields if kind is Kind.DOCUMENT}


def test_the_seeds_name_no_place_no_fixed_command_and_no_office_that_is_none():
    for path in SEEDS.rglob("*.*"):
        assert not BANNED.search(path.read_text()), path


def test_what_enters_prompts_fits_into_them():
    settings = Settings(repo_url=f"https://git.example/{'a' * 200}", writable_repo_dir=Path("/" + "b" * 200))
    _, fields = read(SEEDS, settings)
    assert all(len(fields[Kind.DOCUMENT, slug]["content"]) < 4000 for slug in ("repository", "briefing"))


def test_without_an_address_there_is_no_repository():
    assert not [key for kind, key in read(SEEDS)[1] if kind is Kind.REPOSITORY]


def test_the_repository_comes_from_the_settings_without_its_password():
    settings = Settings(
        repo_url="https://user:secret@git.example/a.git", writable_repo_dir=Path("/srv/a"), repo_branch_prefix="work/"
    )
    seeds, fields = read(SEEDS, settings)
    assert fields[Kind.REPOSITORY, "primary"] == {
        "url": "https://git.example/a.git",
        "base_branch": None,
        "branch_prefix": "work/",
        "branch_pattern": "{id}-{title}",
        "protected_branches": [],
        "branch_per_task": True,
        "keep_worktrees": False,
        "clone_depth": None,
        "writable_dir": "/srv/a",
        "is_from_environment": True,
    }
    assert "https://git.example/a.git" in fields[Kind.DOCUMENT, "repository"]["content"]
    assert "secret" not in repr(seeds)


def test_agents_are_reached_by_the_gateway_where_there_is_one(directory):
    (directory / "agents/writer.md").write_text("---\nslug: writer\nname: Writer\nrole: Writer\nreach: pull\n---\nWrite.\n")
    for settings, url, reach in (
        (Settings(), None, "pull"),
        (Settings(openclaw_gateway_url="http://gateway.example"), None, "gateway"),
        (Settings(), "http://own.example", "gateway"),
    ):
        _, fields = read(directory, settings, gateway_url=url)
        assert fields[Kind.PROFILE, "default"]["url"] == url
        assert fields[Kind.AGENT, "engineer"]["reach"] == reach
        assert fields[Kind.AGENT, "engineer"]["profile"] == ("default" if reach == "gateway" else None)
        assert fields[Kind.AGENT, "writer"]["reach"] == "pull"


def test_a_value_cannot_change_what_a_file_says(directory):
    (directory / "repository.yaml").write_text("name: primary\nurl: ${REPO_URL:-}\n")
    _, fields = read(directory, Settings(repo_url="x\nname: other", writable_repo_dir=Path("/srv")))
    assert fields[Kind.REPOSITORY, "primary"]["url"] == "x\nname: other"


def test_a_variable_outside_the_allow_list_is_refused(directory):
    (directory / "documents/briefing.md").write_text(
        "---\nslug: briefing\ntitle: B\ntype: note\n---\n${OPENCLAW_GATEWAY_TOKEN:-}\n"
    )
    (problem,) = refused(directory)
    assert problem.startswith("documents/briefing.md: OPENCLAW_GATEWAY_TOKEN may not be used; only REPO_BASE_BRANCH, ")


def test_every_mistake_is_told_at_once(directory):
    (directory / "agents/writer.md").write_text(
        "---\nslug: Writer\nrole: 5\nflags:\n  can_fly: true\n  is_reviewer: maybe\n---\n"
    )
    (directory / "agents/engineer.md").write_text("no front matter")
    (directory / "agents/reviewer.md").write_text("---\nname: [\n---\n")
    (directory / "documents/briefing.md").write_bytes(b"\xff")
    (directory / "skills/clear-handoff.md").write_text("---\nslug: other\nname: Other\n---\nText\0\n")
    (directory / "agent").mkdir()
    (directory / "account.yaml").write_text("slug: demo\nname: ''\ncolour: red\npeople:\n  - email: nobody\n    role: boss\n")
    problems = refused(directory)
    assert [problem for problem in problems if not problem.startswith("agents/reviewer.md: is no YAML: ")] == [
        "agent: is no seed; seeds are account.yaml, repository.yaml, agents, documents, skills, identity",
        "account.yaml: unknown key colour",
        "account.yaml: name must be text of 1 to 200 characters",
        "account.yaml: people[0].email must be an e-mail address",
        "account.yaml: people[0].handle is missing",
        "account.yaml: people[0].name is missing",
        "account.yaml: people[0].role: Invalid enum value 'boss'",
        "agents/engineer.md: is no Markdown file that begins with front matter between two lines of ---",
        "agents/writer.md: slug must be lower-case letters, digits and single hyphens",
        "agents/writer.md: name is missing",
        "agents/writer.md: role must be text of 1 to 200 characters",
        "agents/writer.md: unknown key flags.can_fly",
        "agents/writer.md: flags.is_reviewer: Expected `bool | null`, got `str`",
        "documents/briefing.md: cannot be read: it is not UTF-8",
        "skills/clear-handoff.md: holds a NUL byte",
    ]
    assert len(problems) == 16


SETTINGS = "  defaults: {}\n"


def settle(directory: Path, lines: str) -> None:
    text = (directory / "account.yaml").read_text()
    assert text.endswith(SETTINGS)
    (directory / "account.yaml").write_text(text.replace(SETTINGS, lines))


def test_settings_and_capacity_come_from_the_seeds(directory):
    settle(directory, "  lease_seconds: 60\n  open_pool: true\n  evidence: claimed\n  duplicate_guard: false\n")
    engineer = directory / "agents/engineer.md"
    engineer.write_text(engineer.read_text().replace("slug: engineer\n", "slug: engineer\ncapacity: 3\n"))
    _, fields = read(directory)
    told = fields[Kind.ACCOUNT, "demo"]
    assert [told[name] for name in ("lease_seconds", "open_pool", "evidence", "duplicate_guard")] == [60, True, "claimed", False]
    assert [fields[Kind.AGENT, slug]["capacity"] for slug in ("engineer", "writer")] == [3, 1]


def test_off_is_a_word_and_yes_is_no_truth_value(directory):
    settle(directory, "  evidence: off\n")
    assert read(directory)[1][Kind.ACCOUNT, "demo"]["evidence"] == "off"
    settle_again = (directory / "account.yaml").read_text().replace("evidence: off", "open_pool: yes")
    (directory / "account.yaml").write_text(settle_again)
    assert refused(directory) == ["account.yaml: settings.open_pool: Expected `bool`, got `str`"]


def test_settings_out_of_range_are_refused(directory):
    settle(directory, "  lease_seconds: 29\n  open_pool: 1\n  evidence: maybe\n  duplicate_guard: null\n  lease_minutes: 1\n")
    engineer = directory / "agents/engineer.md"
    engineer.write_text(engineer.read_text().replace("slug: engineer\n", "slug: engineer\ncapacity: 21\n"))
    assert refused(directory) == [
        "account.yaml: unknown key settings.lease_minutes",
        "account.yaml: settings.lease_seconds must be a whole number from 30 to 86400",
        "account.yaml: settings.open_pool: Expected `bool`, got `int`",
        "account.yaml: settings.evidence: Invalid enum value 'maybe'",
        "account.yaml: settings.duplicate_guard: Expected `bool`, got `null`",
        "agents/engineer.md: capacity must be a whole number from 1 to 20",
    ]


def test_files_that_do_not_fit_together_are_told_too(directory):
    (directory / "agents/orchestrator.md").rename(directory / "agents/conductor.md")
    (directory / "skills/evidence-first.md").unlink()
    text = (directory / "account.yaml").read_text()
    (directory / "account.yaml").write_text(text.replace("handle: owner", "handle: writer").replace("role: owner", "role: admin"))
    assert refused(directory) == ["agents/conductor.md: slug must be the file's name"]
    conductor = directory / "agents/conductor.md"
    conductor.write_text(conductor.read_text().replace("slug: orchestrator", "slug: conductor"))
    assert refused(directory) == [
        "account.yaml: settings.orchestrator: there is no agent orchestrator",
        "account.yaml: people: exactly one of them is the owner",
        "account.yaml: people: handles must differ, from the slugs of agents too",
        "agents/engineer.md: skills: there is no skill evidence-first",
        "agents/engineer-2.md: skills: there is no skill evidence-first",
        "agents/reviewer.md: skills: there is no skill evidence-first",
    ]


def test_a_directory_without_an_account_is_refused(tmp_path):
    assert refused(tmp_path) == ["account.yaml: cannot be read: No such file or directory"]
