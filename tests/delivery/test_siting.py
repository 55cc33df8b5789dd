"""What a prompt says about the worktree of its task."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from app.delivery import render, siting
from app.delivery.specimens import specimens
from app.delivery.types.prompts import Site
from app.notifications.types import NotificationType
from app.tasks.schemas.worktrees import WorktreeView
from app.tasks.types import WorktreeState

FACTS = {"name": "lamps", "url": "https://forge.example/lamps.git", "base_branch": "trunk", "branch_prefix": "task/"}
GROUND = {"repository": None, "notes": None}
AT_GATEWAY = msgspec.json.encode(
    [{"name": "default", "adapter": "responses", "url": None, "settings": {}, "timeout_seconds": None}]
)
HERE = msgspec.json.encode([{"name": "cli", "adapter": "process", "url": None, "settings": {}, "timeout_seconds": None}])


def task(state: WorktreeState | None = WorktreeState.READY, **changes: Any) -> dict[str, Any]:
    worktree = dict.fromkeys(WorktreeView.__struct_fields__) | {
        "repository": "lamps",
        "state": state,
        "branch": "task/1-mend",
        "commits": [],
    }
    worktree |= {"path": "/data/worktrees/1-mend", "gateway_path": "/home/gateway/worktrees/1-mend"}
    text = msgspec.json.encode(worktree | changes).decode() if state else None
    return {"repository": msgspec.json.encode(FACTS).decode(), "worktree": text}


def test_paths_are_those_that_whoever_runs_the_agent_sees():
    there = siting.facts(GROUND, task(), executors=AT_GATEWAY.decode())
    here = siting.facts(GROUND, task(), executors=HERE.decode())
    assert there is not None
    assert here is not None
    assert (there.branch, there.worktree, there.site) == ("task/1-mend", "/home/gateway/worktrees/1-mend", Site.READY)
    assert here.worktree == "/data/worktrees/1-mend"
    same = siting.facts(GROUND, task(gateway_path=None), executors=AT_GATEWAY.decode())
    assert same is not None
    assert same.worktree == here.worktree


@pytest.mark.parametrize(
    ("state", "site"),
    [
        (None, Site.LATER),
        (WorktreeState.WANTED, Site.MAKING),
        (WorktreeState.FAILED, Site.FAILED),
        (WorktreeState.REMOVED, Site.LATER),
    ],
)
def test_a_worktree_that_is_not_there_is_never_named(state, site):
    found = siting.facts(GROUND, task(state, problem="no space"), executors=None)
    assert found is not None
    assert (found.site, found.branch, found.worktree) == (site, None, None)


def test_without_an_address_version_control_is_off():
    bare = {"repository": msgspec.json.encode(FACTS | {"url": None}).decode(), "worktree": None}
    found = siting.facts(GROUND, bare, executors=None)
    assert found is not None
    assert found.site is Site.OFF
    assert not siting.is_on(bare)
    assert siting.is_on(task())
    assert siting.facts(GROUND, None, executors=None) is None


WORDS = {
    Site.READY: 'worktree of this task: "/a"',
    Site.LATER: "worktree of this task: made when the task is started",
    Site.MAKING: "worktree of this task: being made",
    Site.FAILED: 'worktree of this task: it could not be made: "no space"',
    Site.OFF: "version control: off",
}


@pytest.mark.parametrize("site", Site)
def test_the_prompt_says_how_the_worktree_stands(site):
    base = next(
        one.context for one in specimens() if one.context.task and one.context.notification.type is NotificationType.MENTION
    )
    facts = base.repository
    assert facts is not None
    is_there = site is Site.READY
    at = replace(facts, site=site, branch="b" if is_there else None, worktree="/a" if is_there else None, problem="no space")
    prompt = render.render(replace(base, repository=at), token=lambda: "x")
    line = next(line for line in prompt.input.splitlines() if "worktree of this task:" in line or "version control:" in line)
    assert WORDS[site] in line, line
    assert ("Change files only in the worktree" in prompt.instructions) is (site in {Site.READY, Site.LATER, Site.MAKING})
