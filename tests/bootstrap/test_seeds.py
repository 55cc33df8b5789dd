import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest

from app.accounts import service as accounts
from app.bootstrap import service
from app.kernel.ids import new_id
from app.kernel.settings import ROOT, Settings
from app.kernel.startup import CannotStart
from app.kernel.types import ActorKind, Origin, Role
from app.policies.types import AccountPolicy, SelfReview

STATE = """
SELECT (SELECT last_seq FROM event_counters WHERE account_id = $1), (SELECT version FROM accounts WHERE id = $1),
       (SELECT jsonb_agg(to_jsonb(a) ORDER BY id) FROM agents a WHERE account_id = $1)::text,
       (SELECT jsonb_agg(to_jsonb(d) ORDER BY id) FROM documents d WHERE account_id = $1)::text,
       (SELECT jsonb_agg(to_jsonb(s) ORDER BY id) FROM skills s WHERE account_id = $1)::text,
       (SELECT jsonb_agg(to_jsonb(s) ORDER BY kind, key) FROM seed_records s WHERE account_id = $1)::text,
       (SELECT jsonb_agg(to_jsonb(s) ORDER BY id) FROM agent_sessions s WHERE account_id = $1)::text,
       (SELECT count(*) FROM api_tokens WHERE account_id = $1)
"""
AGENT = "SELECT *, flags::text AS flags FROM agents WHERE account_id = $1 AND slug = $2"


@pytest.fixture
def board(database, tmp_path: Path):
    """A crew of its own account, so that tests may share a database."""
    directory = Path(shutil.copytree(ROOT / "seeds", tmp_path / "seeds"))
    slug = f"a-{new_id().hex[-12:]}"

    async def load(settings: Settings | None = None, **overrides):
        overrides = {"account_slug": slug} | overrides
        return await service.load(database, settings=settings or Settings(), directory=directory, **overrides)

    def rewrite(name: str, old: str, new: str) -> None:
        text = (directory / name).read_text()
        assert old in text
        (directory / name).write_text(text.replace(old, new))

    return SimpleNamespace(load=load, rewrite=rewrite, directory=directory, slug=slug, database=database)


async def run(board, account_id: UUID, sql: str, *arguments):
    origin = Origin(request_id="t", correlation_id="t", source="test")
    async with board.database.transaction(account_id, origin=origin) as tx:
        return await tx.rows(sql, account_id, *arguments)


async def only(board, account_id: UUID, sql: str, *arguments):
    (row,) = await run(board, account_id, sql, *arguments)
    return row


async def test_the_first_load_makes_the_whole_account(board):
    report = await board.load()
    assert report.lines == [f"account {board.slug}: 13 created"]
    row = await only(board, report.account_id, "SELECT settings::text AS settings, version FROM accounts WHERE id = $1")
    policy = msgspec.json.decode(row["settings"], type=AccountPolicy)
    orchestrator = await only(board, report.account_id, AGENT, "orchestrator")
    assert (policy.orchestrator_agent_id, policy.self_review) == (orchestrator["id"], SelfReview.FORBID)
    assert (orchestrator["flags"], orchestrator["reach"], orchestrator["version"]) == ('{"can_create_tasks": true}', "pull", 1)
    owner = await only(board, report.account_id, "SELECT * FROM people WHERE account_id = $1")
    assert (owner["email"], owner["role"], owner["handle"]) == ("owner@example.com", "owner", "owner")
    skills = "SELECT count(*) FROM agent_skills WHERE account_id = $1"
    assert (await only(board, report.account_id, skills))["count"] == 7


async def test_every_agent_has_one_system_session_with_a_random_key(board):
    report = await board.load()
    rows = await run(board, report.account_id, "SELECT * FROM agent_sessions WHERE account_id = $1")
    assert len({row["agent_id"] for row in rows}) == len({row["key"] for row in rows}) == len(rows) == 5
    assert all(row["kind"] == "system" and row["generation"] == 1 and row["key"].startswith("cbs_") for row in rows)


async def test_what_was_made_is_in_the_log_in_order_and_by_the_system(board):
    report = await board.load()
    rows = await run(board, report.account_id, "SELECT * FROM events WHERE account_id = $1 ORDER BY seq")
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


