"""SQL of the deprecation register."""

from app.kernel.writes import Write

COUNT_USES = Write(
    "uses_counted",
    """uses_counted AS (
        INSERT INTO runtime_deprecation_uses (account_id, name, uses, first_used_at, last_used_at)
        SELECT $1, r.name, r.uses, callboard_now(), callboard_now()
        FROM json_to_recordset($2::json) AS r (name text, uses bigint)
        ON CONFLICT (account_id, name) DO UPDATE
        SET uses = runtime_deprecation_uses.uses + excluded.uses, last_used_at = excluded.last_used_at
        RETURNING 1
    )""",
)
USES = "SELECT name, uses, first_used_at, last_used_at FROM runtime_deprecation_uses WHERE account_id = $1"
