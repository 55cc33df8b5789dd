"""Agents' protocol: leases with capacity, dependencies, hand-offs, evidence, document versions, tokens bound to a session."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APP, AUTH = "callboard_app", "callboard_auth"
TABLES = ("task_dependencies", "task_handoffs", "task_criteria", "task_vcs_refs", "document_versions")
READ = ("tasks", "task_assignees", "documents")
DELETABLE = ("task_dependencies", "task_criteria", "task_vcs_refs")
TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"
CHECKS = (
    ("agents", "agents_capacity_check", "capacity BETWEEN 1 AND 20"),
    ("api_tokens", "api_tokens_session_check", "session_id IS NULL OR agent_id IS NOT NULL"),
    ("tasks", "tasks_parent_check", "parent_id <> id"),
    (
        "tasks",
        "tasks_lease_check",
        "(lease_agent_id IS NULL) = (lease_kind IS NULL) AND (lease_agent_id IS NULL) = (lease_until IS NULL)",
    ),
    ("tasks", "tasks_lease_kind_check", "lease_kind IN ('work', 'review')"),
)
KINDS = ("assignment", "mention", "thread_update", "status_change", "response_request")
# Two claims of one agent at once see each other here: the agent's row is locked before its leases are counted.
GUARD_CAPACITY = """
CREATE FUNCTION guard_capacity() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE most integer; held integer;
BEGIN
    SELECT capacity INTO most FROM agents WHERE account_id = NEW.account_id AND id = NEW.lease_agent_id FOR NO KEY UPDATE;
    SELECT count(*) INTO held FROM tasks
    WHERE account_id = NEW.account_id AND lease_agent_id = NEW.lease_agent_id AND id <> NEW.id AND lease_until > callboard_now();
    IF held >= most THEN
        RAISE EXCEPTION 'another claim of this agent was quicker' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $$
"""
CAPACITY_TRIGGER = """
CREATE TRIGGER guard_capacity BEFORE UPDATE OF lease_agent_id ON tasks FOR EACH ROW
WHEN (NEW.lease_agent_id IS NOT NULL AND NEW.lease_fence <> OLD.lease_fence) EXECUTE FUNCTION guard_capacity()
"""
AUTHENTICATE = """
CREATE FUNCTION authenticate(wanted text) RETURNS TABLE (
    token_id uuid, hash bytea, account_id uuid, kind text, principal_id uuid, name text, role text, scopes text[],
    expires_at timestamptz{columns}
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT t.id, t.hash, t.account_id, CASE WHEN t.agent_id IS NULL THEN 'person' ELSE 'agent' END,
           coalesce(t.agent_id, t.person_id), coalesce(a.name, p.name), p.role, t.scopes, t.expires_at{values}
    FROM public.api_tokens t
    LEFT JOIN public.agents a ON a.account_id = t.account_id AND a.id = t.agent_id
    LEFT JOIN public.people p ON p.account_id = t.account_id AND p.id = t.person_id{joins}
    WHERE t.prefix = wanted AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > public.callboard_now())
      AND a.retired_at IS NULL AND p.removed_at IS NULL{conditions}
