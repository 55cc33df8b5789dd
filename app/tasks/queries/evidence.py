"""SQL of acceptance criteria and of the verdicts on them."""

from app.kernel.writes import Write

# Times are text, because JSON would write them in the server's zone.
_UTC = """to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_FIELDS = f"""e.id, e.position, e.text, e.verdict, e.is_met, e.note, e.artifact, e.artifact_hash,
    e.verdict_by_kind, e.verdict_by_id, e.verdict_by_name, {_UTC.format(time="e.verdict_at")} AS verdict_at"""
# Of the task `t`.
CRITERIA_FIELDS = f"""(SELECT coalesce(json_agg(c ORDER BY c.position), '[]') FROM (SELECT {_FIELDS} FROM task_criteria e
        WHERE e.account_id = $1 AND e.task_id = t.id) c)::text AS criteria"""

CRITERIA = f"SELECT {CRITERIA_FIELDS} FROM tasks t WHERE t.account_id = $1 AND t.id = $2"

INSERT_CRITERIA = Write(
    "criteria_inserted",
    """criteria_inserted AS (
        INSERT INTO task_criteria (account_id, id, task_id, position, text)
        SELECT $1, r.id, r.task_id, r.position, r.text
        FROM json_to_recordset($2::json) AS r (id uuid, task_id uuid, position smallint, text text) RETURNING 1
    )""",
)
# The places of those that stay are freed first: one statement cannot fill a place that it empties.
LIFT_CRITERIA = Write(
    "criteria_lifted",
    """criteria_lifted AS (
        UPDATE task_criteria SET position = -position WHERE account_id = $1 AND task_id = $2 AND id <> ALL($3::uuid[]) RETURNING 1
    )""",
)
DROP_CRITERIA = Write(
    "criteria_dropped",
    """criteria_dropped AS (
        DELETE FROM task_criteria WHERE account_id = $1 AND task_id = $2 AND id = ANY($3::uuid[]) RETURNING 1
    )""",
)
PLACE_CRITERIA = Write(
    "criteria_placed",
    """criteria_placed AS (
        UPDATE task_criteria e SET position = r.position
        FROM json_to_recordset($2::json) AS r (id uuid, position smallint)
        WHERE e.account_id = $1 AND e.id = r.id RETURNING 1
    )""",
)
JUDGE = Write(
    "criterion_judged",
    """criterion_judged AS (
        UPDATE task_criteria SET verdict = $4, is_met = $5, note = $6, artifact = $7, artifact_hash = $8, verdict_by_kind = $9,
            verdict_by_id = $10, verdict_by_name = $11, verdict_at = $12
        WHERE account_id = $1 AND task_id = $2 AND id = $3 RETURNING 1
    )""",
)
COUNT_VERDICT = Write(
    "verdict_counted",
    """verdict_counted AS (
        UPDATE tasks SET updated_at = $3, version = version + 1 WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
FORGET_VERDICTS = Write(
    "verdicts_forgotten",
    """verdicts_forgotten AS (
        UPDATE task_criteria SET verdict = NULL, is_met = NULL, note = NULL, artifact = NULL, artifact_hash = NULL,
            verdict_by_kind = NULL, verdict_by_id = NULL, verdict_by_name = NULL, verdict_at = NULL
        WHERE account_id = $1 AND task_id = $2 AND verdict IS NOT NULL RETURNING 1
    )""",
)
