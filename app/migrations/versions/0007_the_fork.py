"""Repositories and their clones, worktrees, reservations of files, workspaces, layers of identity, approved skills."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APP, RUNTIME, AUTH = "callboard_app", "callboard_runtime", "callboard_auth"
TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"
NEW = (
    "compiled_identities",
    "identity_layers",
    "session_identities",
    "repository_clones",
    "agent_workspaces",
    "file_reservations",
    "task_worktrees",
)
DELETABLE = ("compiled_identities", "identity_layers", "session_identities", "repository_clones", "file_reservations")
# What an admin may take away.
REMOVABLE = ("skills", "repositories")
# They sleep until there is something to look after.
TICK = """
INSERT INTO runtime_schedules (account_id, id, name, command_type, interval_seconds, misfire, jitter_seconds, is_enabled,
                               is_system, disabled_reason, next_at, fires_at, version, created_by_kind)
SELECT a.id, gen_random_uuid(), '{name}', '{command}', {seconds}, 'run_once', 0, true, true, NULL,
    date_trunc('second', callboard_now()) + interval '{seconds} s', date_trunc('second', callboard_now()) + interval '{seconds} s',
    1, 'system'
FROM accounts a
"""
TICKS = (("repositories", "repository.sweep", 600), ("workspaces", "workspace.sweep", 21_600))
# How the clones of all accounts stand, told without naming any; the advice names settings, never an address.
CLONES = """
CREATE FUNCTION repository_troubles() RETURNS TABLE (repositories bigint, ready bigint, busy bigint, degraded bigint,
                                                     setting text, advice text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*), count(*) FILTER (WHERE c.state = 'ready'), count(*) FILTER (WHERE c.state IN ('waiting', 'syncing')),
        count(*) FILTER (WHERE c.state = 'degraded'),
        (array_agg(c.setting::text ORDER BY c.changed_at) FILTER (WHERE c.state = 'degraded'))[1],
        (array_agg(c.advice::text ORDER BY c.changed_at) FILTER (WHERE c.state = 'degraded'))[1]
    FROM (SELECT state, setting, advice, changed_at FROM public.repository_clones WHERE state <> 'off' LIMIT 1000) c
