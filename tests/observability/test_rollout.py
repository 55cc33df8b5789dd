"""What those who roll the board out watch: each number rises by what it is about, on every transport, and by nothing else."""

from itertools import product
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from app.agentapi.functions import invoke
from app.main import VERBS
from app.runtime.rules.deprecations import REVIEWER_BY_ROLE_TEXT
from tests import boards, gateways
from tests.gateways import hurry, settled
from tests.make import ORIGIN, until
from tests.mcp.clients import called, connected
from tests.policies.desk import account, close, flags, in_review
from tests.runtime.deprecations.desk import entry

ROLE_TEXT = REVIEWER_BY_ROLE_TEXT.name
BROKEN = """INSERT INTO prompt_templates (account_id, name, version, content, created_by_kind, created_at)
    VALUES ($1, 'input', 1, $2, 'system', now())"""
# Fails for the one priority, prints without end for the other.
CONTENT = """{% if task %}{{ 1 // (task.priority - 5) }}{% if task.priority == 4 %}
{% for a in mentionable %}{% for b in mentionable %}{{ 'x' | center(100000) }}{% endfor %}{% endfor %}{% endif %}{% endif %}"""


async def value(board, metric: str, /, **labels: str) -> float:
    text = (await board.client(None).get("/metrics")).text
    samples = (one for family in text_string_to_metric_families(text) for one in family.samples)
    return next((one.value for one in samples if one.name == f"{metric}_total" and one.labels == labels), 0.0)


async def closes(board, reason: str) -> float:
    return await value(board, "callboard_denied_closes", reason=reason)


async def by_mcp(board, verb: str, **asked: Any) -> None:
    async with connected(board, "engineer", toolset="all") as client:
        assert (await called(client, verb, **asked))[0]


async def by_function(board, verb: str, **asked: Any) -> None:
    principal = await board._application.app.state.board.authenticate(board.tokens["engineer"])
    assert (await invoke(board.database, VERBS, principal, name=verb, arguments=asked, origin=ORIGIN)).status == 403


async def by_http(board, verb: str, **asked: Any) -> None:
    assert (await board.as_("engineer").post(f"/agent/{verb.replace('_', '-')}", json=asked)).status_code == 403


async def test_a_refused_close_is_counted_once_with_its_reason_on_every_transport(board):
    task = await in_review(board)
    for transport, verb in product((by_http, by_mcp, by_function), ("task_status", "task_update")):
        before = await closes(board, "reviewer_required")
        await transport(board, verb, task_id=task["id"], status="done")
        assert await closes(board, "reviewer_required") == before + 1, (transport, verb)
    before = await closes(board, "reviewer_required")
    assert (await close(board, "writer", task))[1] == "reviewer_required"
    await board.as_("engineer").post("/agent/task-status", json={"task_id": task["id"], "status": "in_progress"})
    assert await closes(board, "reviewer_required") == before + 1


async def test_every_reason_to_refuse_a_close_has_its_count(board):
    async def rises(reason: str, who: str, task: dict[str, Any]) -> None:
        before = await closes(board, reason)
        assert (await close(board, who, task))[0] in {403, 409, 422}
        assert await closes(board, reason) == before + 1, reason

    mine = await in_review(board, "reviewer")
    await rises("self_review", "reviewer", mine)
    started = await board.task(assignee_slugs=["engineer"])
    await rises("invalid_transition", "reviewer", started)
    task = await in_review(board)
    asked = {"task_id": task["id"], "title": "Changed", "status": "done"}
    before = await closes(board, "not_assigned")
    assert (await board.as_("writer").post("/agent/task-update", json=asked)).status_code == 403
    assert await closes(board, "not_assigned") == before + 1
    await account(board, evidence="claimed")
    await rises("requirement_failed", "reviewer", task)
    await flags(board, "reviewer", is_reviewer=False)
    await rises("orchestrator_required", "engineer", task)
    await account(board, orchestrator_agent_id=None)
    await rises("orchestrator_unset", "engineer", task)
    await flags(board, "engineer", can_mark_done=False)
    await rises("capability_denied", "engineer", task)