async def test_loading_twice_changes_nothing(board):
    settings = Settings(repo_url="https://git.example/a", writable_repo_dir=Path("/srv/a"))
    first = await board.load(settings)
    before = await only(board, first.account_id, STATE)
    second = await board.load(settings)
    assert second.account_id == first.account_id
    assert second.lines == [f"account {board.slug}: 14 unchanged"]
    assert await only(board, first.account_id, STATE) == before


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (
            "UPDATE agents SET soul = 'mine', version = 2 WHERE account_id = $1 AND slug = 'engineer' RETURNING 1",
            "agent engineer",
        ),
        ("UPDATE agents SET flags = '{}' WHERE account_id = $1 AND slug = 'reviewer' RETURNING 1", "agent reviewer"),
        ("UPDATE agents SET retired_at = now() WHERE account_id = $1 AND slug = 'writer' RETURNING 1", "agent writer"),
        ("UPDATE documents SET content = 'mine' WHERE account_id = $1 AND slug = 'briefing' RETURNING 1", "document briefing"),
        ("UPDATE documents SET deleted_at = now() WHERE account_id = $1 AND slug = 'briefing' RETURNING 1", "document briefing"),
        ("UPDATE people SET name = 'Ada' WHERE account_id = $1 RETURNING 1", "person owner@example.com"),
        ("UPDATE skills SET name = 'Mine' WHERE account_id = $1 AND slug = 'evidence-first' RETURNING 1", "skill evidence-first"),
        ("UPDATE executor_profiles SET url = 'http://own.example' WHERE account_id = $1 RETURNING 1", "profile default"),
        ("UPDATE repositories SET base_branch = 'mine' WHERE account_id = $1 RETURNING 1", "repository primary"),
        ("UPDATE accounts SET settings = settings - 'orchestrator_agent_id' WHERE id = $1 RETURNING 1", "account"),
        ("DELETE FROM agent_skills WHERE account_id = $1 RETURNING 1", "agent"),
    ],
)
async def test_what_a_person_edited_is_kept_and_said(board, edit, named):
    settings = Settings(repo_url="https://git.example/a", writable_repo_dir=Path("/srv/a"))
    account_id = (await board.load(settings)).account_id
    await run(board, account_id, edit)
    before = await only(board, account_id, STATE)
    # Both a seed that stayed the same and one that has changed leave the edited row alone.
    report = await board.load(settings)
    kept = [line for line in report.lines[1:] if "kept as it is" in line]
    assert kept
    assert all(line.strip().startswith(named) for line in kept)
    assert len(kept) == len(report.lines) - 1
    assert await only(board, account_id, STATE) == before


async def test_a_changed_seed_updates_only_the_row_that_nobody_edited(board):
    account_id = (await board.load()).account_id
    await run(board, account_id, "UPDATE agents SET soul = 'mine' WHERE account_id = $1 AND slug = 'engineer-2' RETURNING 1")
    for slug in ("engineer", "engineer-2"):
        board.rewrite(f"agents/{slug}.md", "role: Software engineer", "role: Builder")
    board.rewrite("agents/engineer.md", "skills: [clear-handoff, evidence-first]", "skills: [evidence-first]")
    report = await board.load()
    assert report.lines == [
        f"account {board.slug}: 1 updated, 1 kept, 11 unchanged",
        "  agent engineer: updated, because the seed has changed",
        "  agent engineer-2: kept as it is, because a person has changed, made or removed it",
    ]
    changed, kept = await only(board, account_id, AGENT, "engineer"), await only(board, account_id, AGENT, "engineer-2")
    assert (changed["role"], changed["version"]) == ("Builder", 2)
    assert (kept["role"], kept["soul"], kept["version"]) == ("Software engineer", "mine", 1)
    events = "SELECT type, sequence FROM events WHERE account_id = $1 AND entity_id = $2 ORDER BY seq"
    told = [tuple(row) for row in await run(board, account_id, events, changed["id"])]
    assert told == [("board:agent:created", 1), ("board:agent:updated", 2)]
    skills = "SELECT count(*) FROM agent_skills WHERE account_id = $1 AND agent_id = $2"
    assert (await only(board, account_id, skills, changed["id"]))["count"] == 1