$$
"""


def upgrade() -> None:
    op.create_table(
        "compiled_identities",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("sections", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("conflicts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("sources", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("warnings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "sha256"),
    )
    op.create_table(
        "identity_layers",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "scope",
            sa.Enum(
                "agent",
                "folder",
                "shared",
                name="identity_layers_scope_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "layer",
            sa.Enum(
                "soul",
                "agent",
                "identity",
                "user",
                name="identity_layers_layer_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.CheckConstraint("(scope = 'shared') = (name = '')", name="identity_layers_name_check"),
        sa.CheckConstraint("NOT (scope = 'agent' AND layer = 'soul')", name="identity_layers_soul_check"),
        sa.CheckConstraint("octet_length(content) <= 1048576", name="identity_layers_content_check"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "scope", "name", "layer", name="identity_layers_place_key"),
    )
    op.create_table(
        "repository_clones",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("repository_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "syncing",
                "ready",
                "degraded",
                "off",
                name="repository_clones_state_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("directory", sa.String(), nullable=False),
        sa.Column("head", sa.String(), nullable=True),
        sa.Column("base_branch", sa.String(), nullable=True),
        sa.Column("phase", sa.String(), nullable=True),
        sa.Column("percent", sa.Integer(), nullable=True),
        sa.Column(
            "trouble",
            sa.Enum(
                "no_git",
                "bad_url",
                "unreachable",
                "not_found",
                "credentials",
                "no_branch",
                "no_commits",
                "no_space",
                "not_writable",
                "not_a_clone",
                "unsafe_config",
                "protected",
                "rejected",
                "conflict",
                "escapes",
                "busy",
                "timeout",
                "broken",
                name="repository_clones_trouble_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("setting", sa.String(), nullable=True),
        sa.Column("advice", sa.String(), nullable=True),
        sa.Column("remark", sa.String(), nullable=True),
        sa.Column("command_id", sa.Uuid(), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "repository_id"],
            ["repositories.account_id", "repositories.id"],
            name="repository_clones_repository_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "repository_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "agent_workspaces",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "synced",
                "failed",
                "removed",
                name="agent_workspaces_state_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("edited", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("warnings", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("token_id", sa.Uuid(), nullable=True),
        sa.Column("gateway_id", sa.String(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "agent_id"], ["agents.account_id", "agents.id"], name="agent_workspaces_agent_fkey"
        ),
        sa.PrimaryKeyConstraint("account_id", "agent_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "file_reservations",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("repository_id", sa.Uuid(), nullable=True),
        sa.Column("pattern", sa.String(), nullable=False),
        sa.Column(
            "mode",
            sa.Enum(
                "exclusive", "shared", name="file_reservations_mode_check", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("ttl_seconds", sa.Integer(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.CheckConstraint("ttl_seconds BETWEEN 30 AND 604800", name="file_reservations_ttl_check"),
        sa.ForeignKeyConstraint(
            ["account_id", "repository_id"],
            ["repositories.account_id", "repositories.id"],
            name="file_reservations_repository_fkey",
        ),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="file_reservations_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "task_id", "pattern", name="file_reservations_pattern_key"),
    )
    op.create_table(
        "task_worktrees",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("repository_id", sa.Uuid(), nullable=False),
        sa.Column("branch", sa.String(), nullable=True),
        sa.Column("path", sa.String(), nullable=True),
        sa.Column("gateway_path", sa.String(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "wanted",
                "ready",
                "failed",
                "kept",
                "removed",
                name="task_worktrees_state_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("base", sa.String(), nullable=True),
        sa.Column("head", sa.String(), nullable=True),
        sa.Column("ahead", sa.Integer(), nullable=True),
        sa.Column("behind", sa.Integer(), nullable=True),
        sa.Column("unpushed", sa.Integer(), nullable=True),
        sa.Column("files", sa.Integer(), nullable=True),
        sa.Column("insertions", sa.Integer(), nullable=True),
        sa.Column("deletions", sa.Integer(), nullable=True),
        sa.Column("changes", sa.Integer(), nullable=True),
        sa.Column("commits", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("pushed_head", sa.String(), nullable=True),
        sa.Column("rescued", sa.String(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "repository_id"], ["repositories.account_id", "repositories.id"], name="task_worktrees_repository_fkey"
        ),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_worktrees_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "task_worktrees_live_idx",
        "task_worktrees",
        ["account_id", "task_id", "repository_id"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index("task_worktrees_repository_idx", "task_worktrees", ["account_id", "repository_id", "id"], unique=False)
    op.create_index("task_worktrees_task_idx", "task_worktrees", ["account_id", "task_id", "id"], unique=False)
    op.create_table(
        "session_identities",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("compiled_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["agent_sessions.account_id", "agent_sessions.id"],
            name="session_identities_session_fkey",
        ),
        sa.PrimaryKeyConstraint("account_id", "session_id"),
    )
    op.create_index("session_identities_sha256_idx", "session_identities", ["account_id", "sha256"], unique=False)
    op.add_column("agents", sa.Column("identity_folder", sa.String(), nullable=True))
    op.add_column("repositories", sa.Column("clone_depth", sa.Integer(), nullable=True))
    op.add_column("repositories", sa.Column("branch_pattern", sa.String(), nullable=True))
    op.add_column(
        "repositories",
        sa.Column("protected_branches", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("repositories", sa.Column("branch_per_task", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("repositories", sa.Column("keep_worktrees", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("repositories", sa.Column("is_from_environment", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("repositories", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("skills", sa.Column("requires_approval", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("skills", sa.Column("approved_version", sa.Integer(), nullable=True))
    op.add_column("skills", sa.Column("approved_by_id", sa.Uuid(), nullable=True))
    op.add_column("skills", sa.Column("edited_by_id", sa.Uuid(), nullable=True))
    op.add_column("skills", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("tasks", sa.Column("repository_id", sa.Uuid(), nullable=True))
    op.create_foreign_key("tasks_repository_fkey", "tasks", "repositories", ["account_id", "repository_id"], ["account_id", "id"])

    op.create_check_constraint("skills_content_check", "skills", "octet_length(content) <= 524288")
    for table in NEW:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {APP} USING (account_id = (SELECT {TENANT}))")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {APP}")
    for table in (*DELETABLE, *REMOVABLE):
        op.execute(f"GRANT DELETE ON {table} TO {APP}")
    op.execute(f"CREATE POLICY identity ON repository_clones FOR SELECT TO {AUTH} USING (true)")
    op.execute(f"GRANT SELECT ON repository_clones TO {AUTH}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {AUTH}")
    op.execute(CLONES)
    op.execute(f"ALTER FUNCTION repository_troubles() OWNER TO {AUTH}")
    op.execute("REVOKE ALL ON FUNCTION repository_troubles() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION repository_troubles() TO {RUNTIME}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {AUTH}")
    _opened(tuple(TICK.format(name=name, command=command, seconds=seconds) for name, command, seconds in TICKS))


def _opened(statements: tuple[str, ...]) -> None:
    """Change rows of every account, which the wall keeps from its owner too."""
    for table in ("accounts", "runtime_schedules"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for statement in statements:
        op.execute(statement)
    for table in ("accounts", "runtime_schedules"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    names = ", ".join(f"'{name}'" for name, _, _ in TICKS)
    _opened((f"DELETE FROM runtime_schedules WHERE is_system AND name IN ({names})",))
    for table in REMOVABLE:
        op.execute(f"REVOKE DELETE ON {table} FROM {APP}")
    op.execute("DROP FUNCTION repository_troubles()")
    op.drop_constraint("skills_content_check", "skills", type_="check")
    op.drop_constraint("tasks_repository_fkey", "tasks", type_="foreignkey")
    op.drop_column("tasks", "repository_id")
    op.drop_column("skills", "version")
    op.drop_column("skills", "edited_by_id")
    op.drop_column("skills", "approved_by_id")
    op.drop_column("skills", "approved_version")
    op.drop_column("skills", "requires_approval")
    op.drop_column("repositories", "version")
    op.drop_column("repositories", "is_from_environment")
    op.drop_column("repositories", "keep_worktrees")
    op.drop_column("repositories", "branch_per_task")
    op.drop_column("repositories", "protected_branches")
    op.drop_column("repositories", "branch_pattern")
    op.drop_column("repositories", "clone_depth")
    op.drop_column("agents", "identity_folder")
    op.drop_index("session_identities_sha256_idx", table_name="session_identities")
    op.drop_table("session_identities")
    op.drop_index("task_worktrees_task_idx", table_name="task_worktrees")
    op.drop_index("task_worktrees_repository_idx", table_name="task_worktrees")
    op.drop_index("task_worktrees_live_idx", table_name="task_worktrees", postgresql_where=sa.text("removed_at IS NULL"))
    op.drop_table("task_worktrees")
    op.drop_table("file_reservations")
    op.drop_table("agent_workspaces")
    op.drop_table("repository_clones")
    op.drop_table("identity_layers")
    op.drop_table("compiled_identities")
