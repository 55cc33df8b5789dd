"""SQL of schedules, in one account."""

from app.kernel.writes import Write

_FIELDS = """s.id, s.name, s.command_type, s.payload::text AS payload, s.cron, s.interval_seconds, s.timezone, s.misfire,
    s.catch_up_most, s.jitter_seconds, s.active_hours, s.is_enabled, s.is_dry_run, s.is_system, s.disabled_reason, s.next_at,
    s.fires_at, s.last_tick_at, s.last_command_id, s.version, s.created_by_kind, s.created_by_id, s.created_at, s.updated_at,
    s.enabled_at"""
_IS_STOPPED = """EXISTS (
    SELECT FROM runtime_settings WHERE account_id = $1 AND name = 'switch.schedules' AND value NOT IN ('false', 'null'))"""

SCHEDULES = f"SELECT {_FIELDS} FROM runtime_schedules s WHERE s.account_id = $1 AND s.id > $2 ORDER BY s.id LIMIT $3"
SCHEDULE = f"SELECT {_FIELDS}, callboard_now() AS now FROM runtime_schedules s WHERE s.account_id = $1 AND s.id = $2"
SCHEDULE_LOCKED = SCHEDULE + " FOR NO KEY UPDATE OF s"
SYSTEM_SCHEDULE_LOCKED = f"""
SELECT {_FIELDS}, callboard_now() AS now FROM runtime_schedules s
WHERE s.account_id = $1 AND s.name = $2 AND s.is_system FOR NO KEY UPDATE OF s
"""
NAME_TAKEN = "SELECT id FROM runtime_schedules WHERE account_id = $1 AND name = $2"
IS_STOPPED = f"SELECT {_IS_STOPPED}"
NOW = "SELECT callboard_now()"

# Those that are due or among `$2`, of types that this process knows, with the attempts that failed within `$4` seconds and since
# they were enabled; the newest fifty commands of each are enough to find a few of those.
DUE = f"""
SELECT {_FIELDS}, callboard_now() AS now, s.fires_at <= callboard_now() AS is_due, f.failures
FROM runtime_schedules s CROSS JOIN LATERAL (
    SELECT count(*) AS failures FROM (
        SELECT c.id FROM runtime_commands c
        WHERE c.account_id = $1 AND c.schedule_id = s.id ORDER BY c.created_at DESC LIMIT 50
    ) c CROSS JOIN LATERAL (
        -- By the whole key: where statistics are old the planner would join with all attempts of the account.
        SELECT FROM runtime_command_attempts a
        WHERE a.account_id = $1 AND a.command_id = c.id AND a.outcome IN ('failed', 'lost')
          AND a.completed_at > greatest(s.enabled_at, callboard_now() - make_interval(secs => $4)) OFFSET 0
    ) a
) f
WHERE s.account_id = $1 AND s.is_enabled AND (s.fires_at <= callboard_now() OR s.id = ANY($2)) AND s.command_type = ANY($3)
  AND s.id <> ALL($6) AND NOT {_IS_STOPPED}
ORDER BY s.fires_at, s.id LIMIT $5 FOR NO KEY UPDATE OF s SKIP LOCKED
"""
# Ticks that have their command already, as after a clock was set back.
ENQUEUED_TICKS = """
SELECT c.id, c.idempotency_key FROM unnest($2::text[], $3::text[]) AS k (type, key) CROSS JOIN LATERAL (
    SELECT id, idempotency_key FROM runtime_commands WHERE account_id = $1 AND type = k.type AND idempotency_key = k.key OFFSET 0
) c
"""
TICKS = """
SELECT id, idempotency_key, state, attempt, last_error_class, last_error_message, created_at, finished_at FROM runtime_commands
WHERE account_id = $1 AND schedule_id = $2 ORDER BY created_at DESC LIMIT $3
"""

