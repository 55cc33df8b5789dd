from uuid import UUID

import msgspec
import pytest

from app.agents.layering import Text
from app.agents.types import Layer
from app.bootstrap import workspaces_contents as pages
from app.bootstrap.gateway_config import GatewayConfig, composed, written
from app.bootstrap.types.workspaces import Manifest, Place
from app.bootstrap.workspaces_contents import OVERRIDES, Skill, contents, manuals, ready, specimens
from app.cli import lint
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart

BARE, FULL = specimens()


def text_of(made, name):
    return made.pieces[name].content.decode()


def made_of(facts, settings=None, **changes):
    return contents(msgspec.structs.replace(facts, **changes), token="cb_abcdefgh_secret", settings=settings or Settings())


@pytest.fixture
def overrides(tmp_path):
    (tmp_path / OVERRIDES).mkdir()
    return tmp_path / OVERRIDES


def test_the_same_facts_give_the_same_bytes():
    assert made_of(FULL) == made_of(FULL)
    one, two = made_of(FULL), made_of(FULL, layers=dict(reversed(list(FULL.layers.items()))))
    assert one.pieces == two.pieces


def test_a_shadowed_section_is_left_out_of_its_file_and_told():
    layers = {
        Layer.SOUL: Text("# Tone\nshort", "agent"),
        Layer.AGENT: Text("# Steps\none", "shared"),
        Layer.IDENTITY: Text("# Place\nhere", "shared"),
        Layer.USER: Text("# TONE\nlong\n# Hours\nlate", "shared"),
    }
    made = made_of(FULL, layers=layers)
    assert "short" in text_of(made, "SOUL.md")
    assert "late" in text_of(made, "USER.md")
    assert "long" not in text_of(made, "USER.md")
    assert text_of(made, "AGENTS.md") == "manual\n\n# Steps\none\n"
    assert made.warnings == ("USER: the section 'TONE' is left out, since SOUL has it",)


def test_what_is_missing_has_a_default_and_is_told():
    made = made_of(BARE)
    assert [line.partition(" ")[0] for line in made.warnings] == [
        "AGENTS.md:",
        "HEARTBEAT.md:",
        "SOUL",
        "AGENT",
        "IDENTITY",
        "USER",
    ]
    assert all(piece.content.strip() for piece in made.pieces.values())
    assert "No skill is assigned to you." in text_of(made, "TOOLS.md")


def test_unsafe_and_empty_skills_are_left_out_and_told():
    bad = [Skill(slug, "x", "x", "x") for slug in ("..", "../x", "/x", "a\0b", "x" * 300, "a.b")]
    made = made_of(FULL, skills=(*bad, Skill("empty", "x", "x", " \n"), Skill("good", "Good", "", "text")))
    assert {name for name in made.pieces if name.startswith("skills/")} == {"skills/good/SKILL.md"}
    assert len(made.warnings) == 7
    assert max(map(len, made.warnings)) < 200
    assert made.skills == ("good",)
    assert text_of(made, "TOOLS.md").count("SKILL.md") == 1
    named = made_of(FULL, skills=(Skill("slug", "x", "x", "---\nname: 'other name'\n---\ntext"),))
    assert named.skills == ("slug",)


def test_text_of_the_account_is_never_read_as_a_template(overrides):
    made = made_of(FULL, manuals={"AGENTS.md": "{{ token }} {% raw %}"}, agent=dict(FULL.agent, name="{{ 7 * 7 }}"))
    assert text_of(made, "AGENTS.md").startswith("{{ token }} {% raw %}")
    assert "{{ 7 * 7 }}" in text_of(made, "SOUL.md")
    # Not even a page of the installation sees the token.
    (overrides / "SOUL.md.j2").write_text("{{ token }}")
    made = made_of(FULL, Settings(templates_dir=overrides.parent))
    assert "secret" not in text_of(made, "SOUL.md")
    assert "passed over" in made.warnings[-1]


