"""SQL over all accounts, as the runtime's role."""

_RUNS = """s.is_enabled AND NOT EXISTS (
        SELECT FROM runtime_settings w WHERE w.account_id = s.account_id AND w.name = 'switch.schedules'
          AND w.value NOT IN ('false', 'null'))"""

# The accounts with schedules that are due, of types that this process knows, and in how many seconds the next one is.
SCHEDULES_DUE = f"""
SELECT ARRAY(SELECT DISTINCT d.account_id FROM (
           SELECT s.account_id FROM runtime_schedules s
           WHERE s.fires_at <= callboard_now() AND s.command_type = ANY($1) AND {_RUNS} ORDER BY s.fires_at LIMIT 200
       ) d ORDER BY 1) AS accounts,
       (SELECT extract(epoch FROM s.fires_at - callboard_now())::float8 FROM runtime_schedules s
        WHERE s.is_enabled AND s.fires_at > callboard_now() ORDER BY s.fires_at LIMIT 1) AS seconds
"""
# Schedules whose last command failed lately; a look at the attempts then says how often.
SCHEDULES_FAILING = """
SELECT s.account_id, array_agg(s.id) AS ids FROM runtime_schedules s
JOIN runtime_commands c ON c.account_id = s.account_id AND c.id = s.last_command_id
WHERE s.is_enabled AND s.last_tick_at > callboard_now() - interval '2 h' AND c.last_error_class IS NOT NULL
  AND c.updated_at > greatest(s.enabled_at, callboard_now() - interval '10 min')
GROUP BY s.account_id ORDER BY s.account_id
"""

# What accounts have set, tuned or have trouble with; all else is as it is built in.
CONTROLS = """
SELECT 'setting' AS kind, account_id, name, value::text AS value FROM runtime_settings WHERE value <> 'null'
UNION ALL
SELECT 'profile', account_id, name, changes::text FROM (
    SELECT DISTINCT ON (account_id, name) account_id, name, changes FROM runtime_profiles ORDER BY account_id, name, version DESC
) newest
"""

# A dependency that no breaker knows has a row all the same, since the moment is asked for too.
BREAKER = """
SELECT callboard_now() AS now, coalesce(b.state, 'closed') AS state, coalesce(b.failures, 0) AS failures, b.first_failure_at,
       b.opened_at, b.retry_at, coalesce(b.version, 0) AS version
FROM (VALUES (1)) one LEFT JOIN runtime_breakers b ON b.account_id = $1 AND b.dependency = $2
"""

# Every account there is: each has one counter of its log.
ACCOUNTS = "SELECT account_id FROM event_counters"
