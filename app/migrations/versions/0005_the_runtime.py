"""The runtime's controls: settings, profiles, pauses, limits, breakers, schedules, alerts, clock; approvals and memory."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

APP, RUNTIME, AUTH = "callboard_app", "callboard_runtime", "callboard_auth"
TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"
NEW = (
    "runtime_settings",
    "runtime_profiles",
    "runtime_pauses",
    "runtime_limits",
    "runtime_breakers",
    "runtime_schedules",
    "runtime_alerts",
    "runtime_deprecation_uses",
    "runtime_memory_snapshots",
    "approvals",
    "approval_votes",
    "approval_delegations",
    "agent_presence",
)
APPEND_ONLY = (
    "runtime_profiles",
    "runtime_memory_snapshots",
)
# What the workers themselves read or write of every account.
OF_RUNTIME = {
    "runtime_settings": "SELECT",
    "runtime_profiles": "SELECT",
    "runtime_pauses": "SELECT",
    "runtime_limits": "SELECT, INSERT, UPDATE",
    "runtime_breakers": "SELECT",
    "runtime_schedules": "SELECT",
    "runtime_alerts": "SELECT, INSERT, UPDATE",
}
DELETABLE = (
    "runtime_settings",
    "runtime_pauses",
    "runtime_limits",
    "runtime_breakers",
    "runtime_schedules",
    "runtime_alerts",
    "runtime_memory_snapshots",
    "approvals",
    "approval_votes",
    "approval_delegations",
    "runtime_commands",
    "runtime_command_attempts",
    "runtime_dead_letters",
    "runtime_lanes",
)
# What is younger than thirty days nobody can take out of the log, and of another account nothing.
PRUNE_EVENTS = f"""
CREATE FUNCTION prune_events(before timestamptz, most integer) RETURNS bigint
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH oldest AS (
        SELECT e.seq, e.at FROM public.events e WHERE e.account_id = {TENANT} ORDER BY e.seq LIMIT least(most, 10000)
    ), gone AS (
        DELETE FROM public.events e USING oldest o
        WHERE e.account_id = {TENANT} AND e.seq = o.seq AND o.at < least(before, public.callboard_now() - interval '30 days')
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$
"""
# Both begin with each account; the second sleeps until an agent is seen.
STANDING = """
INSERT INTO runtime_schedules (account_id, id, name, command_type, cron, interval_seconds, misfire, jitter_seconds, is_enabled,
                               is_system, disabled_reason, next_at, fires_at, version, created_by_kind)
SELECT a.id, gen_random_uuid(), s.name, s.command_type, s.cron, s.interval_seconds, 'run_once', s.jitter_seconds, s.asleep IS NULL,
       true, s.asleep, s.next_at, s.next_at + random() * s.jitter_seconds * interval '1 s', 1, 'system'
FROM accounts a CROSS JOIN (VALUES
    ('retention', 'runtime.retention', '0 3 * * *', NULL::integer, 3600, NULL,
     (date_trunc('day', callboard_now() AT TIME ZONE 'UTC') + interval '27 h') AT TIME ZONE 'UTC'),
    ('liveness', 'agents.sweep_liveness', NULL, 30, 0, 'no agent is online', date_trunc('second', callboard_now()) + interval '30 s')
) AS s (name, command_type, cron, interval_seconds, jitter_seconds, asleep, next_at)
"""
KINDS = ("assignment", "mention", "thread_update", "status_change", "response_request", "ready")
# Queues turn over many times their size: their dead rows are taken away early, and attempts are updated in their page.
VACUUMED = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0"
STORAGE = {
    "runtime_commands": VACUUMED,
    "runtime_command_attempts": f"fillfactor = 70, {VACUUMED}",
    "runtime_lanes": VACUUMED,
    "runtime_limits": VACUUMED,
    "event_counters": VACUUMED,
    "event_batches": VACUUMED,
}
LANE_STATES = "ALTER TABLE runtime_lanes DROP CONSTRAINT runtime_lanes_state_check, ADD CONSTRAINT runtime_lanes_state_check CHECK (state IN ({}))"


def upgrade() -> None:
    op.create_table(
        "runtime_clock",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "mode",
            sa.Enum("system", "simulated", name="runtime_clock_mode_check", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(mode = 'simulated') = (at IS NOT NULL)", name="runtime_clock_at_check"),
        sa.CheckConstraint("id = 1", name="runtime_clock_one_check"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "runtime_metrics",
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("samples", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.PrimaryKeyConstraint("process_id"),
        postgresql_with={"fillfactor": 50},
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "runtime_alerts",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column(
            "severity",
            sa.Enum(
                "info",
                "warning",
                "critical",
                name="runtime_alerts_severity_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("entity_kind", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=True),
        sa.Column("seen", sa.Integer(), server_default="1", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index(
        "runtime_alerts_open_idx",
        "runtime_alerts",
        ["account_id", "fingerprint"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index("runtime_alerts_newest_idx", "runtime_alerts", ["account_id", "opened_at", "id"], unique=False)
    op.create_table(
        "runtime_breakers",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("dependency", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "closed",
                "open",
                "half_open",
                name="runtime_breakers_state_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("first_failure_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "dependency"),
    )
    op.create_table(
        "runtime_deprecation_uses",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "name"),
    )
    op.create_table(
        "runtime_limits",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "key"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "runtime_memory_snapshots",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("memory_id", sa.Uuid(), nullable=False),
        sa.Column(
            "scope_type",
            sa.Enum(
                "run", "agent", "user", name="runtime_memory_scope_check", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("scope_key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "tier",
            sa.Enum(
                "working", "long_term", name="runtime_memory_tier_check", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum("active", "deleted", name="runtime_memory_state_check", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.Column(
            "author_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="runtime_memory_author_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.CheckConstraint("version > 0", name="runtime_memory_positive_check"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "memory_id", "version", name="runtime_memory_id_key"),
        sa.UniqueConstraint("account_id", "scope_type", "scope_key", "name", "version", name="runtime_memory_version_key"),
    )
    op.create_index(
        "runtime_memory_expiry_idx",
        "runtime_memory_snapshots",
        ["account_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "runtime_pauses",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "all", "queue", "type", name="runtime_pauses_kind_check", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column(
            "paused_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="runtime_pauses_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("paused_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "kind", "name"),
    )
    op.create_table(
        "runtime_profiles",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("expected_effect", sa.String(), nullable=True),
        sa.Column("rollback_condition", sa.String(), nullable=True),
        sa.Column("restores_version", sa.Integer(), nullable=True),
        sa.Column(
            "changed_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="runtime_profiles_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("changed_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "name", "version"),
    )
    op.create_table(
        "runtime_schedules",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("command_type", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("cron", sa.String(), nullable=True),
        sa.Column("interval_seconds", sa.Integer(), nullable=True),
        sa.Column("timezone", sa.String(), server_default="UTC", nullable=False),
        sa.Column(
            "misfire",
            sa.Enum(
                "skip",
                "run_once",
                "catch_up",
                name="runtime_schedules_misfire_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("catch_up_most", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("jitter_seconds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("active_hours", sa.String(), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_system", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("disabled_reason", sa.String(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("fires_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("last_tick_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_command_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="runtime_schedules_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("enabled_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.CheckConstraint("(cron IS NULL) <> (interval_seconds IS NULL)", name="runtime_schedules_kind_check"),
        sa.CheckConstraint("interval_seconds > 0", name="runtime_schedules_interval_check"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "name", name="runtime_schedules_name_key"),
    )
    op.create_index(
        "runtime_schedules_due_idx",
        "runtime_schedules",
        ["fires_at", "account_id"],
        unique=False,
        postgresql_where=sa.text("is_enabled"),
    )
    op.create_table(
        "runtime_settings",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column(
            "changed_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="runtime_settings_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("changed_by_id", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "name"),
    )
    op.create_table(
        "approval_delegations",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("from_person_id", sa.Uuid(), nullable=False),
        sa.Column("to_person_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.CheckConstraint("from_person_id <> to_person_id", name="approval_delegations_self_check"),
        sa.ForeignKeyConstraint(
            ["account_id", "from_person_id"], ["people.account_id", "people.id"], name="approval_delegations_from_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "to_person_id"], ["people.account_id", "people.id"], name="approval_delegations_to_fkey"
        ),
        sa.PrimaryKeyConstraint("account_id", "from_person_id"),
    )
    op.create_index("approval_delegations_to_idx", "approval_delegations", ["account_id", "to_person_id"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "approved",
                "denied",
                "expired",
                "canceled",
                "stale",
                name="approvals_state_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("quorum", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column(
            "min_role",
            sa.Enum(
                "owner",
                "admin",
                "member",
                "viewer",
                name="approvals_role_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "requested_by_kind",
            sa.Enum(
                "person", "agent", "system", name="approvals_by_kind_check", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("requested_by_id", sa.Uuid(), nullable=True),
        sa.Column("target_kind", sa.String(), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("target_version", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("quorum BETWEEN 1 AND 10", name="approvals_quorum_check"),
        sa.ForeignKeyConstraint(
            ["account_id", "command_id"],
            ["runtime_commands.account_id", "runtime_commands.id"],
            name="approvals_command_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index(
        "approvals_pending_idx",
        "approvals",
        ["account_id", "command_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("approvals_state_idx", "approvals", ["account_id", "state", "id"], unique=False)
    op.create_index("approvals_command_idx", "approvals", ["account_id", "command_id"], unique=False)
    op.create_table(
        "approval_votes",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("approval_id", sa.Uuid(), nullable=False),
        sa.Column("on_behalf_of_id", sa.Uuid(), nullable=False),
        sa.Column("voter_id", sa.Uuid(), nullable=False),
        sa.Column(
            "vote",
            sa.Enum("approve", "deny", name="approval_votes_vote_check", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "approval_id"],
            ["approvals.account_id", "approvals.id"],
            name="approval_votes_approval_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "on_behalf_of_id"], ["people.account_id", "people.id"], name="approval_votes_voice_fkey"
        ),
        sa.ForeignKeyConstraint(["account_id", "voter_id"], ["people.account_id", "people.id"], name="approval_votes_voter_fkey"),
        sa.PrimaryKeyConstraint("account_id", "approval_id", "on_behalf_of_id"),
    )
    op.add_column("runtime_command_attempts", sa.Column("result_summary", sa.String(), nullable=True))
    op.add_column("runtime_command_attempts", sa.Column("token_usage", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("runtime_command_attempts", sa.Column("cost_usd", sa.Numeric(precision=14, scale=6), nullable=True))
    op.add_column("runtime_command_attempts", sa.Column("executor", sa.String(), nullable=True))
    op.add_column("runtime_commands", sa.Column("queue", sa.String(), server_default="inbound", nullable=False))
    op.add_column("runtime_commands", sa.Column("spent", sa.Integer(), server_default="0", nullable=False))
    op.add_column("runtime_commands", sa.Column("held_by", sa.String(), nullable=True))
    op.add_column("runtime_commands", sa.Column("schedule_id", sa.Uuid(), nullable=True))
    op.add_column("runtime_commands", sa.Column("first_started_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runtime_commands", sa.Column("retention_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "runtime_commands_cause_idx",
        "runtime_commands",
        ["account_id", "cause_id"],
        unique=False,
        postgresql_where=sa.text("cause_id IS NOT NULL"),
    )
    op.create_index(
        "runtime_commands_due_idx",
        "runtime_commands",
        ["account_id", "queue", "run_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'retry_scheduled')"),
    )
    op.create_index(
        "runtime_commands_held_idx",
        "runtime_commands",
        ["account_id", "held_by", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "runtime_commands_retention_idx",
        "runtime_commands",
        ["retention_until"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )
    op.create_index(
        "runtime_commands_schedule_idx",
        "runtime_commands",
        ["account_id", "schedule_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("schedule_id IS NOT NULL"),
    )
    op.add_column("runtime_dead_letters", sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runtime_dead_letters", sa.Column("replayed_by_id", sa.Uuid(), nullable=True))
    op.add_column("runtime_dead_letters", sa.Column("replay_request_id", sa.String(), nullable=True))
    op.add_column("runtime_dead_letters", sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("runtime_dead_letters", sa.Column("discarded_by_id", sa.Uuid(), nullable=True))
    op.add_column("runtime_dead_letters", sa.Column("discard_reason", sa.String(), nullable=True))
    op.add_column("runtime_dead_letters", sa.Column("retention_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "runtime_dead_letters_cause_idx",
        "runtime_dead_letters",
        ["account_id", "reason_class", "state", "created_at"],
        unique=False,
    )
    op.create_index(
        "runtime_dead_letters_retention_idx",
        "runtime_dead_letters",
        ["account_id", "retention_until"],
        unique=False,
        postgresql_where=sa.text("retention_until IS NOT NULL"),
    )
    op.add_column("runtime_lanes", sa.Column("limit_keys", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("runtime_lanes", sa.Column("held_keys", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("runtime_lanes", sa.Column("waits_for", sa.String(), nullable=True))
    for table, options in STORAGE.items():
        op.execute(f"ALTER TABLE {table} SET ({options})")
    op.execute(LANE_STATES.format("'idle', 'ready', 'waiting', 'leased', 'halted'"))
    op.create_index(
        "runtime_lanes_account_idx",
        "runtime_lanes",
        ["account_id", "ready_at"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "runtime_lanes_waiting_idx",
        "runtime_lanes",
        ["account_id", "waits_for", "ready_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "agent_presence",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("online", "offline", name="agent_presence_state_check", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id", "agent_id"], ["agents.account_id", "agents.id"], name="agent_presence_agent_fkey"),
        sa.PrimaryKeyConstraint("account_id", "agent_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.drop_constraint("notifications_command_fkey", "notifications", type_="foreignkey")
    _kinds((*KINDS, "presence"))
    op.execute("INSERT INTO runtime_clock (id, mode) VALUES (1, 'system')")
    # The owner is bound by its own policies, and none of them lets it read.
    op.execute("ALTER TABLE accounts NO FORCE ROW LEVEL SECURITY")
    op.execute(STANDING)
    op.execute("ALTER TABLE accounts FORCE ROW LEVEL SECURITY")
    _wall()
    _make_pruning()


def _wall() -> None:
    for table in NEW:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {APP} USING (account_id = (SELECT {TENANT}))")
        op.execute(f"GRANT SELECT, INSERT{'' if table in APPEND_ONLY else ', UPDATE'} ON {table} TO {APP}")
    for table, rights in OF_RUNTIME.items():
        op.execute(f"CREATE POLICY every_account ON {table} TO {RUNTIME} USING (true)")
        op.execute(f"GRANT {rights} ON {table} TO {RUNTIME}")
    for table in DELETABLE:
        op.execute(f"GRANT DELETE ON {table} TO {APP}")
    op.execute(f"GRANT SELECT ON runtime_clock TO {APP}, {RUNTIME}, {AUTH}")
    op.execute(f"GRANT UPDATE ON runtime_clock TO {RUNTIME}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON runtime_metrics TO {RUNTIME}")


def _kinds(kinds: tuple[str, ...]) -> None:
    op.drop_constraint("notifications_type_check", "notifications", type_="check")
    op.create_check_constraint(
        "notifications_type_check", "notifications", f"type IN ({', '.join(repr(kind) for kind in kinds)})"
    )


def _make_pruning() -> None:
    op.execute(f"CREATE POLICY pruning ON events TO {AUTH} USING (account_id = (SELECT {TENANT}))")
    op.execute(f"GRANT SELECT, DELETE ON events TO {AUTH}")
    # A new owner needs CREATE for the moment in which it becomes the owner.
    op.execute(f"GRANT CREATE ON SCHEMA public TO {AUTH}")
    op.execute(PRUNE_EVENTS)
    op.execute(f"ALTER FUNCTION prune_events(timestamptz, integer) OWNER TO {AUTH}")
    op.execute("REVOKE ALL ON FUNCTION prune_events(timestamptz, integer) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION prune_events(timestamptz, integer) TO {APP}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {AUTH}")


def downgrade() -> None:
    for table in ("runtime_commands", "runtime_command_attempts", "runtime_lanes", "event_counters", "event_batches"):
        op.execute(f"ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay)")
    op.execute("ALTER TABLE runtime_command_attempts RESET (fillfactor)")
    op.execute("DROP FUNCTION prune_events(timestamptz, integer)")
    op.execute("DROP POLICY pruning ON events")
    op.execute(f"REVOKE SELECT, DELETE ON events FROM {AUTH}")
    op.drop_table("agent_presence")
    _restore_notifications()
    for table in ("runtime_commands", "runtime_command_attempts", "runtime_dead_letters", "runtime_lanes"):
        op.execute(f"REVOKE DELETE ON {table} FROM {APP}")
    op.drop_index("runtime_lanes_waiting_idx", table_name="runtime_lanes", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index("runtime_lanes_account_idx", table_name="runtime_lanes", postgresql_where=sa.text("state = 'ready'"))
    op.execute("UPDATE runtime_lanes SET state = 'ready' WHERE state IN ('halted', 'waiting')")
    op.execute(LANE_STATES.format("'idle', 'ready', 'leased'"))
    op.drop_column("runtime_lanes", "waits_for")
    op.drop_column("runtime_lanes", "held_keys")
    op.drop_column("runtime_lanes", "limit_keys")
    op.drop_index(
        "runtime_dead_letters_retention_idx",
        table_name="runtime_dead_letters",
        postgresql_where=sa.text("retention_until IS NOT NULL"),
    )
    op.drop_index("runtime_dead_letters_cause_idx", table_name="runtime_dead_letters")
    op.drop_column("runtime_dead_letters", "retention_until")
    op.drop_column("runtime_dead_letters", "discard_reason")
    op.drop_column("runtime_dead_letters", "discarded_by_id")
    op.drop_column("runtime_dead_letters", "resolved_at")
    op.drop_column("runtime_dead_letters", "replay_request_id")
    op.drop_column("runtime_dead_letters", "replayed_by_id")
    op.drop_column("runtime_dead_letters", "replayed_at")
    op.drop_index(
        "runtime_commands_schedule_idx", table_name="runtime_commands", postgresql_where=sa.text("schedule_id IS NOT NULL")
    )
    op.drop_index(
        "runtime_commands_retention_idx",
        table_name="runtime_commands",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )
    op.drop_index("runtime_commands_held_idx", table_name="runtime_commands", postgresql_where=sa.text("state = 'held'"))
    op.drop_index(
        "runtime_commands_due_idx",
        table_name="runtime_commands",
        postgresql_where=sa.text("state IN ('queued', 'retry_scheduled')"),
    )
    op.drop_index("runtime_commands_cause_idx", table_name="runtime_commands", postgresql_where=sa.text("cause_id IS NOT NULL"))
    op.drop_column("runtime_commands", "retention_until")
    op.drop_column("runtime_commands", "first_started_at")
    op.drop_column("runtime_commands", "schedule_id")
    op.drop_column("runtime_commands", "held_by")
    op.drop_column("runtime_commands", "spent")
    op.drop_column("runtime_commands", "queue")
    op.drop_column("runtime_command_attempts", "executor")
    op.drop_column("runtime_command_attempts", "cost_usd")
    op.drop_column("runtime_command_attempts", "token_usage")
    op.drop_column("runtime_command_attempts", "result_summary")
    op.drop_table("approval_votes")
    op.drop_index("approvals_command_idx", table_name="approvals")
    op.drop_index("approvals_state_idx", table_name="approvals")
    op.drop_index("approvals_pending_idx", table_name="approvals", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("approvals")
    op.drop_table("approval_delegations")
    op.drop_table("runtime_settings")
    op.drop_index("runtime_schedules_due_idx", table_name="runtime_schedules", postgresql_where=sa.text("is_enabled"))
    op.drop_table("runtime_schedules")
    op.drop_table("runtime_profiles")
    op.drop_table("runtime_pauses")
    op.drop_index(
        "runtime_memory_expiry_idx", table_name="runtime_memory_snapshots", postgresql_where=sa.text("expires_at IS NOT NULL")
    )
    op.drop_table("runtime_memory_snapshots")
    op.drop_table("runtime_limits")
    op.drop_table("runtime_deprecation_uses")
    op.drop_table("runtime_breakers")
    op.drop_index("runtime_alerts_newest_idx", table_name="runtime_alerts")
    op.drop_index("runtime_alerts_open_idx", table_name="runtime_alerts", postgresql_where=sa.text("cleared_at IS NULL"))
    op.drop_table("runtime_alerts")
    op.drop_table("runtime_metrics")
    op.execute(
        "CREATE OR REPLACE FUNCTION callboard_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT transaction_timestamp()'"
    )
    op.drop_table("runtime_clock")


def _restore_notifications() -> None:
    for table in ("notifications", "runtime_commands"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE notifications n SET command_id = NULL WHERE NOT EXISTS "
        "(SELECT FROM runtime_commands c WHERE c.account_id = n.account_id AND c.id = n.command_id)"
    )
    op.execute("DELETE FROM notifications WHERE type = 'presence'")
    _kinds(KINDS)
    for table in ("notifications", "runtime_commands"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.create_foreign_key(
        "notifications_command_fkey", "notifications", "runtime_commands", ["account_id", "command_id"], ["account_id", "id"]
    )
