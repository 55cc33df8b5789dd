"""SQL of budgets, reservations and usage."""

from app.kernel.writes import Write

_FIELDS = """b.id, b.scope, b.scope_id, b.unit, b.period, b.amount, b.estimate, b.least, b.extra, b.assumed, b.soft_percent,
    b.spent, b.reserved, b.period_at, b.soft_at, b.hard_at, b.version"""
# What people know the thing by that it is a budget of.
_NAMED = """CASE b.scope WHEN 'agent' THEN (SELECT a.slug FROM agents a WHERE a.account_id = $1 AND a.id = b.scope_id)
    WHEN 'task' THEN (SELECT t.title FROM tasks t WHERE t.account_id = $1 AND t.id = b.scope_id) END AS scope_name"""
_VIEWED = f"""{_FIELDS}, b.created_by_kind, b.created_by_id, b.created_at, b.updated_at, callboard_now() AS now, {_NAMED},
    (SELECT count(*) FROM (SELECT FROM budget_reservations w
     WHERE w.account_id = $1 AND w.budget_id = b.id AND w.closed_at IS NULL AND w.waits_since IS NOT NULL
     LIMIT 1000) w) AS waiting"""
# Also of one moment with what hangs on the rows: a lock that was waited for gives newer rows than the statement sees beside them.
_LOCKED = (
    """b.xmin = (SELECT o.xmin FROM budgets o WHERE o.account_id = $1 AND o.id = b.id) AS is_fresh, callboard_now() AS now"""
)
_HELD = """r.run_id, r.amount AS held, r.spent AS held_spent, r.waits_since, r.closed_at"""
_OF_RUN = """b.account_id = $1 AND b.removed_at IS NULL AND b.id = ANY(ARRAY(
        SELECT id FROM budgets WHERE account_id = $1 AND scope = 'account' AND removed_at IS NULL
        UNION ALL SELECT id FROM budgets WHERE account_id = $1 AND scope = 'agent' AND scope_id = $2 AND removed_at IS NULL
        UNION ALL SELECT id FROM budgets WHERE account_id = $1 AND scope = 'task' AND scope_id = $3 AND removed_at IS NULL))"""

# All budgets that bind a run, in the order in which everybody locks them, with what the run `$4` holds of each.
BINDING = f"""
SELECT {_FIELDS}, {_HELD}, {_NAMED}, {_LOCKED},
    EXISTS (SELECT 1 FROM usage_records u WHERE u.account_id = $1 AND u.run_id = $4 AND u.ask = $5 AND u.round = $6)
        AS is_recorded,
    (SELECT s.is_enabled FROM runtime_schedules s WHERE s.account_id = $1 AND s.name = 'budgets' AND s.is_system) AS is_swept
FROM budgets b
LEFT JOIN budget_reservations r ON r.account_id = b.account_id AND r.run_id = $4 AND r.budget_id = b.id
WHERE {_OF_RUN} ORDER BY b.id FOR NO KEY UPDATE OF b
"""
STANDING = f"SELECT {_FIELDS}, callboard_now() AS now FROM budgets b WHERE {_OF_RUN} ORDER BY b.id"
# What these runs hold, with the budgets locked in the same order, and before them the notifications that the runs are of: who
# stops a task has locked these when it comes to the budgets.
HELD_BY = f"""
WITH ending AS MATERIALIZED (
    SELECT id FROM notifications WHERE account_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR NO KEY UPDATE
)
SELECT {_FIELDS}, {_HELD}, r.command_id, {_LOCKED},
    EXISTS (SELECT FROM budget_reservations w WHERE w.account_id = $1 AND w.budget_id = b.id AND w.closed_at IS NULL
            AND w.waits_since IS NOT NULL AND w.run_id <> ALL($2::uuid[])) AS is_waited_for
FROM budgets b JOIN budget_reservations r ON r.account_id = b.account_id AND r.budget_id = b.id
WHERE b.account_id = $1 AND r.run_id = ANY($2::uuid[]) AND r.closed_at IS NULL AND (SELECT count(*) FROM ending) >= 0
ORDER BY b.id, r.run_id FOR NO KEY UPDATE OF b
"""
# Runs that are over and still hold something: whoever ended them did not say so, or died.
LEFT_BEHIND = """
SELECT DISTINCT r.run_id FROM budget_reservations r
LEFT JOIN notifications n ON n.account_id = r.account_id AND n.id = r.run_id
WHERE r.account_id = $1 AND r.closed_at IS NULL AND (n.id IS NULL OR n.state <> 'queued') ORDER BY r.run_id LIMIT $2
"""
IS_ANYTHING_HELD = "SELECT EXISTS (SELECT FROM budget_reservations WHERE account_id = $1 AND closed_at IS NULL)"
# Why something waits: its own reason again once there is room.
REASON_FIELDS = """CASE WHEN n.state = 'queued' AND EXISTS (
        SELECT FROM budget_reservations b WHERE b.account_id = $1 AND b.run_id = n.id AND b.waits_since IS NOT NULL
    ) THEN 'budget_exhausted' ELSE n.reason END"""