async def test_what_rests_on_role_text_says_so_in_its_headers_and_is_counted(board):
    await flags(board, "reviewer", is_reviewer=False)
    writer = await board.agent_id("writer")
    assert (await board.person.patch(f"/api/v1/agents/{writer}", json={"role": "Quality assurance"})).is_success

    def marked(answer: Any) -> bool:
        said = {name: answer.headers.get(name) for name in REVIEWER_BY_ROLE_TEXT.headers}
        assert said in (REVIEWER_BY_ROLE_TEXT.headers, dict.fromkeys(said))
        return said["Deprecation"] is not None

    path = "/api/v1/agents/{}/effective-policy"
    assert marked(await board.person.get(path.format(writer)))
    assert not marked(await board.person.get(path.format(await board.agent_id("engineer"))))
    task, asked = await in_review(board), {"action": "task.close", "agent_slug": "orchestrator"}
    assert marked(await board.person.post("/api/v1/policies/explain", json=asked | {"task_id": task["id"]}))
    assert (await entry(board, ROLE_TEXT))["uses"] == 0
    before = await value(board, "callboard_deprecated_uses", name=ROLE_TEXT)
    done = {"task_id": task["id"], "status": "done"}
    answers = [await board.as_(who).post("/agent/task-status", json=done) for who in ("orchestrator", "writer")]
    assert [(one.status_code, marked(one)) for one in answers] == [(403, True), (200, True)]
    assert await value(board, "callboard_deprecated_uses", name=ROLE_TEXT) == before + 2
    after = await entry(board, ROLE_TEXT)
    assert (after["uses"], after["last_used_at"] is not None) == (2, True)
    await flags(board, "writer", is_reviewer=True)
    assert not marked(await board.person.get(path.format(writer)))
    task = await in_review(board)
    assert not marked(await board.as_("writer").post("/agent/task-status", json={"task_id": task["id"], "status": "done"}))


async def test_a_prompt_that_cannot_be_built_is_counted_by_its_stage(urls, admin):
    async def failures() -> dict[tuple[str, str], float]:
        stages = (("template", "account"), ("size", "account"), ("template", "built_in"), ("context", ""))
        name = "callboard_prompt_failures"
        return {(stage, source): await value(board, name, stage=stage, source=source) for stage, source in stages}

    async with gateways.opened() as gateway, boards.opened(urls[1], gateway_url=gateway.url) as board:
        await admin.execute(BROKEN, board.account_id, CONTENT)
        before = await failures()
        async with gateways.working(board.settings):
            for priority in (5, 4):
                await board.task(priority=priority, assignee_slugs=["engineer"])
            await settled(admin)
            after = await failures()
            assert {key: after[key] - before[key] for key in after} == {
                ("template", "account"): 1,
                ("size", "account"): 1,
                ("template", "built_in"): 0,
                ("context", ""): 0,
            }
            await admin.execute("REVOKE SELECT ON documents FROM callboard_app")
            await board.task(assignee_slugs=["writer"])

            async def counted() -> bool:
                await hurry(admin)
                return (await failures())["context", ""] > after["context", ""]

            await until(counted)


async def test_a_clone_and_a_workspace_that_fail_are_counted(urls, tmp_path):
    (tmp_path / "occupied").write_text("no directory")
    given = {
        "REPO_URL": (tmp_path / "nowhere.git").as_uri(),
        "CALLBOARD_DATA_DIR": str(tmp_path / "data"),
        "CALLBOARD_WORKSPACES_DIR": str(tmp_path / "occupied"),
    }
    async with boards.opened(urls[1], **given) as board:

        async def counts() -> tuple[float, float]:
            clones = await value(board, "callboard_clone_failures", trouble="not_found")
            return clones, await value(board, "callboard_workspace_failures")

        before = await counts()

        async def counted() -> bool:
            return all(now > then for now, then in zip(await counts(), before, strict=True))

        order = {"command_type": "workspace.sweep", "payload": {}}
        assert (await board.person.post("/api/v1/admin/runtime/commands", json=order)).status_code == 201
        async with gateways.working(board.settings):
            await until(counted)
        assert (await board.person.get("/api/v1/tasks")).status_code == 200
