"""The board: its tables, and the one function that tells the time of a transaction."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE FUNCTION callboard_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT transaction_timestamp()'"
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "runtime_workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lock_key", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "event_counters",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "event_batches",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "events",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("entity_kind", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column(
            "actor_kind",
            sa.Enum(
                "person", "agent", "system", name="events_actor_kind_check", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("cause_id", sa.Uuid(), nullable=True),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("schema_version", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "seq"),
        sa.UniqueConstraint("account_id", "event_id", name="events_event_id_key"),
    )
    op.create_index("events_entity_idx", "events", ["account_id", "entity_kind", "entity_id", "seq"], unique=False)
    op.create_table(
        "executor_profiles",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "name", name="executor_profiles_name_key"),
    )
    op.create_table(
        "idempotency_records",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("verb", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("hits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "principal_id", "verb", "key"),
    )
    op.create_index("idempotency_records_expiry_idx", "idempotency_records", ["account_id", "expires_at"], unique=False)
    op.create_table(
        "people",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "owner",
                "admin",
                "member",
                "viewer",
                name="people_role_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "email", name="people_email_key"),
        sa.UniqueConstraint("account_id", "handle", name="people_handle_key"),
    )
    op.create_index("people_owner_idx", "people", ["account_id"], unique=True, postgresql_where=sa.text("role = 'owner'"))
    op.create_table(
        "repositories",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("base_branch", sa.String(), nullable=True),
        sa.Column("branch_prefix", sa.String(), nullable=True),
        sa.Column("writable_dir", sa.String(), nullable=True),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "name", name="repositories_name_key"),
    )
    op.create_index(
        "repositories_primary_idx", "repositories", ["account_id"], unique=True, postgresql_where=sa.text("is_primary")
    )
    op.create_table(
        "runtime_lanes",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "idle", "ready", "leased", name="runtime_lanes_state_check", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("ready_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("done_seq", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "runtime_lanes_ready_idx",
        "runtime_lanes",
        ["ready_at", "account_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "runtime_lanes_worker_idx", "runtime_lanes", ["worker_id"], unique=False, postgresql_where=sa.text("state = 'leased'")
    )
    op.create_table(
        "seed_records",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "kind", "key"),
    )
    op.create_table(
        "skills",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "slug", name="skills_slug_key"),
    )
    op.create_table(
        "agents",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("soul", sa.String(), nullable=False),
        sa.Column("flags", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column(
            "reach",
            sa.Enum("pull", "gateway", name="agents_reach_check", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("profile_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(reach = 'gateway') = (profile_id IS NOT NULL)", name="agents_profile_check"),
        sa.ForeignKeyConstraint(
            ["account_id", "profile_id"], ["executor_profiles.account_id", "executor_profiles.id"], name="agents_profile_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "slug", name="agents_slug_key"),
    )
    op.create_table(
        "runtime_commands",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "held",
                "queued",
                "running",
                "retry_scheduled",
                "succeeded",
                "failed_terminal",
                "dead_lettered",
                "replay_requested",
                "canceled",
                name="runtime_commands_state_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("prio", sa.SmallInteger(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("released", sa.Integer(), nullable=False),
        sa.Column("waited", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lane_id", sa.Uuid(), nullable=True),
        sa.Column("lane_seq", sa.BigInteger(), nullable=True),
        sa.Column("last_error_class", sa.String(), nullable=True),
        sa.Column("last_error_message", sa.String(), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "actor_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="runtime_commands_actor_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("trigger_source", sa.String(), nullable=False),
        sa.Column("cause_id", sa.Uuid(), nullable=True),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "lane_id"], ["runtime_lanes.account_id", "runtime_lanes.id"], name="runtime_commands_lane_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "type", "idempotency_key", name="runtime_commands_idempotency_key"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "runtime_commands_lane_idx",
        "runtime_commands",
        ["account_id", "lane_id", "lane_seq"],
        unique=True,
        postgresql_where=sa.text("lane_id IS NOT NULL"),
    )
    op.create_index(
        "runtime_commands_claim_idx",
        "runtime_commands",
        ["prio", "run_at", "id"],
        unique=False,
        postgresql_where=sa.text("lane_id IS NULL AND state IN ('queued', 'retry_scheduled')"),
    )
    op.create_index("runtime_commands_state_idx", "runtime_commands", ["account_id", "state", "created_at"], unique=False)
    op.create_index("runtime_commands_type_idx", "runtime_commands", ["account_id", "type", "created_at"], unique=False)
    op.create_index(
        "runtime_commands_worker_idx",
        "runtime_commands",
        ["worker_id"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "agent_skills",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("skill_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id", "agent_id"], ["agents.account_id", "agents.id"], name="agent_skills_agent_fkey"),
        sa.ForeignKeyConstraint(["account_id", "skill_id"], ["skills.account_id", "skills.id"], name="agent_skills_skill_fkey"),
        sa.PrimaryKeyConstraint("account_id", "agent_id", "skill_id"),
    )
    op.create_index("agent_skills_skill_idx", "agent_skills", ["account_id", "skill_id"], unique=False)
    op.create_table(
        "api_tokens",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "created_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="api_tokens_created_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(person_id IS NULL) <> (agent_id IS NULL)", name="api_tokens_principal_check"),
        sa.ForeignKeyConstraint(["account_id", "agent_id"], ["agents.account_id", "agents.id"], name="api_tokens_agent_fkey"),
        sa.ForeignKeyConstraint(["account_id", "person_id"], ["people.account_id", "people.id"], name="api_tokens_person_fkey"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("prefix"),
    )
    op.create_index("api_tokens_agent_idx", "api_tokens", ["account_id", "agent_id"], unique=False)
    op.create_index("api_tokens_person_idx", "api_tokens", ["account_id", "person_id"], unique=False)
    op.create_table(
        "runtime_command_attempts",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("error_class", sa.String(), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("lane_epoch", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "command_id", "attempt"),
    )
    op.create_table(
        "runtime_dead_letters",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("reason_class", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("eligible_for_replay", sa.Boolean(), nullable=False),
        sa.Column("replay_count", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "replaying",
                "resolved",
                "discarded",
                name="runtime_dead_letters_state_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "command_id"],
            ["runtime_commands.account_id", "runtime_commands.id"],
            name="runtime_dead_letters_command_fkey",
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "command_id", name="runtime_dead_letters_command_key"),
    )
    op.create_index("runtime_dead_letters_state_idx", "runtime_dead_letters", ["account_id", "state", "created_at"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "inbox",
                "assigned",
                "in_progress",
                "review",
                "done",
                "blocked",
                "archived",
                name="tasks_status_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("blocked_reason", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_coordination", sa.Boolean(), nullable=False),
        sa.Column(
            "created_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="tasks_created_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("lease_agent_id", sa.Uuid(), nullable=True),
        sa.Column("lease_kind", sa.String(), nullable=True),
        sa.Column("lease_fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'blocked') = (blocked_reason IS NOT NULL)", name="tasks_blocked_reason_check"),
        sa.CheckConstraint("priority BETWEEN 1 AND 5", name="tasks_priority_check"),
        sa.ForeignKeyConstraint(
            ["account_id", "lease_agent_id"], ["agents.account_id", "agents.id"], name="tasks_lease_agent_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("tasks_board_idx", "tasks", ["account_id", "status", "id"], unique=False)
    op.create_index("tasks_newest_idx", "tasks", ["account_id", "id"], unique=False)
    op.create_table(
        "agent_sessions",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("task", "system", name="agent_sessions_kind_check", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_reason", sa.String(), nullable=True),
        sa.CheckConstraint("(kind = 'task') = (task_id IS NOT NULL)", name="agent_sessions_task_check"),
        sa.ForeignKeyConstraint(["account_id", "agent_id"], ["agents.account_id", "agents.id"], name="agent_sessions_agent_fkey"),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="agent_sessions_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "agent_id", "task_id", "generation", name="agent_sessions_generation_key"),
        sa.UniqueConstraint("account_id", "key", name="agent_sessions_key_key"),
    )
    op.create_index(
        "agent_sessions_open_system_idx",
        "agent_sessions",
        ["account_id", "agent_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL AND kind = 'system'"),
    )
    op.create_index(
        "agent_sessions_open_task_idx",
        "agent_sessions",
        ["account_id", "task_id", "agent_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL AND kind = 'task'"),
    )
    op.create_table(
        "documents",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column(
            "type",
            sa.Enum(
                "deliverable",
                "note",
                "template",
                "reference",
                name="documents_type_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column(
            "author_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="documents_author_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="documents_task_fkey"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index(
        "documents_slug_idx", "documents", ["account_id", "slug"], unique=True, postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.create_table(
        "messages",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column(
            "author_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="messages_author_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("author_name", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("mentions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("source_notification_id", sa.Uuid(), nullable=True),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="messages_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index(
        "messages_source_idx",
        "messages",
        ["account_id", "source_notification_id"],
        unique=True,
        postgresql_where=sa.text("source_notification_id IS NOT NULL"),
    )
    op.create_index("messages_thread_idx", "messages", ["account_id", "task_id", "id"], unique=False)
    op.create_table(
        "task_assignees",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column(
            "assigned_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="task_assignees_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("assigned_by_id", sa.Uuid(), nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(person_id IS NULL) <> (agent_id IS NULL)", name="task_assignees_principal_check"),
        sa.ForeignKeyConstraint(["account_id", "agent_id"], ["agents.account_id", "agents.id"], name="task_assignees_agent_fkey"),
        sa.ForeignKeyConstraint(
            ["account_id", "person_id"], ["people.account_id", "people.id"], name="task_assignees_person_fkey"
        ),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_assignees_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index(
        "task_assignees_current_agent_idx",
        "task_assignees",
        ["account_id", "task_id", "agent_id"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL AND agent_id IS NOT NULL"),
    )
    op.create_index(
        "task_assignees_current_person_idx",
        "task_assignees",
        ["account_id", "task_id", "person_id"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL AND person_id IS NOT NULL"),
    )
    op.create_index("task_assignees_task_idx", "task_assignees", ["account_id", "task_id"], unique=False)
    op.create_index(
        "task_assignees_work_idx",
        "task_assignees",
        ["account_id", "agent_id", "task_id"],
        unique=False,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "task_subscribers",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column(
            "principal_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="task_subscribers_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_subscribers_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "task_id", "principal_id"),
    )
    op.create_table(
        "notifications",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "type",
            sa.Enum(
                "assignment",
                "mention",
                "thread_update",
                "status_change",
                "response_request",
                name="notifications_type_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "recipient_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="notifications_recipient_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column(
            "actor_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="notifications_actor_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("status_from", sa.String(), nullable=True),
        sa.Column("caused_by_type", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "delivered",
                "skipped",
                "expired",
                "no_response",
                "dead",
                name="notifications_state_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=True),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "command_id"],
            ["runtime_commands.account_id", "runtime_commands.id"],
            name="notifications_command_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "message_id"], ["messages.account_id", "messages.id"], name="notifications_message_fkey"
        ),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="notifications_task_fkey"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "notifications_queued_idx",
        "notifications",
        ["account_id", "recipient_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("notifications_task_idx", "notifications", ["account_id", "task_id", "recipient_id", "id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("template_version", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("silences", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("answer_status", sa.SmallInteger(), nullable=True),
        sa.Column("answer_type", sa.String(), nullable=True),
        sa.Column("usage", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("rendered_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "notification_id"],
            ["notifications.account_id", "notifications.id"],
            name="deliveries_notification_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "session_id"], ["agent_sessions.account_id", "agent_sessions.id"], name="deliveries_session_fkey"
        ),
        sa.PrimaryKeyConstraint("account_id", "notification_id"),
    )


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_index("notifications_task_idx", table_name="notifications")
    op.drop_index("notifications_queued_idx", table_name="notifications", postgresql_where=sa.text("state = 'queued'"))
    op.drop_table("notifications")
    op.drop_table("task_subscribers")
    op.drop_index("task_assignees_work_idx", table_name="task_assignees", postgresql_where=sa.text("removed_at IS NULL"))
    op.drop_index("task_assignees_task_idx", table_name="task_assignees")
    op.drop_index(
        "task_assignees_current_person_idx",
        table_name="task_assignees",
        postgresql_where=sa.text("removed_at IS NULL AND person_id IS NOT NULL"),
    )
    op.drop_index(
        "task_assignees_current_agent_idx",
        table_name="task_assignees",
        postgresql_where=sa.text("removed_at IS NULL AND agent_id IS NOT NULL"),
    )
    op.drop_table("task_assignees")
    op.drop_index("messages_thread_idx", table_name="messages")
    op.drop_index("messages_source_idx", table_name="messages", postgresql_where=sa.text("source_notification_id IS NOT NULL"))
    op.drop_table("messages")
    op.drop_index("documents_slug_idx", table_name="documents", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_table("documents")
    op.drop_index(
        "agent_sessions_open_task_idx",
        table_name="agent_sessions",
        postgresql_where=sa.text("closed_at IS NULL AND kind = 'task'"),
    )
    op.drop_index(
        "agent_sessions_open_system_idx",
        table_name="agent_sessions",
        postgresql_where=sa.text("closed_at IS NULL AND kind = 'system'"),
    )
    op.drop_table("agent_sessions")
    op.drop_index("tasks_newest_idx", table_name="tasks")
    op.drop_index("tasks_board_idx", table_name="tasks")
    op.drop_table("tasks")
    op.drop_index("runtime_dead_letters_state_idx", table_name="runtime_dead_letters")
    op.drop_table("runtime_dead_letters")
    op.drop_table("runtime_command_attempts")
    op.drop_index("api_tokens_person_idx", table_name="api_tokens")
    op.drop_index("api_tokens_agent_idx", table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_index("agent_skills_skill_idx", table_name="agent_skills")
    op.drop_table("agent_skills")
    op.drop_index("runtime_commands_worker_idx", table_name="runtime_commands", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("runtime_commands_type_idx", table_name="runtime_commands")
    op.drop_index("runtime_commands_state_idx", table_name="runtime_commands")
    op.drop_index(
        "runtime_commands_claim_idx",
        table_name="runtime_commands",
        postgresql_where=sa.text("lane_id IS NULL AND state IN ('queued', 'retry_scheduled')"),
    )
    op.drop_index("runtime_commands_lane_idx", table_name="runtime_commands", postgresql_where=sa.text("lane_id IS NOT NULL"))
    op.drop_table("runtime_commands")
    op.drop_table("agents")
    op.drop_table("skills")
    op.drop_table("seed_records")
    op.drop_index("runtime_lanes_worker_idx", table_name="runtime_lanes", postgresql_where=sa.text("state = 'leased'"))
    op.drop_index("runtime_lanes_ready_idx", table_name="runtime_lanes", postgresql_where=sa.text("state = 'ready'"))
    op.drop_table("runtime_lanes")
    op.drop_index("repositories_primary_idx", table_name="repositories", postgresql_where=sa.text("is_primary"))
    op.drop_table("repositories")
    op.drop_index("people_owner_idx", table_name="people", postgresql_where=sa.text("role = 'owner'"))
    op.drop_table("people")
    op.drop_index("idempotency_records_expiry_idx", table_name="idempotency_records")
    op.drop_table("idempotency_records")
    op.drop_table("executor_profiles")
    op.drop_index("events_entity_idx", table_name="events")
    op.drop_table("events")
    op.drop_table("event_batches")
    op.drop_table("event_counters")
    op.drop_table("runtime_workers")
    op.drop_table("accounts")
    op.execute("DROP FUNCTION callboard_now()")
