"""SQL of pauses, and of the commands that they hold."""

from app.kernel.writes import Write

_FIELDS = "p.kind, p.name, p.reason, p.paused_by_kind, p.paused_by_id, p.created_at"

PAUSES = f"""
SELECT {_FIELDS}, (SELECT count(*) FROM (
    SELECT FROM runtime_commands c
    WHERE c.account_id = p.account_id AND c.state = 'held' AND c.held_by = 'pause:' || p.kind || ':' || p.name LIMIT 10000
) h) AS held, (SELECT count(*) FROM (
    SELECT FROM runtime_lanes l
    WHERE l.account_id = p.account_id AND l.state = 'waiting' AND l.waits_for = 'pause:' || p.kind || ':' || p.name LIMIT 10000
) l) AS waiting_lanes
FROM runtime_pauses p WHERE p.account_id = $1 ORDER BY p.kind, p.name
"""

PAUSE = f"SELECT {_FIELDS} FROM runtime_pauses p WHERE p.account_id = $1 AND p.kind = $2 AND p.name = $3 FOR UPDATE"

INSERT_PAUSE = Write(
    "paused",
    """paused AS (
        INSERT INTO runtime_pauses (account_id, kind, name, reason, paused_by_kind, paused_by_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, callboard_now()) RETURNING 1
    )""",
)
DELETE_PAUSE = Write(
    "unpaused",
    """unpaused AS (
        DELETE FROM runtime_pauses WHERE account_id = $1 AND kind = $2 AND name = $3 RETURNING 1
    )""",
)

# A switch that is engaged keeps its pause, whoever would end that.
SWITCHED_ON = "SELECT EXISTS (SELECT FROM runtime_settings WHERE account_id = $1 AND name = $2 AND value = 'true')"

# What a pause held; nothing while there is such a pause again.
HELD = """
SELECT c.id, c.type, c.profile, c.attempt FROM runtime_commands c
WHERE c.account_id = $1 AND c.state = 'held' AND c.held_by = 'pause:' || $2::text || ':' || $3::text
  AND NOT EXISTS (SELECT FROM runtime_pauses p WHERE p.account_id = $1 AND p.kind = $2 AND p.name = $3)
ORDER BY c.id LIMIT $4 FOR NO KEY UPDATE OF c
"""

RESUME_COMMANDS = Write(
    "commands_resumed",
    """commands_resumed AS (
        UPDATE runtime_commands SET state = 'queued', held_by = NULL, updated_at = callboard_now()
        WHERE account_id = $1 AND id = ANY($2::uuid[]) AND state = 'held' RETURNING 1
    )""",
)