def test_an_installation_replaces_pages_and_hears_of_mistakes_before_it_starts(overrides):
    settings = Settings(templates_dir=overrides.parent)
    (overrides / "SOUL.md.j2").write_text("Ours: {{ agent.name }}\n{{ layers.soul }}\n")
    pages._templates.cache_clear()
    ready(settings)
    assert text_of(made_of(FULL, settings), "SOUL.md").startswith("Ours: name\n")
    assert text_of(made_of(FULL, settings), "USER.md") == text_of(made_of(FULL), "USER.md")
    for name, text in (("SOUL.md.j2", "{{ agent.nome }}"), ("SOUL.md.j2", "{% if %}"), ("SOLE.md.j2", "")):
        pages._templates.cache_clear()
        (overrides / name).write_text(text)
        with pytest.raises(CannotStart, match="CALLBOARD_TEMPLATES_DIR"):
            ready(settings)
    pages._templates.cache_clear()


def test_manuals_are_read_as_they_are_and_missing_ones_are_none(tmp_path):
    (tmp_path / "AGENTS.md").write_bytes(b"\xef\xbb\xbf# A\r\ntext\r\n\0")
    assert manuals(tmp_path) == {"AGENTS.md": "# A\ntext"}
    assert manuals(tmp_path / "absent") == {}


def test_the_gateways_file_is_written_when_it_says_something_else(tmp_path):
    root = tmp_path / "data" / "workspaces"
    settings = Settings(data_dir=tmp_path / "data", gateway_config=tmp_path / "gateway.json", gateway_data_dir="/seen")
    assert written(settings, root, known={}) == ({}, False)
    assert not (tmp_path / "gateway.json").exists()
    places = [Place(account=account, slug="a", name="A", skills=("s",), model="m") for account in ("one", "two")]
    for place in places:
        manifest = root / ".manifests" / place.account / "a.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_bytes(msgspec.json.encode(Manifest(agent_id=UUID(int=1), place=place)))
    # A manifest that says it is another agent's is no agent's.
    (root / ".manifests/one/b.json").write_bytes(msgspec.json.encode(Manifest(agent_id=UUID(int=1), place=places[0])))
    ids = written(settings, root, known={("two", "a"): None, ("two", "z"): None}).ids
    assert ids == {("two", "a"): "two-a", ("two", "z"): "z"}
    before = (tmp_path / "gateway.json").stat().st_mtime_ns
    assert not written(settings, root, known={}).is_new
    assert (tmp_path / "gateway.json").stat().st_mtime_ns == before
    config = msgspec.json.decode((tmp_path / "gateway.json").read_bytes(), type=GatewayConfig)
    assert [(one.id, one.workspace, one.model) for one in config.agents.list] == [
        ("a", "/seen/workspaces/one/a", "m"),
        ("two-a", "/seen/workspaces/two/a", "m"),
    ]
    assert composed(settings, root, reversed(places), ids={("one", "a"): "a", ("two", "a"): "two-a"}) == config
    # What somebody wrote into it is written over, and when nobody is left it says so.
    (tmp_path / "gateway.json").write_text("{}")
    # What the board has stored is not given to another.
    assert written(settings, root, known={("two", "a"): "a"}) == ({("two", "a"): "a"}, True)
    assert written(settings, root, known={("one", "a"): "a"}) == ({("one", "a"): "one-a"}, False)
    for path in root.rglob("*.json"):
        path.unlink()
    assert written(settings, root, known={}).is_new
    assert b'"list": []' in (tmp_path / "gateway.json").read_bytes()


def test_the_lint_reads_pages_of_workspaces(overrides, tmp_path):
    (overrides / "USER.md.j2").write_text("Ask the squad lead.\n")
    pages._templates.cache_clear()
    found = lint.problems(Settings(templates_dir=overrides.parent, seeds_dir=tmp_path / "none"), [overrides], [])
    assert [one.rule for one in found]
