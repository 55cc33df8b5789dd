"""Delivery, whole: rounds and calls, positions in threads, guards against loops, budgets, gateways, templates of accounts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

APP, RUNTIME, AUTH = "callboard_app", "callboard_runtime", "callboard_auth"
TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"
NEW = (
    "budgets",
    "budget_reservations",
    "usage_records",
    "prompt_templates",
    "gateway_presence",
    "agent_wakeups",
    "task_guards",
    "thread_positions",
    "delivery_rounds",
    "delivery_calls",
)
APPEND_ONLY = ("usage_records", "prompt_templates", "delivery_calls")
DELETABLE = ("budget_reservations", "usage_records", "gateway_presence")
# What has ended is forgotten in time.
FORGETTABLE = ("notifications", "deliveries", "delivery_rounds", "delivery_calls")
# What an admin may take away.
REMOVABLE = ("executor_profiles",)
KINDS = ("assignment", "mention", "thread_update", "status_change", "response_request", "ready", "presence")
NEW_KINDS = ("wakeup", "quarantine", "budget")
OPENED = (
    "tasks",
    "messages",
    "notifications",
    "deliveries",
    "agents",
    "executor_profiles",
    "task_subscribers",
    "thread_positions",
    "accounts",
    "runtime_schedules",
)
# In the order in which they were written, as well as that is known.
COUNT_THREADS = (
    """
UPDATE messages m SET position = o.position
FROM (SELECT account_id, id, row_number() OVER (PARTITION BY account_id, task_id ORDER BY created_at, id) AS position
      FROM messages) o
WHERE m.account_id = o.account_id AND m.id = o.id
""",
    """
UPDATE tasks t SET message_count = o.messages
FROM (SELECT account_id, task_id, count(*) AS messages FROM messages GROUP BY 1, 2) o
WHERE t.account_id = o.account_id AND t.id = o.task_id
""",
    """
INSERT INTO thread_positions (account_id, task_id, agent_id, seen, seen_at)
SELECT s.account_id, s.task_id, a.id, t.message_count, callboard_now() FROM task_subscribers s
JOIN agents a ON a.account_id = s.account_id AND a.id = s.principal_id
JOIN tasks t ON t.account_id = s.account_id AND t.id = s.task_id
""",
    "UPDATE notifications SET taken_at = coalesce(offered_at, created_at) WHERE recipient_kind = 'agent'",
)
# It sleeps until something is reserved.
SWEEP_BUDGETS = """
INSERT INTO runtime_schedules (account_id, id, name, command_type, interval_seconds, misfire, jitter_seconds, is_enabled,
                               is_system, disabled_reason, next_at, fires_at, version, created_by_kind)
SELECT a.id, gen_random_uuid(), 'budgets', 'usage.sweep', 300, 'run_once', 0, false, true, 'nothing is reserved',
       date_trunc('second', callboard_now()) + interval '300 s', date_trunc('second', callboard_now()) + interval '300 s', 1, 'system'
FROM accounts a
"""
# Looks whom to wake, until it finds that there is nobody.
WAKE = """
INSERT INTO runtime_schedules (account_id, id, name, command_type, interval_seconds, misfire, jitter_seconds, is_enabled,
                               is_system, next_at, fires_at, version, created_by_kind)
SELECT a.id, gen_random_uuid(), 'wakeups', 'agent.wake_due', 60, 'run_once', 0, true, true,
    date_trunc('second', callboard_now()) + interval '60 s', date_trunc('second', callboard_now()) + interval '60 s', 1, 'system'
FROM accounts a
"""
# Ends what was not acknowledged, until it finds nobody who would.
EXPIRE = """
INSERT INTO runtime_schedules (account_id, id, name, command_type, interval_seconds, misfire, jitter_seconds, is_enabled,
                               is_system, next_at, fires_at, version, created_by_kind)
SELECT a.id, gen_random_uuid(), 'expiry', 'notifications.expire', 900, 'run_once', 0, true, true,
    date_trunc('second', callboard_now()) + interval '900 s', date_trunc('second', callboard_now()) + interval '900 s', 1, 'system'
FROM accounts a
"""
# It sleeps while no agent is reached through a gateway.
PROBE = """
INSERT INTO runtime_schedules (account_id, id, name, command_type, interval_seconds, misfire, jitter_seconds, is_enabled,
                               is_system, disabled_reason, next_at, fires_at, version, created_by_kind)
