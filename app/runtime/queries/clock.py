"""SQL of the clock: where time stands, and when something is due next."""

NOW = "SELECT callboard_now()"

_HEADS = """SELECT min(greatest(l.ready_at, h.run_at)) FROM runtime_lanes l CROSS JOIN LATERAL (
    SELECT state, run_at FROM runtime_commands
    WHERE account_id = l.account_id AND lane_id = l.id AND lane_seq > l.done_seq
      AND state NOT IN ('succeeded', 'failed_terminal', 'dead_lettered', 'canceled')
    ORDER BY lane_seq LIMIT 1
) h WHERE l.state = 'ready' AND h.state IN ('queued', 'retry_scheduled')"""

_RUNS = """s.is_enabled AND NOT EXISTS (
        SELECT FROM runtime_settings w WHERE w.account_id = s.account_id AND w.name = 'switch.schedules'
          AND w.value NOT IN ('false', 'null'))"""

# What is held or paused is not due; a lane is due when its first command is.
FACTS_EVERYWHERE = f"""
SELECT callboard_now() AS now, EXISTS (SELECT FROM runtime_commands WHERE state = 'running') AS is_running, least(
    (SELECT min(c.run_at) FROM unnest($1::smallint[]) AS k (prio) CROSS JOIN LATERAL (
        SELECT run_at FROM runtime_commands
        WHERE prio = k.prio AND lane_id IS NULL AND state IN ('queued', 'retry_scheduled') ORDER BY run_at, id LIMIT 1) c),
    ({_HEADS}),
    (SELECT s.fires_at FROM runtime_schedules s WHERE {_RUNS} ORDER BY s.fires_at LIMIT 1)
) AS due
"""

# The same of one account; $2 its queues.
NEXT_DUE = f"""
SELECT (SELECT mode FROM runtime_clock) AS mode, callboard_now() AS now, least(
    (SELECT min(c.run_at) FROM unnest($2::text[]) AS k (queue) CROSS JOIN LATERAL (
        SELECT run_at FROM runtime_commands
        WHERE account_id = $1 AND queue = k.queue AND lane_id IS NULL AND state IN ('queued', 'retry_scheduled')
        ORDER BY run_at LIMIT 1) c),
    ({_HEADS} AND l.account_id = $1),
    (SELECT min(s.fires_at) FROM runtime_schedules s WHERE s.account_id = $1 AND {_RUNS})
) AS due
"""

# What may begin now: the ticks of schedules, the heads of lanes, and commands of which classes.
DUE_NOW = f"""
SELECT EXISTS (SELECT FROM runtime_schedules s WHERE s.fires_at <= callboard_now() AND {_RUNS}) AS is_ticking,
    EXISTS (SELECT FROM runtime_lanes WHERE state = 'ready' AND ready_at <= callboard_now()) AS is_in_lanes,
    ARRAY(SELECT k.prio FROM unnest($1::smallint[]) AS k (prio) CROSS JOIN LATERAL (
        SELECT FROM runtime_commands
        WHERE prio = k.prio AND lane_id IS NULL AND state IN ('queued', 'retry_scheduled') AND run_at <= callboard_now()
        ORDER BY run_at, id LIMIT 1) c) AS prios
"""

# A clock that is not simulated has no row to move.
MOVE = """
WITH moved AS (UPDATE runtime_clock SET at = greatest(at, $1) WHERE mode = 'simulated' RETURNING at)
SELECT at, pg_notify('callboard_work', '*'), pg_notify('callboard_control', '*') FROM moved
"""

TAKE_TURN = "SELECT pg_try_advisory_lock($1)"
