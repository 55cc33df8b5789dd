"""SQL of health."""

ALIVE = "SELECT 1"
# Workers that beat within the last 15 seconds.
WORKERS = "SELECT count(*) FROM runtime_workers WHERE beat_at > clock_timestamp() - interval '15 seconds'"
# Accounts whose orchestrator is no active agent of theirs; they count as having none.
ORCHESTRATORS = "SELECT accounts_without_their_orchestrator()"
BACKLOG = """
SELECT count(*) FILTER (WHERE state IN ('queued', 'retry_scheduled')) AS waiting,
       count(*) FILTER (WHERE state = 'running') AS running,
       coalesce(extract(epoch FROM callboard_now() - min(run_at) FILTER (WHERE state IN ('queued',
           'retry_scheduled') AND run_at <= callboard_now())), 0)::float8 AS oldest
FROM (SELECT state, run_at FROM runtime_commands WHERE state IN ('queued', 'retry_scheduled', 'running') LIMIT 10000) c
"""
