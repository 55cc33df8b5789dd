"""SQL of how well the runtime of one account does; each reads a bounded part of a window's commands."""

# Commands that ended in the window, newest first and at most $3 of each state.
_ENDED = """ended AS MATERIALIZED (
    SELECT c.* FROM unnest(ARRAY['succeeded', 'failed_terminal', 'dead_lettered', 'canceled']) AS k (state)
    CROSS JOIN LATERAL (
        SELECT id, type, profile, state, attempt, spent, created_at, finished_at FROM runtime_commands
        WHERE account_id = $1 AND state = k.state AND created_at >= $2 ORDER BY created_at DESC LIMIT $3
    ) c
)"""

NOW = "SELECT callboard_now()"

# How commands ended, and of how many the log tells the whole story: made, each start, and how it ended.
RELIABILITY = f"""
WITH {_ENDED}, told AS (
    SELECT e.id, e.state, e.attempt, s.* FROM ended e CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE v.type = 'runtime:command:created') AS made,
               count(*) FILTER (WHERE v.type = 'runtime:command:started') AS starts,
               count(*) FILTER (WHERE v.type = CASE e.state
                   WHEN 'failed_terminal' THEN 'runtime:command:failed' ELSE 'runtime:command:' || e.state END) AS ends
        FROM events v WHERE v.account_id = $1 AND v.entity_kind = 'command' AND v.entity_id = e.id
    ) s
)
SELECT count(*) AS ended, count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
       count(*) FILTER (WHERE state IN ('failed_terminal', 'dead_lettered')) AS failed,
       count(*) FILTER (WHERE state = 'canceled') AS canceled, coalesce(sum(attempt), 0)::bigint AS attempts,
       count(*) FILTER (WHERE made = 1 AND starts >= attempt AND ends >= 1) AS traced
FROM told
"""

LATENCY = f"""
WITH {_ENDED}, tried AS (
    SELECT extract(epoch FROM t.started_at - e.created_at) AS waited,
           extract(epoch FROM t.completed_at - t.started_at) AS ran
    FROM ended e JOIN runtime_command_attempts t ON t.account_id = $1 AND t.command_id = e.id AND t.attempt = 1
    WHERE t.completed_at IS NOT NULL
)
SELECT coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY waited), 0)::float8 AS start_p95,
       coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY ran), 0)::float8 AS run_p95
FROM tried
"""

BACKLOG = """
SELECT count(*) AS due, coalesce(max(extract(epoch FROM callboard_now() - run_at)), 0)::float8 AS oldest FROM (
    SELECT run_at FROM unnest(ARRAY['control', 'inbound', 'outbound', 'ticks']) AS q (name) CROSS JOIN LATERAL (
        SELECT run_at FROM runtime_commands
        WHERE account_id = $1 AND queue = q.name AND state IN ('queued', 'retry_scheduled') AND run_at <= callboard_now()
        ORDER BY run_at LIMIT $2
    ) c
) d
"""

LETTERS_SINCE = """
SELECT count(*) AS opened, count(*) FILTER (WHERE state = 'open') AS still_open,
       count(*) FILTER (WHERE replay_count > 0 AND state <> 'replaying') AS replayed,
       count(*) FILTER (WHERE replay_count > 0 AND state = 'resolved') AS resolved,
       avg(extract(epoch FROM resolved_at - created_at)) FILTER (WHERE resolved_at IS NOT NULL)::float8 AS seconds_to_resolve
FROM (
    SELECT d.* FROM unnest(ARRAY['open', 'replaying', 'resolved', 'discarded']) AS k (state) CROSS JOIN LATERAL (
        SELECT state, replay_count, created_at, resolved_at FROM runtime_dead_letters
        WHERE account_id = $1 AND state = k.state AND created_at >= $2 ORDER BY created_at DESC LIMIT $3
    ) d
) l
"""

OPEN_ALERTS = """
SELECT severity, count(*) AS many FROM runtime_alerts WHERE account_id = $1 AND cleared_at IS NULL GROUP BY severity
"""

BASELINE = """
SELECT payload::text AS payload, at FROM events
WHERE account_id = $1 AND entity_kind = 'account' AND entity_id = $1 AND type = 'runtime:kpi:baseline'
ORDER BY seq DESC LIMIT 1
"""

# What nobody looks after any more; each row is one finding.
ORPHANS = """
SELECT 'schedule of a type that nobody declares' AS what, s.id, s.command_type AS name FROM runtime_schedules s
WHERE s.account_id = $1 AND NOT s.command_type = ANY($2)
UNION ALL
SELECT 'waiting command of a type that nobody declares', c.id, c.type FROM (
    SELECT k.name, o.id, o.type FROM unnest(ARRAY['queued', 'retry_scheduled', 'held']) AS k (name) CROSS JOIN LATERAL (
        SELECT id, type FROM runtime_commands
        WHERE account_id = $1 AND state = k.name AND NOT type = ANY($2) ORDER BY created_at LIMIT $3
    ) o
) c
UNION ALL
SELECT 'held for a pause that is gone', c.id, c.held_by FROM (
    SELECT id, held_by FROM runtime_commands
    WHERE account_id = $1 AND state = 'held' AND held_by LIKE 'pause:%' ORDER BY held_by, id LIMIT $3
) c WHERE NOT EXISTS (
    SELECT FROM runtime_pauses p WHERE p.account_id = $1 AND c.held_by = 'pause:' || p.kind || ':' || p.name)
UNION ALL
SELECT 'running on a worker that is gone', c.id, c.type FROM (
    SELECT id, type, worker_id FROM runtime_commands
    WHERE account_id = $1 AND state = 'running' ORDER BY created_at LIMIT $3
) c WHERE NOT EXISTS (SELECT FROM runtime_workers w WHERE w.id = c.worker_id)
UNION ALL
SELECT 'lane leased by a worker that is gone', l.id, '' FROM runtime_lanes l
WHERE l.account_id = $1 AND l.state = 'leased' AND NOT EXISTS (SELECT FROM runtime_workers w WHERE w.id = l.worker_id)
UNION ALL
SELECT 'dead letter in replay whose command has ended', d.id, d.reason_class FROM (
    SELECT id, command_id, reason_class FROM runtime_dead_letters
    WHERE account_id = $1 AND state = 'replaying' ORDER BY created_at LIMIT $3
) d JOIN runtime_commands c ON c.account_id = $1 AND c.id = d.command_id
WHERE c.state IN ('succeeded', 'failed_terminal', 'dead_lettered', 'canceled')
LIMIT $3
"""
