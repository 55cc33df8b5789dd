import asyncio
import hashlib
import json
import os
import subprocess
import sys
from uuid import UUID

import msgspec

from app.bootstrap.furnishing_orders import order
from app.bootstrap.gateway_config import GatewayConfig
from app.bootstrap.queries import workspaces as queries
from app.kernel.settings import ROOT
from tests import make

TOKENS = """
SELECT encode(t.hash, 'hex') FROM api_tokens t JOIN agents a ON a.id = t.agent_id
WHERE a.slug = $1 AND t.name LIKE 'workspace %' AND t.revoked_at IS NULL ORDER BY t.id
"""


def token_in(text):
    return next(line.partition("=")[2] for line in text.splitlines() if line.startswith("CALLBOARD_TOKEN="))


async def valid(desk, slug):
    rows = await desk.admin.fetch(TOKENS, slug)
    return [row["encode"] for row in rows]


def hashed(token):
    return hashlib.sha256(token.encode()).hexdigest()


def times(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


async def holds_no_other_secret(desk, token):
    for path in desk.root.parent.rglob("*"):
        assert path.name == ".env" or not path.is_file() or b"cb_" not in path.read_bytes(), path
    assert token not in str([dict(row) for row in await desk.admin.fetch("SELECT payload FROM events")])


async def is_left_alone(desk):
    before, events = times(desk.root), await desk.admin.fetchval("SELECT count(*) FROM events WHERE type LIKE 'board:%'")
    desk.sent.clear()
    again = await desk.sync()
    assert again == {"workspaces": 5, "changed": 0, "failed": 0, "gateway": None}
    assert times(desk.root) == before
    # However many agents there are, they are read together, and nothing is written.
    asked = (queries.CREW, queries.SKILLS, queries.REPOSITORIES, queries.TOKENS)
    assert [desk.sent.count(query) for query in asked] == [1, 1, 1, 1]
    assert not [query for query in desk.sent if "workspaces_kept" in query or "token_issued" in query]
    assert await desk.admin.fetchval("SELECT count(*) FROM events WHERE type LIKE 'board:%'") == events


async def test_a_workspace_holds_what_its_agent_is_and_may_do(desk):
    first = await desk.sync()
    assert first == {"workspaces": 5, "changed": 5, "failed": 0, "gateway": None}
    assert "You build what the task asks for" in desk.read("engineer", "SOUL.md")
    assert "Role: Software engineer" in desk.read("engineer", "IDENTITY.md")
    tools = desk.read("engineer", "TOOLS.md")
    assert "skills/evidence-first/SKILL.md" in tools
    # What an agent may never do it is not told of.
    assert "`task-claim`" in tools
    assert "`task-create`" not in tools
    assert "`task-create`" in desk.read("orchestrator", "TOOLS.md")
    assert desk.read("engineer", "skills/evidence-first/SKILL.md").startswith(
        '---\nname: "evidence-first"\ndescription: "Back every'
    )
    assert desk.path("engineer", "deliverables").is_dir()
    today = await desk.admin.fetchval("SELECT callboard_now()::date")
    assert desk.read("engineer", f"memory/{today}.md") == f"# {today}\n"
    environment = desk.read("engineer", ".env")
    assert desk.path("engineer", ".env").stat().st_mode & 0o777 == 0o600
    assert {line.partition("=")[0] for line in environment.splitlines()[1:]} == {
        "CALLBOARD_PUBLIC_URL",
        "CALLBOARD_TOKEN",
        "ACCOUNT_SLUG",
        "AGENT_SLUG",
    }
    token = token_in(environment)
    async with desk.board.client(token) as engineer:
        answer = await engineer.post("/agent/get-agent-skills", json={"agent_slug": "engineer"})
    assert answer.status_code == 200, answer.text
    view = await desk.view("engineer")
    assert (view["state"], view["edited"], view["problem"], view["files"]) == ("synced", [], None, 9)
    await holds_no_other_secret(desk, token)
    await is_left_alone(desk)


async def is_ordered_once(desk):
    # Many changes in one transaction are one order for each agent, or one for all.
    async with desk.board.database.transaction(desk.board.account_id, origin=make.ORIGIN) as tx:
        agents = [UUID(await desk.board.agent_id(slug)) for slug in ("engineer", "writer")]
        made = [order(tx, one) for one in (*agents, *agents, None, *agents, None)]
        assert [one is not None for one in made] == [True, True, False, False, True, False, False, False]


async def named(desk):
    """The agents that deliveries name as their gateway does."""
    rows = await desk.admin.fetch("SELECT gateway_id FROM agent_workspaces WHERE gateway_id IS NOT NULL")
    return {row["gateway_id"] for row in rows}


async def test_every_change_reaches_the_files_and_the_gateway(desk, root):
    config = root.parent / "gateway.json"
    await desk.sync()
    await desk.edit("engineer", name="Ada", role="Builder")
    assert "- Name: Ada\n- Slug: engineer\n- Role: Builder" in desk.read("engineer", "IDENTITY.md")
    said = msgspec.json.decode(config.read_bytes(), type=GatewayConfig)
    ada = next(one for one in said.agents.list if one.id == "engineer")
    assert (ada.identity.name, ada.workspace) == ("Ada", "/data/workspaces/demo/engineer")
    assert ada.skills == ["clear-handoff", "evidence-first"]
    assert await named(desk) == {one.id for one in said.agents.list}
    assert config.stat().st_mode & 0o777 == 0o640
    assert json.loads(config.read_text())["agents"]["defaults"] == {"skipBootstrap": True, "heartbeat": {"every": "0m"}}
    # A name that is no longer one line is made one, and breaks out of nothing.
    await desk.edit("engineer", name="A\n# B")
    assert "- Name: A # B\n" in desk.read("engineer", "IDENTITY.md")
    board = desk.board.person
    assert (await board.patch("/api/v1/account", json={"name": "The Works"})).status_code == 200
    await desk.done()
    assert "The Works (demo)" in desk.read("writer", "IDENTITY.md")
    made = {"slug": "newcomer", "name": "New", "role": "helper"}
    assert (await board.post("/api/v1/agents", json=made)).status_code == 201
    await desk.done()
    assert desk.read("newcomer", "SOUL.md").startswith("# SOUL: New\n")
    # Who pulls its work is none of the gateway's business.
    assert "newcomer" not in config.read_text()
    skill = (await board.get("/api/v1/skills")).json()["items"]
    chosen = next(one for one in skill if one["slug"] == "clear-handoff")
    answer = await board.patch(f"/api/v1/skills/{chosen['id']}", json={"content": "# Other words"})
    assert answer.status_code == 200, answer.text
    await desk.done()
    assert "# Other words" in desk.read("engineer", "skills/clear-handoff/SKILL.md")
    await is_ordered_once(desk)


async def test_a_retired_agent_keeps_its_own_files_and_nothing_else(desk):
    await desk.sync()
    desk.path("writer", "memory/WORKING.md").write_text("my work")
    desk.path("writer", "SOUL.md").write_text("my soul")
    token = token_in(desk.read("writer", ".env"))
    await desk.edit("writer", retired=True)
    left = {str(path.relative_to(desk.path("writer"))) for path in desk.path("writer").rglob("*") if path.is_file()}
    assert {one for one in left if not one.startswith("memory/2")} == {"SOUL.md", "MEMORY.md", "memory/WORKING.md"}
    assert await valid(desk, "writer") == []
    assert (await desk.board.client(token).post("/agent/next", json={})).status_code == 401
    assert (await desk.view("writer"))["state"] == "removed"
    assert "writer" not in (desk.root.parent / "gateway.json").read_text()
    await desk.edit("writer", retired=False)
    view = await desk.view("writer")
    assert (view["state"], view["edited"]) == ("synced", ["SOUL.md"])
    assert [kind for kind, _ in await desk.events("writer")] == ["synced", "removed", "edited"]
    assert [number for _, number in await desk.events("writer")] == [1, 2, 3]


async def test_what_the_agent_changed_stays_and_can_be_restored(desk):
    await desk.sync()
    desk.path("engineer", "SOUL.md").write_text("mine")
    assert (await desk.sync())["changed"] == 1
    assert (await desk.sync())["changed"] == 0
    view = await desk.view("engineer")
    assert view["edited"] == ["SOUL.md"]
    place = f"/api/v1/agents/{view['agent_id']}/workspace/restore"
    person = desk.board.person
    assert (await person.post(place, json={"files": ["TOOLS.md"]})).status_code == 422
    answer = await person.post(place, json={})
    assert (answer.status_code, answer.json()["edited"]) == (202, ["SOUL.md"])
    await desk.done()
    assert desk.read("engineer", "SOUL.md.mine") == "mine"
    assert desk.read("engineer", "SOUL.md").startswith("# SOUL: Engineer")
    assert not desk.path("engineer", "SOUL.md.board").exists()
    assert (await desk.view("engineer"))["edited"] == []
    refused = await person.post(place, json={})
    assert (refused.status_code, refused.json()["error"]["details"]["requirement"]) == (422, "edited")
    assert (await person.get("/api/v1/agents/00000000-0000-0000-0000-000000000000/workspace")).status_code == 404


async def test_a_token_is_issued_once_and_anew_when_it_is_lost_or_revoked(desk):
    await desk.sync()
    first = token_in(desk.read("engineer", ".env"))
    assert await valid(desk, "engineer") == [hashed(first)]
    # Whoever died between commit and write leaves a token that nobody holds; the next sync revokes it.
    desk.path("engineer", ".env").unlink()
    await desk.sync()
    second = token_in(desk.read("engineer", ".env"))
    assert second != first
    assert await valid(desk, "engineer") == [hashed(second)]
    await desk.admin.execute("UPDATE api_tokens SET revoked_at = now() WHERE hash = $1", bytes.fromhex(hashed(second)))
    await desk.sync()
    third = token_in(desk.read("engineer", ".env"))
    assert third not in {first, second}
    assert await valid(desk, "engineer") == [hashed(third)]
    # A file that the agent took over keeps its words, and the token in it stays good.
    desk.path("engineer", ".env").write_text(f"MORE=1\nCALLBOARD_TOKEN={third}\n")
    await desk.sync()
    assert await valid(desk, "engineer") == [hashed(third)]
    desk.path("engineer", ".env").write_text("MORE=1\n")
    desk.path("engineer", ".env.board").unlink()
    await desk.sync()
    await desk.sync()
    assert await valid(desk, "engineer") == [hashed(token_in(desk.read("engineer", ".env.board")))]
    # Two at once write one after the other.
    answers = await asyncio.gather(*(desk.sync() for _ in range(3)))
    assert {one["failed"] for one in answers} == {0}
    assert len(await valid(desk, "reviewer")) == 1


async def shown(desk, *words):
    """What `./callboard workspace …` prints, and its exit code."""
    environment = {"PATH": os.defpath, "DATABASE_URL": desk.board.settings.database_url}
    command = [sys.executable, "-m", "app", "workspace", *words]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr, done.returncode


async def test_trouble_with_one_workspace_is_told_and_stops_no_other(desk, root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    desk.path("engineer").parent.mkdir(parents=True)
    desk.path("engineer").symlink_to(outside)
    result = await desk.sync()
    assert (result["failed"], result["workspaces"]) == (1, 5)
    view = await desk.view("engineer")
    assert (view["state"], view["synced_at"]) == ("failed", None)
    assert view["problem"].startswith(".env: ")
    assert list(outside.iterdir()) == []
    assert await valid(desk, "engineer") == []
    assert (await desk.view("reviewer"))["state"] == "synced"
    assert (await desk.sync())["changed"] == 0
    assert await shown(desk, "sync") == ("demo: 5 looked at, 0 changed, 1 failed\n", 1)
    desk.path("engineer").unlink()
    assert await shown(desk, "sync", "engineer") == ("demo: 1 looked at, 1 changed, 0 failed\n", 0)
    printed, code = await shown(desk, "list", "--account", "demo")
    assert (code, len(printed.splitlines())) == (0, 5)
    assert printed.splitlines()[0] == f"demo/engineer: synced, 9 files; {desk.path('engineer')}"
    assert (await desk.view("engineer"))["state"] == "synced"
    assert [kind for kind, _ in await desk.events("engineer")] == ["failed", "synced"]