WAITING = """
SELECT r.command_id, c.state FROM budget_reservations r
JOIN runtime_commands c ON c.account_id = r.account_id AND c.id = r.command_id
WHERE r.account_id = $1 AND r.budget_id = $2 AND r.closed_at IS NULL AND r.waits_since IS NOT NULL
ORDER BY r.waits_since, r.run_id LIMIT $3
"""

CHANGE_BUDGETS = Write(
    "budgets_changed",
    """budgets_changed AS (
        UPDATE budgets b SET spent = r.spent, assumed = r.assumed, reserved = r.reserved, estimate = r.estimate, extra = r.extra,
            period_at = r.period_at, soft_at = r.soft_at, hard_at = r.hard_at
        FROM json_to_recordset($2::json) AS r (id uuid, spent numeric, assumed numeric, reserved numeric, estimate numeric,
            extra numeric, period_at timestamptz, soft_at timestamptz, hard_at timestamptz)
        WHERE b.account_id = $1 AND b.id = r.id RETURNING 1
    )""",
)
HOLD = Write(
    "budgets_held",
    """budgets_held AS (
        INSERT INTO budget_reservations (account_id, run_id, budget_id, command_id, amount, spent, waits_since, closed_at)
        SELECT $1, r.run_id, r.budget_id, r.command_id, r.amount, r.spent, r.waits_since, r.closed_at
        FROM json_to_recordset($2::json) AS r (run_id uuid, budget_id uuid, command_id uuid, amount numeric, spent numeric,
            waits_since timestamptz, closed_at timestamptz)
        ON CONFLICT (account_id, run_id, budget_id) DO UPDATE SET command_id = excluded.command_id, amount = excluded.amount,
            spent = excluded.spent, waits_since = excluded.waits_since, closed_at = excluded.closed_at
        RETURNING 1
    )""",
)
# An answer is recorded once, however often it is told.
RECORD = Write(
    "usage_recorded",
    """usage_recorded AS (
        INSERT INTO usage_records (account_id, id, run_id, ask, round, agent_id, task_id, command_id, attempt, profile, model,
                                   input_tokens, output_tokens, cost_usd, seconds, at)
        SELECT $1, r.id, r.run_id, r.ask, r.round, r.agent_id, r.task_id, r.command_id, r.attempt, r.profile, r.model,
            r.input_tokens, r.output_tokens, r.cost_usd, r.seconds, callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, run_id uuid, ask smallint, round smallint, agent_id uuid, task_id uuid,
            command_id uuid, attempt integer, profile text, model text, input_tokens integer, output_tokens integer,
            cost_usd numeric, seconds float8)
        ON CONFLICT (account_id, run_id, ask, round) DO NOTHING RETURNING 1
    )""",
    is_exact=False,
)

# What a new budget is of: `$2` the slug of an agent, `$3` a task; and whether there is such a budget already.
STAGE = """
SELECT callboard_now() AS now,
    (SELECT id FROM agents WHERE account_id = $1 AND slug = $2 AND retired_at IS NULL) AS agent_id,
    (SELECT id FROM tasks WHERE account_id = $1 AND id = $3) AS task_id,
    EXISTS (SELECT FROM budgets b WHERE b.account_id = $1 AND b.removed_at IS NULL AND b.scope = $4 AND b.unit = $5
            AND b.period = $6 AND b.scope_id IS NOT DISTINCT FROM CASE b.scope
                WHEN 'agent' THEN (SELECT id FROM agents WHERE account_id = $1 AND slug = $2) WHEN 'task' THEN $3 END) AS is_taken
"""
INSERT_BUDGET = Write(
    "budget_inserted",
    """budget_inserted AS (
        INSERT INTO budgets (account_id, id, scope, scope_id, unit, period, amount, estimate, least, soft_percent, period_at,
                             version, created_by_kind, created_by_id, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, 1, $11, $12, callboard_now(), callboard_now()) RETURNING 1
    )""",
)
BUDGET = f"SELECT {_VIEWED} FROM budgets b WHERE b.account_id = $1 AND b.id = $2 AND b.removed_at IS NULL"
BUDGET_LOCKED = f"{BUDGET} FOR NO KEY UPDATE OF b"
EDIT_BUDGET = Write(
    "budget_edited",
    """budget_edited AS (
        UPDATE budgets SET amount = $3, least = $4, soft_percent = $5, estimate = $6, extra = $7, spent = $8, assumed = $9,
            period_at = $10, soft_at = $11, hard_at = $12, version = version + 1, updated_at = callboard_now()
        WHERE account_id = $1 AND id = $2 AND removed_at IS NULL RETURNING 1
    )""",
)
REMOVE_BUDGET = Write(
    "budget_removed",
    """budget_removed AS (
        UPDATE budgets SET removed_at = callboard_now(), updated_at = callboard_now()
        WHERE account_id = $1 AND id = $2 AND removed_at IS NULL RETURNING 1
    )""",
)
BUDGETS = f"""
SELECT {_VIEWED} FROM budgets b
WHERE b.account_id = $1 AND b.id > $2 AND b.removed_at IS NULL AND ($3::text IS NULL OR b.scope = $3)
  AND ($4::text IS NULL OR b.scope_id = (SELECT id FROM agents WHERE account_id = $1 AND slug = $4))
  AND ($5::uuid IS NULL OR b.scope_id = $5)
ORDER BY b.id LIMIT $6
"""

