"""SQL that takes away what is no longer kept, in one account and in small batches."""

_ENDED = "c.state IN ('succeeded', 'failed_terminal', 'dead_lettered', 'canceled')"
# A command ends with the period of its profile, and 30 days is what the setting is by default: another value moves the end.
_PAST = """c.retention_until <= callboard_now() + make_interval(days => 30 - $2)
      AND c.finished_at <= callboard_now() - interval '1 day'"""

KEPT = "SELECT name, value::text AS value FROM runtime_settings WHERE account_id = $1 AND starts_with(name, 'retention.')"

# Found at once and many, because each look passes the dead rows of those before it.
EXPIRED_COMMANDS = f"""
SELECT c.id FROM runtime_commands c
WHERE c.account_id = $1 AND {_PAST} AND {_ENDED}
  AND NOT EXISTS (SELECT FROM runtime_dead_letters d WHERE d.account_id = $1 AND d.command_id = c.id) LIMIT $3
"""
# With its attempts, and the lane that it had to itself. Other lanes stay: their epochs are how receivers know who is late.
DELETE_COMMANDS = f"""
WITH gone AS MATERIALIZED (
    SELECT c.id FROM runtime_commands c
    WHERE c.account_id = $1 AND c.id = ANY($3::uuid[]) AND {_PAST} AND {_ENDED}
      AND NOT EXISTS (SELECT FROM runtime_dead_letters d WHERE d.account_id = $1 AND d.command_id = c.id)
    FOR UPDATE SKIP LOCKED
), attempts AS (
    DELETE FROM runtime_command_attempts WHERE account_id = $1 AND command_id = ANY(ARRAY(SELECT id FROM gone))
), lanes AS (
    DELETE FROM runtime_lanes WHERE account_id = $1 AND id = ANY(ARRAY(SELECT id FROM gone))
), deleted AS (
    DELETE FROM runtime_commands WHERE account_id = $1 AND id = ANY(ARRAY(SELECT id FROM gone)) RETURNING 1
)
SELECT count(*) FROM deleted
"""
# 90 days is what the setting is by default, and by which the end was set.
DELETE_LETTERS = """
WITH gone AS MATERIALIZED (
    SELECT id FROM runtime_dead_letters
    WHERE account_id = $1 AND retention_until <= callboard_now() + make_interval(days => 90 - $2) AND state <> 'replaying'
    LIMIT $3 FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM runtime_dead_letters WHERE account_id = $1 AND id = ANY(ARRAY(SELECT id FROM gone)) RETURNING 1
)
SELECT count(*) FROM deleted
"""
DELETE_ALERTS = """
WITH deleted AS (
    DELETE FROM runtime_alerts WHERE account_id = $1 AND id = ANY(ARRAY(
        SELECT id FROM runtime_alerts
        WHERE account_id = $1 AND cleared_at <= callboard_now() - make_interval(days => $2)
        ORDER BY opened_at LIMIT $3)) RETURNING 1
)
SELECT count(*) FROM deleted
"""
# A key that is asked for at this moment is left to whoever asks.
DELETE_ANSWERS = """
WITH gone AS MATERIALIZED (
    SELECT principal_id, verb, key FROM idempotency_records
    WHERE account_id = $1 AND expires_at <= callboard_now() ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM idempotency_records r USING gone g
    WHERE r.account_id = $1 AND r.principal_id = g.principal_id AND r.verb = g.verb AND r.key = g.key RETURNING 1
)
SELECT count(*) FROM deleted
"""
PRUNE_EVENTS = "SELECT prune_events(callboard_now() - make_interval(days => $1), $2)"