SELECT a.id, gen_random_uuid(), 'gateways', 'gateway.probe', 30, 'run_once', 0, u.is_used, true,
    CASE WHEN NOT u.is_used THEN 'no agent is reached through a gateway' END,
    date_trunc('second', callboard_now()) + interval '30 s', date_trunc('second', callboard_now()) + interval '30 s', 1, 'system'
FROM accounts a CROSS JOIN LATERAL (SELECT EXISTS (
    SELECT FROM agents o WHERE o.account_id = a.id AND o.reach = 'gateway' AND o.retired_at IS NULL) AS is_used) u
"""
# How many gateways do not answer, told without naming any.
GATEWAYS_OFFLINE = """
CREATE FUNCTION gateways_offline() RETURNS TABLE (gateways bigint, accounts bigint, since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*), count(DISTINCT g.account_id), min(g.changed_at)
    FROM (SELECT account_id, changed_at FROM public.gateway_presence WHERE state = 'offline' LIMIT 1000) g
$$
"""
# How full the budgets of all accounts are, told without naming any; one of a period that is over counts as begun anew.
BUDGET_SHARES = """
CREATE FUNCTION budget_shares() RETURNS TABLE (scope text, unit text, many bigint, soft bigint, highest float8)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.scope, s.unit, count(*), count(*) FILTER (WHERE s.share * 100 >= s.soft_percent), max(s.share)::float8 FROM (
        SELECT b.scope, b.unit, b.soft_percent, CASE
            WHEN b.amount + b.extra = 0 THEN 1
            WHEN b.period <> 'none' AND b.period_at < date_trunc(b.period, public.callboard_now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
                THEN 0
            ELSE b.spent / (b.amount + b.extra) END AS share
        FROM public.budgets b WHERE b.removed_at IS NULL LIMIT 100000
    ) s GROUP BY s.scope, s.unit
$$
"""
# What was sent and what came back becomes the first round of its last asking.
MAKE_ROUNDS = (
    """
INSERT INTO delivery_rounds (account_id, notification_id, ask, round, profile, adapter, request, sends, answer, answer_status,
                             answer_type, usage, sent_at, answered_at)
SELECT account_id, notification_id, silences, 0, 'default', 'responses', request, sends, answer, answer_status, answer_type, usage,
    rendered_at, answered_at
FROM deliveries WHERE sends > 0
""",
    """
UPDATE deliveries SET template_source = 'built_in', asks = silences, prompt = convert_to(jsonb_build_object(
    'instructions', coalesce(convert_from(request, 'UTF8')::jsonb ->> 'instructions', ''),
    'input', convert_from(request, 'UTF8')::jsonb ->> 'input', 'tools', '[]'::jsonb)::text, 'UTF8')
""",
)
UNMAKE_ROUNDS = (
    """
UPDATE deliveries d SET request = coalesce((
    SELECT r.request FROM delivery_rounds r WHERE r.account_id = d.account_id AND r.notification_id = d.notification_id
    ORDER BY r.ask DESC, r.round LIMIT 1), d.prompt)
""",
)


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "scope",
            sa.Enum("account", "agent", "task", name="budgets_scope_check", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("scope_id", sa.Uuid(), nullable=True),
        sa.Column(
            "unit",
            sa.Enum("usd", "tokens", "runs", name="budgets_unit_check", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column(
            "period",
            sa.Enum(
                "none",
                "hour",
                "day",
                "week",
                "month",
                name="budgets_period_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("amount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("estimate", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("least", sa.Numeric(precision=18, scale=6), server_default="0", nullable=False),
        sa.Column("extra", sa.Numeric(precision=18, scale=6), server_default="0", nullable=False),
        sa.Column("assumed", sa.Numeric(precision=18, scale=6), server_default="0", nullable=False),
        sa.Column("soft_percent", sa.SmallInteger(), nullable=False),
        sa.Column("spent", sa.Numeric(precision=18, scale=6), server_default="0", nullable=False),
        sa.Column("reserved", sa.Numeric(precision=18, scale=6), server_default="0", nullable=False),
        sa.Column("period_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("soft_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="budgets_created_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(scope = 'account') = (scope_id IS NULL)", name="budgets_scope_id_check"),
        sa.CheckConstraint("amount >= 0 AND spent >= 0 AND reserved >= 0 AND estimate >= 0", name="budgets_amounts_check"),
        sa.CheckConstraint("least >= 0 AND extra >= 0 AND assumed >= 0", name="budgets_parts_check"),
        sa.CheckConstraint("soft_percent BETWEEN 1 AND 100", name="budgets_soft_check"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(
        "budgets_binding_idx",
        "budgets",
        ["account_id", "scope", "scope_id", "unit", "period"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "prompt_templates",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.String(), nullable=True),
        sa.Column(
            "created_by_kind",
            sa.Enum(
                "person",
                "agent",
                "system",
                name="prompt_templates_created_by_kind_check",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "name", "version"),
    )
    op.create_table(
        "usage_records",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("ask", sa.SmallInteger(), nullable=False),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "run_id", "ask", "round", name="usage_records_round_key"),
    )
    op.create_index("usage_records_agent_idx", "usage_records", ["account_id", "agent_id", "at"], unique=False)
    op.create_index("usage_records_at_idx", "usage_records", ["account_id", "at"], unique=False)
    op.create_index(
        "usage_records_task_idx",
        "usage_records",
        ["account_id", "task_id", "at"],
        unique=False,
        postgresql_where=sa.text("task_id IS NOT NULL"),
    )
    op.create_table(
        "budget_reservations",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("spent", sa.Numeric(precision=18, scale=6), server_default="0", nullable=False),
        sa.Column("waits_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "budget_id"], ["budgets.account_id", "budgets.id"], name="budget_reservations_budget_fkey"
        ),
        sa.PrimaryKeyConstraint("account_id", "run_id", "budget_id"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "budget_reservations_open_idx",
        "budget_reservations",
        ["account_id", "budget_id"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "budget_reservations_closed_idx",
        "budget_reservations",
        ["account_id", "closed_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NOT NULL"),
    )
    op.create_table(
        "gateway_presence",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("profile_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "online", "offline", name="gateway_presence_state_check", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "profile_id"],
            ["executor_profiles.account_id", "executor_profiles.id"],
            name="gateway_presence_profile_fkey",
        ),
        sa.PrimaryKeyConstraint("account_id", "profile_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "agent_wakeups",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("woken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pauses", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("shown", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["account_id", "agent_id"], ["agents.account_id", "agents.id"], name="agent_wakeups_agent_fkey"),
        sa.PrimaryKeyConstraint("account_id", "agent_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "task_guards",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("credits", sa.SmallInteger(), nullable=False),
        sa.Column("spent_for", sa.Uuid(), nullable=True),
        sa.Column("wakes", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("wakes_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_guards_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "task_id"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "thread_positions",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "agent_id"], ["agents.account_id", "agents.id"], name="thread_positions_agent_fkey"
        ),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="thread_positions_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "task_id", "agent_id"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_table(
        "delivery_calls",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("ask", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("round", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("arguments", sa.String(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "notification_id"],
            ["notifications.account_id", "notifications.id"],
            name="delivery_calls_notification_fkey",
        ),
        sa.PrimaryKeyConstraint("account_id", "notification_id", "ask", "round", "index"),
    )
    op.create_table(
        "delivery_rounds",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("ask", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("round", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("adapter", sa.String(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("failed_over", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("answer_status", sa.SmallInteger(), nullable=True),
        sa.Column("answer_type", sa.String(), nullable=True),
        sa.Column("usage", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "notification_id"],
            ["notifications.account_id", "notifications.id"],
            name="delivery_rounds_notification_fkey",
        ),
        sa.PrimaryKeyConstraint("account_id", "notification_id", "ask", "round"),
    )
    op.add_column("agent_presence", sa.Column("interval_seconds", sa.Integer(), nullable=True))
    op.add_column("agents", sa.Column("wake_minutes", sa.SmallInteger(), server_default="15", nullable=False))
    op.add_column("deliveries", sa.Column("prompt", sa.LargeBinary(), nullable=True))
    op.add_column("deliveries", sa.Column("template_source", sa.String(), nullable=True))
    op.add_column("deliveries", sa.Column("seen", sa.Integer(), server_default="0", nullable=False))
    op.add_column("deliveries", sa.Column("asks", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("deliveries", sa.Column("outcome", sa.String(), nullable=True))
    op.add_column("deliveries", sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("executor_profiles", sa.Column("timeout_seconds", sa.Integer(), nullable=True))
    op.add_column(
        "executor_profiles", sa.Column("failover", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("executor_profiles", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "executor_profiles",
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("callboard_now()"), nullable=False),
    )
    op.add_column("messages", sa.Column("position", sa.Integer(), nullable=True))
    op.add_column("notifications", sa.Column("merged", sa.Integer(), server_default="0", nullable=False))
    op.add_column("notifications", sa.Column("cause_id", sa.Uuid(), nullable=True))
    op.add_column("notifications", sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("message_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tasks", sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("quarantine_reason", sa.String(), nullable=True))
    op.create_check_constraint("tasks_quarantine_check", "tasks", "(quarantined_at IS NULL) = (quarantine_reason IS NULL)")
    op.create_check_constraint("agents_wake_minutes_check", "agents", "wake_minutes BETWEEN 0 AND 1440")
    op.create_check_constraint(
        "executor_profiles_adapter_check", "executor_profiles", "adapter IN ('responses', 'chat', 'process', 'mcp', 'scripted')"
    )
    _kinds((*KINDS, *NEW_KINDS))
    _opened((*COUNT_THREADS, *MAKE_ROUNDS, SWEEP_BUDGETS, WAKE, PROBE, EXPIRE))
    op.alter_column("deliveries", "prompt", nullable=False)
    op.alter_column("deliveries", "template_source", nullable=False)
    op.alter_column("messages", "position", nullable=False)
    op.create_unique_constraint("messages_position_key", "messages", ["account_id", "task_id", "position"])
    op.create_index("notifications_recipient_idx", "notifications", ["account_id", "recipient_id", "state", "id"], unique=False)
    op.drop_index("notifications_queued_idx", table_name="notifications", postgresql_where=sa.text("state = 'queued'"))
    op.create_index(
        "notifications_pending_idx",
        "notifications",
        ["account_id", "task_id", "recipient_id"],
        unique=True,
        postgresql_where=sa.text("type = 'thread_update' AND recipient_kind = 'agent' AND state = 'queued' AND taken_at IS NULL"),
    )
    op.create_index(
        "notifications_people_idx",
        "notifications",
        ["account_id", "recipient_id", "id"],
        unique=False,
        postgresql_where=sa.text("recipient_kind = 'person'"),
    )
    op.drop_column("deliveries", "sends")
    op.drop_column("deliveries", "usage")
    op.drop_column("deliveries", "answered_at")
    op.drop_column("deliveries", "answer_type")
    op.drop_column("deliveries", "answer_status")
    op.drop_column("deliveries", "answer")
    op.drop_column("deliveries", "request")
    _wall()


def _opened(statements: tuple[str, ...]) -> None:
    """Change rows of every account, which the wall keeps from its owner too."""
    for table in OPENED:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for statement in statements:
        op.execute(statement)
    for table in OPENED:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _kinds(kinds: tuple[str, ...]) -> None:
    op.drop_constraint("notifications_type_check", "notifications", type_="check")
    op.create_check_constraint(
        "notifications_type_check", "notifications", f"type IN ({', '.join(repr(kind) for kind in kinds)})"
    )


def _wall() -> None:
    for table in NEW:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {APP} USING (account_id = (SELECT {TENANT}))")
        op.execute(f"GRANT SELECT, INSERT{'' if table in APPEND_ONLY else ', UPDATE'} ON {table} TO {APP}")
    for table in (*DELETABLE, *FORGETTABLE, *REMOVABLE):
        op.execute(f"GRANT DELETE ON {table} TO {APP}")
    _tell_of_budgets()
    _tell_of_gateways()


def _tell_of_gateways() -> None:
    op.execute(f"CREATE POLICY identity ON gateway_presence FOR SELECT TO {AUTH} USING (true)")
    op.execute(f"GRANT SELECT ON gateway_presence TO {AUTH}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {AUTH}")
    op.execute(GATEWAYS_OFFLINE)
    op.execute(f"ALTER FUNCTION gateways_offline() OWNER TO {AUTH}")
    op.execute("REVOKE ALL ON FUNCTION gateways_offline() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION gateways_offline() TO {RUNTIME}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {AUTH}")


def _tell_of_budgets() -> None:
    op.execute(f"CREATE POLICY identity ON budgets FOR SELECT TO {AUTH} USING (true)")
    op.execute(f"GRANT SELECT ON budgets TO {AUTH}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {AUTH}")
    op.execute(BUDGET_SHARES)
    op.execute(f"ALTER FUNCTION budget_shares() OWNER TO {AUTH}")
    op.execute("REVOKE ALL ON FUNCTION budget_shares() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION budget_shares() TO {RUNTIME}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {AUTH}")


def downgrade() -> None:
    op.add_column("deliveries", sa.Column("sends", sa.Integer(), server_default="0", nullable=False))
    op.add_column("deliveries", sa.Column("request", postgresql.BYTEA(), autoincrement=False, nullable=True))
    op.add_column("deliveries", sa.Column("answer", postgresql.BYTEA(), autoincrement=False, nullable=True))
    op.add_column("deliveries", sa.Column("answer_status", sa.SMALLINT(), autoincrement=False, nullable=True))
    op.add_column("deliveries", sa.Column("answer_type", sa.VARCHAR(), autoincrement=False, nullable=True))
    op.add_column("deliveries", sa.Column("answered_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=True))
    op.add_column("deliveries", sa.Column("usage", postgresql.JSONB(astext_type=sa.Text()), autoincrement=False, nullable=True))
    _opened(
        (
            *UNMAKE_ROUNDS,
            "DELETE FROM deliveries WHERE notification_id IN (SELECT id FROM notifications WHERE type = 'wakeup')",
            "DELETE FROM delivery_rounds",
            "DELETE FROM delivery_calls",
            "DELETE FROM notifications WHERE type IN ('wakeup', 'quarantine', 'budget')",
            "DELETE FROM runtime_schedules WHERE is_system AND name IN ('budgets', 'gateways', 'wakeups', 'expiry')",
        )
    )
    for table in ("notifications", "deliveries", *REMOVABLE):
        op.execute(f"REVOKE DELETE ON {table} FROM {APP}")
    op.alter_column("deliveries", "request", nullable=False)
    _kinds(KINDS)
    op.drop_constraint("tasks_quarantine_check", "tasks", type_="check")
    op.drop_constraint("agents_wake_minutes_check", "agents", type_="check")
    op.drop_constraint("executor_profiles_adapter_check", "executor_profiles", type_="check")
    op.drop_column("deliveries", "settled_at")
    op.drop_column("deliveries", "outcome")
    op.drop_column("deliveries", "asks")
    op.drop_column("deliveries", "seen")
    op.drop_column("deliveries", "template_source")
    op.drop_column("deliveries", "prompt")
    op.drop_column("tasks", "quarantine_reason")
    op.drop_column("tasks", "quarantined_at")
    op.drop_column("tasks", "message_count")
    op.create_index(
        "notifications_queued_idx",
        "notifications",
        ["account_id", "recipient_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_index("notifications_recipient_idx", table_name="notifications")
    op.drop_index("notifications_people_idx", table_name="notifications", postgresql_where=sa.text("recipient_kind = 'person'"))
    op.drop_index(
        "notifications_pending_idx",
        table_name="notifications",
        postgresql_where=sa.text("type = 'thread_update' AND recipient_kind = 'agent' AND state = 'queued' AND taken_at IS NULL"),
    )
    op.drop_column("notifications", "taken_at")
    op.drop_column("notifications", "cause_id")
    op.drop_column("notifications", "merged")
    op.drop_constraint("messages_position_key", "messages", type_="unique")
    op.drop_column("messages", "position")
    op.drop_column("executor_profiles", "updated_at")
    op.drop_column("executor_profiles", "version")
    op.drop_column("executor_profiles", "failover")
    op.drop_column("executor_profiles", "timeout_seconds")
    op.drop_column("agents", "wake_minutes")
    op.drop_column("agent_presence", "interval_seconds")
    op.drop_table("delivery_rounds")
    op.drop_table("delivery_calls")
    op.drop_table("thread_positions")
    op.drop_table("task_guards")
    op.drop_table("agent_wakeups")
    op.execute("DROP FUNCTION gateways_offline()")
    op.drop_table("gateway_presence")
    op.drop_index(
        "budget_reservations_closed_idx", table_name="budget_reservations", postgresql_where=sa.text("closed_at IS NOT NULL")
    )
    op.drop_index("budget_reservations_open_idx", table_name="budget_reservations", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_table("budget_reservations")
    op.drop_index("usage_records_task_idx", table_name="usage_records", postgresql_where=sa.text("task_id IS NOT NULL"))
    op.drop_index("usage_records_at_idx", table_name="usage_records")
    op.drop_index("usage_records_agent_idx", table_name="usage_records")
    op.drop_table("usage_records")
    op.drop_table("prompt_templates")
    op.drop_index(
        "budgets_binding_idx",
        table_name="budgets",
        postgresql_where=sa.text("removed_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.execute("DROP FUNCTION budget_shares()")
    op.drop_table("budgets")
