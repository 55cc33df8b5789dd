import asyncio

import msgspec
import pytest

from app.accounts import service as accounts
from app.bootstrap import service
from app.kernel.startup import CannotStart
from app.kernel.types import ActorKind, Role
from app.policies.types import AccountPolicy, SelfReview

AGENT = "SELECT *, flags::text AS flags FROM agents WHERE account_id = $1 AND slug = $2"


async def test_the_first_load_makes_the_whole_account(board):
    report = await board.load()
    assert report.lines == [f"account {board.slug}: 20 created"]
    row = await board.row(report.account_id, "SELECT settings::text AS settings, version FROM accounts WHERE id = $1")
    policy = msgspec.json.decode(row["settings"], type=AccountPolicy)
    orchestrator = await board.row(report.account_id, AGENT, "orchestrator")
    assert (policy.orchestrator_agent_id, policy.self_review) == (orchestrator["id"], SelfReview.FORBID)
    assert (orchestrator["flags"], orchestrator["reach"], orchestrator["version"]) == ('{"can_create_tasks": true}', "pull", 1)
    owner = await board.row(report.account_id, "SELECT * FROM people WHERE account_id = $1")
    assert (owner["email"], owner["role"], owner["handle"]) == ("owner@example.com", "owner", "owner")
    skills = "SELECT count(*) FROM agent_skills WHERE account_id = $1"
    assert (await board.row(report.account_id, skills))["count"] == 10


async def test_every_agent_has_one_system_session_with_a_random_key(board):
    report = await board.load()
    rows = await board.rows(report.account_id, "SELECT * FROM agent_sessions WHERE account_id = $1")
    assert len({row["agent_id"] for row in rows}) == len({row["key"] for row in rows}) == len(rows) == 5
    assert all(row["kind"] == "system" and row["generation"] == 1 and row["key"].startswith("cbs_") for row in rows)


async def test_what_was_made_is_in_the_log_in_order_and_by_the_system(board):
    report = await board.load()
    rows = await board.rows(report.account_id, "SELECT * FROM events WHERE account_id = $1 ORDER BY seq")
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0]["type"] == "board:account:created"
    kinds = [row["type"] for row in rows]
    assert (kinds.count("board:agent:created"), kinds.count("board:session:opened"), kinds.count("account:token:issued")) == (
        5,
        5,
        6,
    )
    assert {(row["actor_kind"], row["source"], row["sequence"]) for row in rows} == {("system", "seeds", 1)}
    assert not any("owner@example.com" in row["payload"] for row in rows)


async def test_the_first_credentials_are_valid_and_come_once(board):
    report = await board.load()
    names = [name for name, _ in report.credentials]
    assert names == ["owner@example.com", "engineer", "engineer-2", "orchestrator", "reviewer", "writer"]
    for name, token in report.credentials:
        async with board.database.app.acquire() as connection:
            found = (await accounts.authenticate(connection, token)).principal
        assert (found.account_id, found.kind, found.id) == await service.principal(board.database, board.slug, name)
        assert found.role is (Role.OWNER if name == names[0] else None)
        assert found.scopes == ({"api"} if name == names[0] else {"agent"})
    assert (await board.load()).credentials == []


async def test_a_crew_with_other_slugs_needs_no_code(board):
    for old, new in (("orchestrator", "conductor"), ("reviewer", "proof")):
        (board.directory / f"agents/{old}.md").rename(board.directory / f"agents/{new}.md")
        board.rewrite(f"agents/{new}.md", f"slug: {old}", f"slug: {new}")
    board.rewrite("account.yaml", "orchestrator: orchestrator", "orchestrator: conductor")
    board.rewrite("account.yaml", "slug: demo", f"slug: {board.slug}")
    report = await board.load(account_slug=None)
    assert [name for name, _ in report.credentials][1:] == ["conductor", "engineer", "engineer-2", "proof", "writer"]


async def test_a_crew_of_another_account_has_its_own_gateway(board):
    report = await board.load(gateway_url="http://127.0.0.1:9")
    row = await board.row(report.account_id, "SELECT * FROM executor_profiles WHERE account_id = $1")
    agents = await board.rows(report.account_id, "SELECT reach, profile_id FROM agents WHERE account_id = $1")
    assert (row["name"], row["adapter"], row["url"]) == ("default", "responses", "http://127.0.0.1:9")
    assert {tuple(agent) for agent in agents} == {("gateway", row["id"])}


async def test_two_first_loads_at_once_make_one_account(board):
    reports = await asyncio.gather(*(board.load() for _ in range(4)))
    assert len({report.account_id for report in reports}) == 1
    assert sorted(len(report.credentials) for report in reports) == [0, 0, 0, 6]


async def test_whom_a_token_is_for_is_found_or_refused_in_one_line(board):
    account_id = (await board.load()).account_id
    found = await service.principal(board.database, board.slug, "Owner@Example.com")
    assert found[:2] == (account_id, ActorKind.PERSON)
    with pytest.raises(CannotStart, match=r"^there is no account nowhere$"):
        await service.principal(board.database, "nowhere", "engineer")
    with pytest.raises(CannotStart, match=rf"^account {board.slug} has no agent with the slug ghost and no person"):
        await service.principal(board.database, board.slug, "ghost")