ADVANCE = Write(
    "schedules_advanced",
    """schedules_advanced AS (
        UPDATE runtime_schedules s SET next_at = r.next_at, fires_at = r.fires_at, is_dry_run = r.is_dry_run,
            last_tick_at = coalesce(r.last_tick_at, s.last_tick_at),
            last_command_id = coalesce(r.last_command_id, s.last_command_id)
        FROM json_to_recordset($2::json) AS r (id uuid, next_at timestamptz, fires_at timestamptz, is_dry_run boolean,
             last_tick_at timestamptz, last_command_id uuid)
        WHERE s.account_id = $1 AND s.id = r.id RETURNING 1
    )""",
)
# Those of the board's own that are put off for longer than `within` seconds; others need no lock.
BRING_FORWARD = Write(
    "schedules_brought_forward",
    """schedules_brought_forward AS (
        UPDATE runtime_schedules s SET next_at = callboard_now() + make_interval(secs => s.interval_seconds),
            fires_at = callboard_now() + make_interval(secs => s.interval_seconds)
        FROM (SELECT name, min(within) AS within FROM json_to_recordset($2::json) AS r (name text, within float8) GROUP BY name) r
        WHERE s.account_id = $1 AND s.name = r.name AND s.is_system AND s.is_enabled
          AND s.fires_at > callboard_now() + make_interval(secs => r.within) RETURNING 1
    )""",
    is_exact=False,
)
# To fall asleep and to be roused is no new version, `steps` is 0 then.
SWITCH = Write(
    "schedules_switched",
    """schedules_switched AS (
        UPDATE runtime_schedules s SET is_enabled = r.is_enabled, disabled_reason = r.disabled_reason,
            version = s.version + coalesce(r.steps, 1), next_at = coalesce(r.next_at, s.next_at),
            fires_at = coalesce(r.fires_at, s.fires_at),
            enabled_at = CASE WHEN r.is_enabled THEN callboard_now() ELSE s.enabled_at END, updated_at = callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, is_enabled boolean, disabled_reason text, next_at timestamptz,
             fires_at timestamptz, steps int)
        WHERE s.account_id = $1 AND s.id = r.id RETURNING 1
    )""",
)
INSERT = Write(
    "schedules_inserted",
    """schedules_inserted AS (
        INSERT INTO runtime_schedules (account_id, id, name, command_type, payload, cron, interval_seconds, timezone, misfire,
            catch_up_most, jitter_seconds, active_hours, is_enabled, is_dry_run, is_system, disabled_reason, next_at, fires_at,
            version, created_by_kind, created_by_id, created_at, updated_at, enabled_at)
        SELECT $1, r.id, r.name, r.command_type, r.payload, r.cron, r.interval_seconds, r.timezone, r.misfire, r.catch_up_most,
            r.jitter_seconds, r.active_hours, r.is_enabled, r.is_dry_run, r.is_system, r.disabled_reason, r.next_at, r.fires_at,
            1, r.created_by_kind, r.created_by_id, callboard_now(), callboard_now(), callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, name text, command_type text, payload jsonb, cron text,
             interval_seconds int, timezone text, misfire text, catch_up_most smallint, jitter_seconds int, active_hours text,
             is_enabled boolean, is_dry_run boolean, is_system boolean, disabled_reason text, next_at timestamptz,
             fires_at timestamptz, created_by_kind text, created_by_id uuid)
        RETURNING 1
    )""",
)
CHANGE = Write(
    "schedules_changed",
    """schedules_changed AS (
        UPDATE runtime_schedules s SET name = r.name, command_type = r.command_type, payload = r.payload, cron = r.cron,
            interval_seconds = r.interval_seconds, timezone = r.timezone, misfire = r.misfire, catch_up_most = r.catch_up_most,
            jitter_seconds = r.jitter_seconds, active_hours = r.active_hours, is_dry_run = r.is_dry_run, next_at = r.next_at,
            fires_at = r.fires_at, version = s.version + 1, updated_at = callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, name text, command_type text, payload jsonb, cron text,
             interval_seconds int, timezone text, misfire text, catch_up_most smallint, jitter_seconds int, active_hours text,
             is_dry_run boolean, next_at timestamptz, fires_at timestamptz)
        WHERE s.account_id = $1 AND s.id = r.id RETURNING 1
    )""",
)
DELETE = Write(
    "schedules_deleted",
    "schedules_deleted AS (DELETE FROM runtime_schedules WHERE account_id = $1 AND id = $2 RETURNING 1)",
)
