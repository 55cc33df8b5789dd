"""SQL of health."""

ALIVE = "SELECT 1"
# Workers that beat within the last 15 seconds.
WORKERS = "SELECT count(*) FROM runtime_workers WHERE beat_at > clock_timestamp() - interval '15 seconds'"
# Accounts whose orchestrator is no active agent of theirs; they count as having none.
ORCHESTRATORS = "SELECT accounts_without_their_orchestrator()"
# Counting stops after 1,000, and no account is named to whoever may ask for health.
CRITICAL_ALERTS = """
SELECT count(*) AS alerts, count(DISTINCT account_id) AS accounts
FROM (SELECT account_id FROM runtime_alerts WHERE cleared_at IS NULL AND severity = 'critical' LIMIT 1000) a
"""
# Nobody's gateway is named to whoever may ask for health, but the asker's own.
GATEWAYS = "SELECT gateways, accounts, since FROM gateways_offline()"
OWN_GATEWAYS = """
SELECT x.name, g.changed_at FROM gateway_presence g
JOIN executor_profiles x ON x.account_id = $1 AND x.id = g.profile_id
WHERE g.account_id = $1 AND g.state = 'offline' ORDER BY x.name LIMIT 20
"""
# The same of clones; the advice names settings, never an address.
CLONES = "SELECT repositories, ready, busy, degraded, setting, advice FROM repository_troubles()"
OWN_CLONES = """
SELECT r.name, c.setting, c.advice FROM repository_clones c
JOIN repositories r ON r.account_id = $1 AND r.id = c.repository_id
WHERE c.account_id = $1 AND c.state = 'degraded' ORDER BY r.name LIMIT 20
"""
BACKLOG = """
SELECT count(*) FILTER (WHERE state IN ('queued', 'retry_scheduled')) AS waiting,
       count(*) FILTER (WHERE state = 'running') AS running,
       coalesce(extract(epoch FROM callboard_now() - min(run_at) FILTER (WHERE state IN ('queued',
           'retry_scheduled') AND run_at <= callboard_now())), 0)::float8 AS oldest
FROM (SELECT state, run_at FROM runtime_commands WHERE state IN ('queued', 'retry_scheduled', 'running') LIMIT 10000) c
"""

# What processes have counted. Rows of processes that are gone are added up in one row, which is locked meanwhile.
PUBLISH = """
INSERT INTO runtime_metrics AS m (process_id, kind, host, pid, samples, updated_at)
VALUES ($1, $2, $3, $4, $5::jsonb, clock_timestamp())
ON CONFLICT (process_id) DO UPDATE SET samples = excluded.samples, updated_at = excluded.updated_at
"""
PUBLISHED = "SELECT samples::text AS samples FROM runtime_metrics ORDER BY process_id"
LOCK_THE_GONE = """
INSERT INTO runtime_metrics AS m (process_id, kind, host, pid, samples, updated_at)
VALUES ($1, 'gone', '', 0, '[]', clock_timestamp())
ON CONFLICT (process_id) DO UPDATE SET updated_at = clock_timestamp() RETURNING samples::text
"""
TAKE_THE_GONE = """
DELETE FROM runtime_metrics
WHERE process_id <> $1 AND (process_id = ANY($2) OR updated_at < clock_timestamp() - interval '60 s')
RETURNING samples::text AS samples
"""
KEEP_THE_GONE = "UPDATE runtime_metrics SET samples = $2::jsonb, updated_at = clock_timestamp() WHERE process_id = $1"

# Commands that have not ended, by queue, type and profile; it counts at most 200,000 of them.
DEPTHS = """
SELECT queue, type, profile, state, count(*) AS many,
       coalesce(extract(epoch FROM callboard_now() - min(run_at) FILTER (WHERE state IN ('queued', 'retry_scheduled')
           AND run_at <= callboard_now())), 0)::float8 AS oldest,
       count(*) FILTER (WHERE state IN ('queued', 'retry_scheduled') AND run_at <= callboard_now()) AS due
FROM (
    SELECT queue, type, profile, state, run_at FROM runtime_commands
    WHERE state IN ('queued', 'retry_scheduled', 'running', 'held') LIMIT 200000
) c GROUP BY queue, type, profile, state
"""
LETTERS = """
SELECT c.type, c.profile, d.reason_class, d.state, count(*) AS many
FROM (SELECT account_id, command_id, reason_class, state FROM runtime_dead_letters
      WHERE state IN ('open', 'replaying') LIMIT 100000) d
JOIN runtime_commands c ON c.account_id = d.account_id AND c.id = d.command_id
GROUP BY c.type, c.profile, d.reason_class, d.state
"""
# How full budgets are, of all accounts together.
SHARES = "SELECT scope, unit, many, soft, highest FROM budget_shares()"
# The oldest open transaction keeps dead rows of every queue alive; its age is worth an alarm.
OLDEST_TRANSACTION = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND datname = current_database()
"""
# Workers that may still be alive, and how much each runs.
CREW = """
SELECT w.id, w.host, w.pid, w.version, w.slots, extract(epoch FROM clock_timestamp() - w.beat_at)::float8 AS silent,
       (SELECT count(*) FROM runtime_commands c WHERE c.worker_id = w.id AND c.state = 'running') AS running
FROM runtime_workers w WHERE w.beat_at > clock_timestamp() - interval '60 s' ORDER BY w.host, w.pid
"""