# What the answers of a day were to an agent's questions, and those that were asked anew after silence.
ASKED_ANEW = """
SELECT count(*) AS answers, count(*) FILTER (WHERE u.ask > 0) AS anew,
    coalesce(sum(u.cost_usd) FILTER (WHERE u.ask > 0), 0) AS cost_usd,
    (SELECT a.slug FROM agents a WHERE a.account_id = $1 AND a.id = $2) AS slug
FROM usage_records u WHERE u.account_id = $1 AND u.agent_id = $2 AND u.at > callboard_now() - interval '1 day'
"""

_SUMS = """count(DISTINCT u.run_id) AS runs, count(*) AS answers, sum(u.input_tokens) AS input_tokens,
    sum(u.output_tokens) AS output_tokens, coalesce(sum(u.cost_usd), 0) AS cost_usd,
    count(*) FILTER (WHERE u.cost_usd IS NULL) AS answers_without_cost, round(sum(u.seconds)::numeric, 6)::float8 AS seconds"""
_WITHIN = "u.account_id = $1 AND u.at >= $2 AND u.at < $3"
RANGE = "SELECT coalesce($2, callboard_now()) AS until, coalesce($1, coalesce($2, callboard_now()) - interval '30 days') AS since"
TOTAL = f"SELECT {_SUMS} FROM usage_records u WHERE {_WITHIN}"


def _summed(key: str, *, kind: str = "text", name: str = "NULL::text") -> str:
    """By that key, in its order; the page starts behind `$4`."""
    return f"""
SELECT s.*, s.by::text AS key, {name} AS name FROM (
    SELECT {key} AS by, {_SUMS} FROM usage_records u
    WHERE {_WITHIN} AND ($4::text IS NULL OR {key} > $4::text::{kind}) GROUP BY 1 ORDER BY 1 LIMIT $5
) s ORDER BY s.by
"""


_SLUG = "(SELECT a.slug FROM agents a WHERE a.account_id = $1 AND a.id = s.by)"
_TITLE = "(SELECT t.title FROM tasks t WHERE t.account_id = $1 AND t.id = s.by)"
BY_AGENT = _summed("u.agent_id", kind="uuid", name=_SLUG)
# Answers of no task are first.
BY_TASK = _summed("coalesce(u.task_id, '00000000-0000-0000-0000-000000000000')", kind="uuid", name=_TITLE)
BY_DAY = _summed("(u.at AT TIME ZONE 'UTC')::date", kind="date")
BY_PROFILE = _summed("u.profile")
BY_MODEL = _summed("coalesce(u.model, '')")

_RECORD = """u.id, u.run_id, u.ask, u.round, u.agent_id, u.task_id, u.command_id, u.attempt, u.profile, u.model, u.input_tokens,
    u.output_tokens, u.cost_usd, u.seconds, u.at"""
_BEHIND = f"SELECT {_RECORD} FROM usage_records u WHERE u.account_id = $1 AND (u.at, u.id) < ($2, $3)"
_LATEST_FIRST = "ORDER BY u.at DESC, u.id DESC LIMIT $4"
RECORDS = f"{_BEHIND} {_LATEST_FIRST}"
RECORDS_OF_AGENT = f"{_BEHIND} AND u.agent_id = $5 {_LATEST_FIRST}"
RECORDS_OF_TASK = f"{_BEHIND} AND u.task_id = $5 {_LATEST_FIRST}"

KEPT = "SELECT value::text FROM runtime_settings WHERE account_id = $1 AND name = 'retention.usage.days'"
PURGE_RECORDS = """
WITH gone AS (
    DELETE FROM usage_records WHERE account_id = $1 AND id = ANY(ARRAY(
        SELECT id FROM usage_records WHERE account_id = $1 AND at <= callboard_now() - make_interval(days => $2)
        ORDER BY at LIMIT $3)) RETURNING 1
)
SELECT count(*) FROM gone
"""
PURGE_RESERVATIONS = """
WITH old AS MATERIALIZED (
    SELECT run_id, budget_id FROM budget_reservations
    WHERE account_id = $1 AND closed_at IS NOT NULL AND closed_at <= callboard_now() - make_interval(days => $2)
    ORDER BY closed_at LIMIT $3 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM budget_reservations r USING old o
    WHERE r.account_id = $1 AND r.run_id = o.run_id AND r.budget_id = o.budget_id RETURNING 1
)
SELECT count(*) FROM gone
"""
