"""The tenant wall: row-level security on every tenant table, roles that cannot bypass it, an append-only log."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APP, RUNTIME, AUTH = "callboard_app", "callboard_runtime", "callboard_auth"
BOARD = (
    "people",
    "api_tokens",
    "repositories",
    "executor_profiles",
    "agents",
    "agent_sessions",
    "skills",
    "agent_skills",
    "documents",
    "tasks",
    "task_assignees",
    "task_subscribers",
    "messages",
    "notifications",
    "deliveries",
    "idempotency_records",
    "seed_records",
    "event_batches",
)
LEDGER = ("events", "event_counters", "runtime_commands", "runtime_command_attempts", "runtime_lanes", "runtime_dead_letters")
APPEND_ONLY = ("events", "event_batches")
DELETABLE = ("event_batches", "agent_skills", "task_subscribers", "idempotency_records")
IDENTITY = ("accounts", "people", "agents", "api_tokens", "agent_sessions")
TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"

AUTHENTICATE = """
CREATE FUNCTION authenticate(wanted text) RETURNS TABLE (
    token_id uuid, hash bytea, account_id uuid, kind text, principal_id uuid, name text, role text, scopes text[],
    expires_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT t.id, t.hash, t.account_id, CASE WHEN t.agent_id IS NULL THEN 'person' ELSE 'agent' END,
           coalesce(t.agent_id, t.person_id), coalesce(a.name, p.name), p.role, t.scopes, t.expires_at
    FROM public.api_tokens t
    LEFT JOIN public.agents a ON a.account_id = t.account_id AND a.id = t.agent_id
    LEFT JOIN public.people p ON p.account_id = t.account_id AND p.id = t.person_id
    WHERE t.prefix = wanted AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > public.callboard_now())
      AND a.retired_at IS NULL AND p.removed_at IS NULL
$$
"""
FIND_ACCOUNT = """
CREATE FUNCTION find_account(wanted text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS
$$ SELECT id FROM public.accounts WHERE slug = wanted $$
"""
UNUSABLE = """
CREATE FUNCTION accounts_without_their_orchestrator() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT count(*) FROM public.accounts c
    WHERE c.settings ->> 'orchestrator_agent_id' IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM public.agents a WHERE a.account_id = c.id AND a.retired_at IS NULL
            AND a.id = (c.settings ->> 'orchestrator_agent_id')::uuid)
$$
"""
COLUMNS = """event_id uuid, type text, entity_kind text, entity_id uuid, sequence bigint, actor_kind text, actor_id uuid,
            source text, cause_id uuid, depth smallint, request_id text, correlation_id text, payload jsonb"""
NAMES = ", ".join(column.split()[0] for column in COLUMNS.split(","))
NUMBER_EVENTS = f"""
CREATE FUNCTION number_events() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE base bigint;
BEGIN
    UPDATE event_counters SET last_seq = last_seq + json_array_length(NEW.rows)
    WHERE account_id = NEW.account_id RETURNING last_seq - json_array_length(NEW.rows) INTO STRICT base;
    INSERT INTO events (account_id, seq, {NAMES}, schema_version, at)
    SELECT NEW.account_id, base + r.place, {", ".join(f"r.{name}" for name in NAMES.split(", "))}, 1, callboard_now()
    FROM ROWS FROM (json_to_recordset(NEW.rows) AS ({COLUMNS})) WITH ORDINALITY AS r ({NAMES}, place);
    DELETE FROM event_batches WHERE account_id = NEW.account_id AND id = NEW.id;
    RETURN NULL;
END $$
"""
NUMBER_TRIGGER = """
CREATE CONSTRAINT TRIGGER number_events AFTER INSERT ON event_batches
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION number_events()
"""
FUNCTIONS = (
    ("authenticate(text)", AUTHENTICATE),
    ("find_account(text)", FIND_ACCOUNT),
    ("accounts_without_their_orchestrator()", UNUSABLE),
)


def upgrade() -> None:
    for table in ("accounts", *BOARD, *LEDGER):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        column = "id" if table == "accounts" else "account_id"
        op.execute(f"CREATE POLICY tenant ON {table} TO {APP} USING ({column} = (SELECT {TENANT}))")
        op.execute(f"GRANT SELECT, INSERT{'' if table in APPEND_ONLY else ', UPDATE'} ON {table} TO {APP}")
    for table in DELETABLE:
        op.execute(f"GRANT DELETE ON {table} TO {APP}")
    for table in LEDGER:
        op.execute(f"CREATE POLICY every_account ON {table} TO {RUNTIME} USING (true)")
        op.execute(f"GRANT SELECT, INSERT{'' if table in APPEND_ONLY else ', UPDATE'} ON {table} TO {RUNTIME}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON runtime_workers TO {RUNTIME}")
    op.execute(f"GRANT SELECT ON runtime_workers TO {APP}")
    for table in IDENTITY:
        op.execute(f"CREATE POLICY identity ON {table} FOR SELECT TO {AUTH} USING (true)")
        op.execute(f"GRANT SELECT ON {table} TO {AUTH}")
    op.execute(f"GRANT USAGE ON SCHEMA public TO {APP}, {RUNTIME}, {AUTH}")
    op.execute(NUMBER_EVENTS)
    op.execute(NUMBER_TRIGGER)
    _make_functions()


def _make_functions() -> None:
    # A new owner needs CREATE for the moment in which it becomes the owner.
    op.execute(f"GRANT CREATE ON SCHEMA public TO {AUTH}")
    for name, sql in FUNCTIONS:
        op.execute(sql)
        op.execute(f"ALTER FUNCTION {name} OWNER TO {AUTH}")
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {APP}, {RUNTIME}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {AUTH}")


def downgrade() -> None:
    op.execute("DROP TRIGGER number_events ON event_batches")
    op.execute("DROP FUNCTION number_events()")
    for name, _ in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.execute(f"REVOKE ALL ON SCHEMA public FROM {APP}, {RUNTIME}, {AUTH}")
    op.execute(f"REVOKE ALL ON runtime_workers FROM {APP}, {RUNTIME}")
    for table in ("accounts", *BOARD, *LEDGER):
        for policy in ("tenant", "every_account", "identity"):
            op.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"REVOKE ALL ON {table} FROM {APP}, {RUNTIME}, {AUTH}")
