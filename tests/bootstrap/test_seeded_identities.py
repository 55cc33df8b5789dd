"""Layers of identity and skills from seeds: read, loaded, kept where a person has edited them."""

import pytest

from app.bootstrap import files
from app.kernel.settings import Settings
from app.kernel.startup import CannotStart

LAYERS = "SELECT scope, name, layer, content, version FROM identity_layers WHERE account_id = $1 ORDER BY scope, name, layer"
SKILL = "SELECT * FROM skills WHERE account_id = $1 AND slug = $2"


def write(board, name, text):
    path = board.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


async def test_layers_follow_their_files_unless_a_person_wrote_them(board):
    write(board, "identity/agents/engineer/USER.md", "\ufeff## Mine\r\n${REPO_BASE_BRANCH:-none}\r\n")
    write(board, "identity/folders/builders/SOUL.md", "## Shared soul\nx\n")
    board.rewrite("agents/writer.md", "slug: writer\n", "slug: writer\nidentity_folder: builders\n")
    report = await board.load(Settings(repo_base_branch="trunk"))
    account_id = report.account_id
    found = {tuple(row)[:3]: row["content"] for row in await board.rows(account_id, LAYERS)}
    assert len(found) == 6
    assert found["agent", "engineer", "user"] == "## Mine\ntrunk\n"
    assert found["folder", "builders", "soul"] == "## Shared soul\nx\n"
    folder = "SELECT identity_folder FROM agents WHERE account_id = $1 AND slug = 'writer'"
    assert (await board.row(account_id, folder))["identity_folder"] == "builders"
    edit = "UPDATE identity_layers SET content = 'mine' WHERE account_id = $1 AND scope = 'shared' AND layer = 'user' RETURNING 1"
    await board.rows(account_id, edit)
    await board.rows(account_id, "DELETE FROM identity_layers WHERE account_id = $1 AND name = 'builders' RETURNING 1")
    write(board, "identity/shared/USER.md", "## Other\nx\n")
    write(board, "identity/shared/SOUL.md", "## Other\nx\n")
    report = await board.load(Settings(repo_base_branch="trunk"))
    kept = "kept as it is, because a person has changed, made or removed it"
    assert sorted(report.lines[1:]) == [
        f"  identity_layer folder/builders/soul: {kept}",
        "  identity_layer shared/soul: updated, because the seed has changed",
        f"  identity_layer shared/user: {kept}",
    ]
    rows = {tuple(row)[:3]: row["version"] for row in await board.rows(account_id, LAYERS)}
    assert (rows["shared", "", "soul"], len(rows)) == (2, 5)


async def test_seeded_skills_count_as_approved_by_the_operator(board):
    board.rewrite("skills/sweep.md", "slug: sweep\n", "slug: sweep\nrequires_approval: true\nenabled: false\n")
    account_id = (await board.load()).account_id
    row = await board.row(account_id, SKILL, "sweep")
    assert (row["requires_approval"], row["is_enabled"], row["version"], row["approved_version"]) == (True, False, 1, 1)
    board.rewrite("skills/sweep.md", "enabled: false\n", "")
    await board.load()
    row = await board.row(account_id, SKILL, "sweep")
    assert (row["is_enabled"], row["version"], row["approved_version"]) == (True, 2, 2)
    assert (row["approved_by_id"], row["edited_by_id"]) == (None, None)


def test_what_is_no_layer_is_told_at_once_and_nothing_outside_is_read(board):
    write(board, "identity/shared/TOOLS.md", "x")
    write(board, "identity/agents/nobody/USER.md", "x")
    write(board, "identity/agents/engineer/SOUL.md", "x")
    write(board, "identity/folders/Not a slug/USER.md", "x")
    write(board, "identity/folders/builders/USER.md", " \n")
    write(board, "identity/USER.md", "x")
    write(board, "identity/folders/builders/SOUL.md", b"\xff")
    write(board, "identity/folders/builders/AGENT.md", "${PATH}")
    with pytest.raises(CannotStart) as refused:
        files.read(board.directory, settings=Settings())
    found = {line.strip().split(":")[0] for line in str(refused.value).split("\n")[1:]}
    assert found == {
        "identity/USER.md",
        "identity/agents/engineer/SOUL.md",
        "identity/folders/Not a slug/USER.md",
        "identity/folders/builders/AGENT.md",
        "identity/folders/builders/SOUL.md",
        "identity/shared/TOOLS.md",
    }


def test_layers_and_skills_that_fit_nothing_are_told(board):
    write(board, "identity/agents/nobody/USER.md", "x")
    write(board, "identity/folders/builders/USER.md", " \n")
    write(board, "identity/folders/builders/SOUL.md", "ä" * (1 << 19) + "x")
    write(board, "skills/long.md", "---\nslug: long\nname: Long\n---\n" + "ä" * (1 << 18))
    board.rewrite("agents/writer.md", "slug: writer\n", "slug: writer\nidentity_folder: absent\n")
    with pytest.raises(CannotStart) as refused:
        files.read(board.directory, settings=Settings())
    assert sorted(line.strip() for line in str(refused.value).split("\n")[1:]) == [
        "agents/writer.md: identity_folder: there is no folder identity/folders/absent",
        "identity/agent/nobody/user: there is no agent nobody",
        "identity/folder/builders/soul: holds more than 1048576 bytes",
        "identity/folder/builders/user: is empty",
        "skills/long.md: holds more than 524288 bytes",
    ]