$$
"""
BOUND = {
    "columns": ", session_id uuid",
    "values": ", t.session_id",
    "joins": "\n    LEFT JOIN public.agent_sessions s ON s.account_id = t.account_id AND s.id = t.session_id",
    "conditions": " AND s.closed_at IS NULL",
}
UNBOUND = dict.fromkeys(BOUND, "")


def upgrade() -> None:
    op.create_table(
        "task_criteria",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "claimed",
                "machine_checked",
                "person_checked",
                name="task_criteria_verdict_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("is_met", sa.Boolean(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("artifact", sa.String(), nullable=True),
        sa.Column("artifact_hash", sa.String(), nullable=True),
        sa.Column(
            "verdict_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="task_criteria_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("verdict_by_id", sa.Uuid(), nullable=True),
        sa.Column("verdict_by_name", sa.String(), nullable=True),
        sa.Column("verdict_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(verdict IS NULL) = (is_met IS NULL)", name="task_criteria_met_check"),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_criteria_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "task_id", "position", name="task_criteria_position_key"),
    )
    op.create_table(
        "task_dependencies",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("depends_on_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.CheckConstraint("task_id <> depends_on_id", name="task_dependencies_self_check"),
        sa.ForeignKeyConstraint(
            ["account_id", "depends_on_id"], ["tasks.account_id", "tasks.id"], name="task_dependencies_depends_on_fkey"
        ),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_dependencies_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "task_id", "depends_on_id"),
    )
    op.create_index("task_dependencies_waiting_idx", "task_dependencies", ["account_id", "depends_on_id"], unique=False)
    op.create_table(
        "task_handoffs",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "progress",
                "release",
                "expiry",
                "reassign",
                "review",
                "rework",
                "block",
                name="task_handoffs_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("fence", sa.BigInteger(), nullable=True),
        sa.Column(
            "author_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="task_handoffs_author_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_handoffs_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index(
        "task_handoffs_progress_idx",
        "task_handoffs",
        ["account_id", "task_id", "fence"],
        unique=True,
        postgresql_where=sa.text("kind = 'progress'"),
    )
    op.create_index("task_handoffs_task_idx", "task_handoffs", ["account_id", "task_id", "id"], unique=False)
    op.create_table(
        "task_vcs_refs",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("repository", sa.String(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column(
            "added_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="task_vcs_refs_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("added_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_vcs_refs_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "task_id", "ref", name="task_vcs_refs_ref_key"),
    )
    op.create_table(
        "document_versions",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column(
            "author_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="document_versions_author_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "document_id"], ["documents.account_id", "documents.id"], name="document_versions_document_fkey"
        ),
        sa.PrimaryKeyConstraint("account_id", "document_id", "version"),
    )
    op.add_column("agents", sa.Column("capacity", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("api_tokens", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "api_tokens_session_fkey", "api_tokens", "agent_sessions", ["account_id", "session_id"], ["account_id", "id"]
    )
    op.create_index("agent_sessions_agent_idx", "agent_sessions", ["account_id", "agent_id", "id"], unique=False)
    op.create_index("documents_newest_idx", "documents", ["account_id", "updated_at", "id"], unique=False)
    op.create_index(
        "documents_task_idx",
        "documents",
        ["account_id", "task_id"],
        unique=False,
        postgresql_where=sa.text("task_id IS NOT NULL"),
    )
    op.add_column("tasks", sa.Column("parent_id", sa.Uuid(), nullable=True))
    op.create_index(
        "tasks_lease_idx",
        "tasks",
        ["account_id", "lease_agent_id"],
        unique=False,
        postgresql_where=sa.text("lease_agent_id IS NOT NULL"),
    )
    op.create_index(
        "tasks_parent_idx", "tasks", ["account_id", "parent_id"], unique=False, postgresql_where=sa.text("parent_id IS NOT NULL")
    )
    op.create_index(
        "tasks_pool_idx",
        "tasks",
        ["account_id", "priority", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'inbox' AND NOT is_coordination"),
    )
    op.create_foreign_key("tasks_parent_fkey", "tasks", "tasks", ["account_id", "parent_id"], ["account_id", "id"])
    op.add_column("task_assignees", sa.Column("is_closed", sa.Boolean(), server_default="false", nullable=False))
    op.create_index(
        "task_assignees_open_idx",
        "task_assignees",
        ["account_id", "agent_id", "task_id"],
        unique=False,
        postgresql_where=sa.text("removed_at IS NULL AND NOT is_closed"),
    )
    for table, name, condition in CHECKS:
        op.create_check_constraint(name, table, condition)
    _kinds((*KINDS, "ready"))
    _fill()
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {APP} USING (account_id = (SELECT {TENANT}))")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {APP}")
    for table in DELETABLE:
        op.execute(f"GRANT DELETE ON {table} TO {APP}")
    op.execute(GUARD_CAPACITY)
    op.execute(CAPACITY_TRIGGER)
    _authenticate(BOUND)


def _fill() -> None:
    """What older rows say of the new columns and tables; an owner is bound by its own policies, and none lets it read."""
    for table in READ:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE task_assignees x SET is_closed = true FROM tasks t "
        "WHERE t.account_id = x.account_id AND t.id = x.task_id AND t.status IN ('done', 'archived')"
    )
    op.execute(
        "INSERT INTO document_versions (account_id, document_id, version, title, content, author_kind, author_id, created_at) "
        "SELECT account_id, id, version, title, content, author_kind, author_id, updated_at FROM documents"
    )
    for table in READ:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _kinds(kinds: tuple[str, ...]) -> None:
    op.drop_constraint("notifications_type_check", "notifications", type_="check")
    op.create_check_constraint(
        "notifications_type_check", "notifications", f"type IN ({', '.join(repr(kind) for kind in kinds)})"
    )


def _authenticate(parts: dict[str, str]) -> None:
    op.execute("DROP FUNCTION authenticate(text)")
    # A new owner needs CREATE for the moment in which it becomes the owner.
    op.execute(f"GRANT CREATE ON SCHEMA public TO {AUTH}")
    op.execute(AUTHENTICATE.format(**parts))
    op.execute(f"ALTER FUNCTION authenticate(text) OWNER TO {AUTH}")
    op.execute("REVOKE ALL ON FUNCTION authenticate(text) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION authenticate(text) TO {APP}, callboard_runtime")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {AUTH}")


def downgrade() -> None:
    _authenticate(UNBOUND)
    op.execute("DROP TRIGGER guard_capacity ON tasks")
    op.execute("DROP FUNCTION guard_capacity()")
    for table in ("notifications", "deliveries"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "DELETE FROM deliveries d USING notifications n WHERE n.account_id = d.account_id AND n.id = d.notification_id AND n.type = 'ready'"
    )
    op.execute("DELETE FROM notifications WHERE type = 'ready'")
    for table in ("notifications", "deliveries"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    _kinds(KINDS)
    for table, name, _ in reversed(CHECKS):
        op.drop_constraint(name, table, type_="check")
    op.drop_constraint("tasks_parent_fkey", "tasks", type_="foreignkey")
    op.drop_index("tasks_pool_idx", table_name="tasks", postgresql_where=sa.text("status = 'inbox' AND NOT is_coordination"))
    op.drop_index("tasks_parent_idx", table_name="tasks", postgresql_where=sa.text("parent_id IS NOT NULL"))
    op.drop_index("tasks_lease_idx", table_name="tasks", postgresql_where=sa.text("lease_agent_id IS NOT NULL"))
    op.drop_column("tasks", "parent_id")
    op.drop_index("documents_task_idx", table_name="documents", postgresql_where=sa.text("task_id IS NOT NULL"))
    op.drop_index("documents_newest_idx", table_name="documents")
    op.drop_constraint("api_tokens_session_fkey", "api_tokens", type_="foreignkey")
    op.drop_index("task_assignees_open_idx", table_name="task_assignees")
    op.drop_column("task_assignees", "is_closed")
    op.drop_column("api_tokens", "session_id")
    op.drop_index("agent_sessions_agent_idx", table_name="agent_sessions")
    op.drop_column("agents", "capacity")
    op.drop_table("document_versions")
    op.drop_table("task_vcs_refs")
    op.drop_index("task_handoffs_task_idx", table_name="task_handoffs")
    op.drop_index("task_handoffs_progress_idx", table_name="task_handoffs", postgresql_where=sa.text("kind = 'progress'"))
    op.drop_table("task_handoffs")
    op.drop_index("task_dependencies_waiting_idx", table_name="task_dependencies")
    op.drop_table("task_dependencies")
    op.drop_table("task_criteria")
