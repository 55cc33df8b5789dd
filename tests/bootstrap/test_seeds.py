from pathlib import Path

import msgspec
import pytest

from app.kernel.ids import new_id
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart
from app.policies.types import AccountPolicy

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


async def test_loading_twice_changes_nothing(board):
    settings = Settings(repo_url="https://git.example/a", writable_repo_dir=Path("/srv/a"))
    first = await board.load(settings)
    before = await board.row(first.account_id, STATE)
    second = await board.load(settings)
    assert second.account_id == first.account_id
    assert second.lines == [f"account {board.slug}: 21 unchanged"]
    assert await board.row(first.account_id, STATE) == before


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
    await board.rows(account_id, edit)
    before = await board.row(account_id, STATE)
    # Both a seed that stayed the same and one that has changed leave the edited row alone.
    report = await board.load(settings)
    kept = [line for line in report.lines[1:] if "kept as it is" in line]
    assert kept
    assert all(line.strip().startswith(named) for line in kept)
    assert len(kept) == len(report.lines) - 1
    assert await board.row(account_id, STATE) == before


async def test_a_changed_seed_updates_only_the_row_that_nobody_edited(board):
    account_id = (await board.load()).account_id
    await board.rows(account_id, "UPDATE agents SET soul = 'mine' WHERE account_id = $1 AND slug = 'engineer-2' RETURNING 1")
    for slug in ("engineer", "engineer-2"):
        board.rewrite(f"agents/{slug}.md", "role: Software engineer", "role: Builder")
    board.rewrite("agents/engineer.md", "skills: [clear-handoff, evidence-first]", "skills: [evidence-first]")
    report = await board.load()
    assert report.lines == [
        f"account {board.slug}: 1 updated, 1 kept, 18 unchanged",
        "  agent engineer: updated, because the seed has changed",
        "  agent engineer-2: kept as it is, because a person has changed, made or removed it",
    ]
    changed, kept = await board.row(account_id, AGENT, "engineer"), await board.row(account_id, AGENT, "engineer-2")
    assert (changed["role"], changed["version"]) == ("Builder", 2)
    assert (kept["role"], kept["soul"], kept["version"]) == ("Software engineer", "mine", 1)
    events = "SELECT type, sequence FROM events WHERE account_id = $1 AND entity_id = $2 ORDER BY seq"
    told = [tuple(row) for row in await board.rows(account_id, events, changed["id"])]
    assert told == [("board:agent:created", 1), ("board:agent:updated", 2)]
    skills = "SELECT count(*) FROM agent_skills WHERE account_id = $1 AND agent_id = $2"
    assert (await board.row(account_id, skills, changed["id"]))["count"] == 1


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
    account = await board.row(account_id, "SELECT name, version, settings::text AS settings FROM accounts WHERE id = $1")
    writer = await board.row(account_id, AGENT, "writer")
    assert (account["name"], account["version"], writer["reach"]) == ("Other", 2, "gateway")
    assert msgspec.json.decode(account["settings"], type=AccountPolicy).orchestrator_agent_id == writer["id"]
    before = await board.row(account_id, STATE)
    report = await board.load(settings("b"), gateway_url="http://gateway.example")
    assert report.lines == [f"account {board.slug}: 21 unchanged"]
    assert await board.row(account_id, STATE) == before


async def test_settings_and_capacity_follow_their_seed_unless_a_person_set_them(board):
    account_id = (await board.load()).account_id
    board.rewrite("account.yaml", "  defaults: {}", "  lease_seconds: 60\n  evidence: off\n  open_pool: true")
    for slug in ("engineer", "writer"):
        board.rewrite(f"agents/{slug}.md", f"slug: {slug}\n", f"slug: {slug}\ncapacity: 4\n")
    await board.rows(account_id, "UPDATE agents SET capacity = 2 WHERE account_id = $1 AND slug = 'writer' RETURNING 1")
    report = await board.load()
    assert [line.split(":")[0].strip() for line in report.lines[1:]] == [
        f"account {board.slug}",
        "agent engineer",
        "agent writer",
    ]
    row = await board.row(account_id, "SELECT settings::text AS settings FROM accounts WHERE id = $1")
    policy = msgspec.json.decode(row["settings"], type=AccountPolicy)
    assert (policy.lease_seconds, policy.open_pool, policy.evidence, policy.duplicate_guard) == (60, True, "off", True)
    assert [(await board.row(account_id, AGENT, slug))["capacity"] for slug in ("engineer", "writer")] == [4, 2]
    await board.rows(account_id, "UPDATE accounts SET settings = settings || '{\"lease_seconds\": 90}' WHERE id = $1 RETURNING 1")
    assert (
        f"  account {board.slug}: kept as it is, because a person has changed, made or removed it" in (await board.load()).lines
    )


async def test_a_row_from_before_a_setting_existed_is_not_taken_for_edited(board):
    account_id = (await board.load()).account_id
    names = "'{lease_seconds,open_pool,evidence,duplicate_guard}'::text[]"
    await board.rows(account_id, f"UPDATE accounts SET settings = settings - {names} WHERE id = $1 RETURNING 1")
    assert (await board.load()).lines == [f"account {board.slug}: 20 unchanged"]


async def test_a_later_seed_is_added_and_a_lost_one_is_left(board):
    account_id = (await board.load()).account_id
    (board.directory / "agents/writer.md").unlink()
    (board.directory / "agents/painter.md").write_text("---\nslug: painter\nname: Painter\nrole: Painter\n---\nPaint.\n")
    report = await board.load()
    assert report.lines == [
        f"account {board.slug}: 1 created, 19 unchanged",
        "  agent painter: created",
        "  agent writer: no longer in the seeds, left as it is",
    ]
    assert (report.credentials, (await board.row(account_id, AGENT, "writer"))["retired_at"]) == ([], None)


async def test_a_row_that_a_person_made_first_is_theirs(board):
    account_id = (await board.load()).account_id
    columns = "account_id, id, slug, name, description, content, is_enabled"
    make = f"INSERT INTO skills ({columns}) VALUES ($1, $2, 'own', 'Own', '', 'x', true) RETURNING 1"
    await board.rows(account_id, make, new_id())
    (board.directory / "skills/own.md").write_text("---\nslug: own\nname: Seeded\n---\nText\n")
    assert "  skill own: kept as it is, because a person has changed, made or removed it" in (await board.load()).lines


async def test_a_seed_that_clashes_with_the_board_is_one_clear_line(board):
    await board.load()
    board.rewrite("account.yaml", "owner@example.com", "other@example.com")
    with pytest.raises(CannotStart, match=r"clash with a row of the board \(people_\w+\)"):
        await board.load()
