"""The neutrality lint: silent on what is shipped, and exact about what does not belong there."""

import shutil
import subprocess
import sys

import pytest

from app.cli import checks, lint
from app.delivery import neutrality, render
from app.delivery.types.templates import TemplateName
from app.kernel import settings as registry
from app.kernel.settings import ROOT
from app.kernel.startup import CannotStart

BANNED = {
    "role-name": ["squad lead", "Squad-Lead", "team\nlead", "ask the lead", "\uff53quad lead", "squad\u200b lead"],
    "repository-name": ["the callboard repository", "openclaw", "mission-control", "Convex"],
    "branch-command": ["git checkout main", "git  push", "origin/main", "the main branch", "branch `master`"],
    "path": ["src/index", "node_modules", "/root/x", "/home/someone/y", "app/delivery/x"],
    "model-vendor": ["OpenAI", "Claude", "gpt-5", "Gemini"],
}
FINE = [
    "OPENCLAW_GATEWAY_URL and CALLBOARD_DATA_DIR=.callboard are set before ./callboard up",
    "`callboard_http_requests` counts",
    "a misleading thread leads to the leading question; he leads",
    "the branch prefix that is recorded, the base branch, /srv/shop, https://git.example/shop",
    "the convexity of a curve, a resource/kind path, an open aisle",
]


def settings(**fields):
    return registry.load(fields, None)


def problems(*paths, rules=(), **fields):
    return lint.problems(settings(**fields), list(paths), list(rules))


def test_everything_that_agents_read_is_neutral():
    assert problems() == []


@pytest.mark.parametrize("rule", BANNED)
def test_a_banned_text_is_found_with_its_place_and_rule(rule):
    for text in BANNED[rule]:
        found = neutrality.found(f"one\ntwo {text} three\n", place="here", by=neutrality.rules())
        assert [(one.place, one.line, one.rule) for one in found] == [("here", 2, rule)], text


@pytest.mark.parametrize("text", FINE)
def test_settings_commands_and_ordinary_words_may_be_said(text):
    text = text.replace(".callboard ", "there ")
    assert neutrality.found(text, place="here", by=neutrality.rules()) == []


def test_a_banned_text_in_a_copy_of_any_template_is_found(tmp_path):
    shutil.copytree(render.DIRECTORY, tmp_path, dirs_exist_ok=True)
    places = {}
    for name in TemplateName:
        path = tmp_path / f"{name}{render.SUFFIX}"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines, "", "Tell the squad lead."]))
        places[str(path)] = len(lines) + 2
        assert [str(one) for one in problems(path)] == [f"{path}:{len(lines) + 2}: role-name: squad lead"]
    for found in (problems(tmp_path), problems(CALLBOARD_TEMPLATES_DIR=str(tmp_path))):
        assert {one.place: one.line for one in found if not one.place.startswith("<")} == places
        assert any(one.place.startswith("<") for one in found)


def test_what_a_template_only_makes_is_found_in_the_rendered_prompt(tmp_path):
    (tmp_path / "input.md.j2").write_text("{{ 'squad' }} {{ 'lead' }}\n{{ task.title if task }}")
    (found,) = problems(tmp_path)
    assert (found.line, found.rule) == (1, "role-name")
    assert found.place.startswith("<input of assignment ")


def test_what_stands_in_a_fence_or_in_quotes_is_not_the_prompts_own():
    fenced = '<<<QUOTED MATERIAL aa | x>>>\nsquad lead\n<<<END QUOTED MATERIAL aa>>>\n"the lead" here\nthe lead'
    found = neutrality.found_in_prompt(fenced, place="p", by=neutrality.rules())
    assert [(one.line, one.message) for one in found] == [(5, "the lead")]


def test_a_fork_adds_rules_of_its_own(tmp_path):
    words, text = tmp_path / "words.txt", tmp_path / "seed.md"
    words.write_text("# ours\n\nold-name: \\bacme[- ]board\\b\n")
    text.write_text("Use the Acme Board.\n")
    assert problems(text) == []
    assert [str(one) for one in problems(text, rules=[words])] == [f"{text}:1: old-name: Acme Board"]
    assert [one.rule for one in problems(text, CALLBOARD_LINT_RULES=str(words))] == ["old-name"]
    for broken in ("no colon", "name: (", "name: x*", ": x"):
        words.write_text(broken)
        neutrality.rules.cache_clear()
        with pytest.raises(CannotStart):
            problems(text, rules=[words])
    (tmp_path / "input.md.j2").write_text("{{ nothing }}")
    for wrong in (tmp_path / "nothing", tmp_path):
        with pytest.raises(CannotStart):
            problems(wrong)


def test_the_command_prints_findings_and_fails_and_the_test_command_runs_it(tmp_path):
    (tmp_path / "note.md").write_text("Ask the lead.\n")
    done = subprocess.run(
        [sys.executable, "-m", "app", "lint", "prompts", str(tmp_path)], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, f"{tmp_path / 'note.md'}:1: role-name: the lead\n")
    assert ("prompts", ["-m", "app", "lint", "prompts"]) in checks.CHECKS