async def test_every_kind_of_row_follows_its_seed_and_then_rests(board):
    def settings(place: str) -> Settings:
        return Settings(repo_url=f"https://git.example/{place}", writable_repo_dir=Path("/srv") / place)

    account_id = (await board.load(settings("a"))).account_id
    board.rewrite("account.yaml", "name: Demo", "name: Other")
    board.rewrite("account.yaml", "name: Owner", "name: Ada")
    board.rewrite("account.yaml", "orchestrator: orchestrator", "orchestrator: writer")
    board.rewrite("skills/clear-handoff.md", "name: Clear handoff", "name: Handoff")
    report = await board.load(settings("b"), gateway_url="http://gateway.example")
    updated = [line.split(":")[0].strip() for line in report.lines[1:]]
    assert updated == [
        f"account {board.slug}",
        "person owner@example.com",
        "profile default",
        "skill clear-handoff",
        *(f"agent {slug}" for slug in ("engineer", "engineer-2", "orchestrator", "reviewer", "writer")),
        "document repository",
        "repository primary",
    ]
    account = await only(board, account_id, "SELECT name, version, settings::text AS settings FROM accounts WHERE id = $1")
    writer = await only(board, account_id, AGENT, "writer")
    assert (account["name"], account["version"], writer["reach"]) == ("Other", 2, "gateway")
    assert msgspec.json.decode(account["settings"], type=AccountPolicy).orchestrator_agent_id == writer["id"]
    before = await only(board, account_id, STATE)
    report = await board.load(settings("b"), gateway_url="http://gateway.example")
    assert report.lines == [f"account {board.slug}: 14 unchanged"]
    assert await only(board, account_id, STATE) == before


async def test_a_later_seed_is_added_and_a_lost_one_is_left(board):
    account_id = (await board.load()).account_id
    (board.directory / "agents/writer.md").unlink()
    (board.directory / "agents/painter.md").write_text("---\nslug: painter\nname: Painter\nrole: Painter\n---\nPaint.\n")
    report = await board.load()
    assert report.lines == [
        f"account {board.slug}: 1 created, 12 unchanged",
        "  agent painter: created",
        "  agent writer: no longer in the seeds, left as it is",
    ]
    assert (report.credentials, (await only(board, account_id, AGENT, "writer"))["retired_at"]) == ([], None)


async def test_a_row_that_a_person_made_first_is_theirs(board):
    account_id = (await board.load()).account_id
    columns = "account_id, id, slug, name, description, content, is_enabled"
    make = f"INSERT INTO skills ({columns}) VALUES ($1, $2, 'own', 'Own', '', 'x', true) RETURNING 1"
    await run(board, account_id, make, new_id())
    (board.directory / "skills/own.md").write_text("---\nslug: own\nname: Seeded\n---\nText\n")
    assert "  skill own: kept as it is, because a person has changed, made or removed it" in (await board.load()).lines


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
    row = await only(board, report.account_id, "SELECT * FROM executor_profiles WHERE account_id = $1")
    agents = await run(board, report.account_id, "SELECT reach, profile_id FROM agents WHERE account_id = $1")
    assert (row["name"], row["adapter"], row["url"]) == ("default", "responses", "http://127.0.0.1:9")
    assert {tuple(agent) for agent in agents} == {("gateway", row["id"])}


async def test_two_first_loads_at_once_make_one_account(board):
    reports = await asyncio.gather(*(board.load() for _ in range(4)))
    assert len({report.account_id for report in reports}) == 1
    assert sorted(len(report.credentials) for report in reports) == [0, 0, 0, 6]


async def test_a_seed_that_clashes_with_the_board_is_one_clear_line(board):
    await board.load()
    board.rewrite("account.yaml", "owner@example.com", "other@example.com")
    with pytest.raises(CannotStart, match=r"clash with a row of the board \(people_owner_idx\)$"):
        await board.load()


async def test_whom_a_token_is_for_is_found_or_refused_in_one_line(board):
    account_id = (await board.load()).account_id
    found = await service.principal(board.database, board.slug, "Owner@Example.com")
    assert found[:2] == (account_id, ActorKind.PERSON)
    with pytest.raises(CannotStart, match=r"^there is no account nowhere$"):
        await service.principal(board.database, "nowhere", "engineer")
    with pytest.raises(CannotStart, match=rf"^account {board.slug} has no agent with the slug ghost and no person"):
        await service.principal(board.database, board.slug, "ghost")
