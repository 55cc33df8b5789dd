"""SQL of an operator's hand on commands."""

from app.kernel.writes import LANES, Write
from app.runtime.queries.reading import COMMAND_FIELDS

# The command that is moved, locked; its time is the database's.
SCENE = f"""
SELECT {COMMAND_FIELDS}, callboard_now() AS now FROM runtime_commands c
WHERE c.account_id = $1 AND c.id = $2 FOR NO KEY UPDATE OF c
"""

# $3 the state it has, $4 the one it gets, $5 why it is held, $6 whether it is due at once, $7 days to keep what is canceled.
# A lane that waits for this command looks again at once.
MOVE = Write(
    "command_moved",
    """command_moved AS (
        UPDATE runtime_commands SET state = $4::text, held_by = $5::text, updated_at = callboard_now(),
            run_at = CASE WHEN $6::bool THEN least(run_at, callboard_now()) ELSE run_at END,
            finished_at = CASE WHEN $4::text = 'canceled' THEN callboard_now() END,
            retention_until = CASE WHEN $4::text = 'canceled' THEN callboard_now() + make_interval(days => $7::int) END
        WHERE account_id = $1 AND id = $2 AND state = $3::text{after} RETURNING lane_id
    ), command_lane_stirred AS (
        UPDATE runtime_lanes l SET state = 'ready', waits_for = NULL, ready_at = callboard_now() FROM command_moved m
        WHERE l.account_id = $1 AND l.id = m.lane_id AND l.state IN ('ready', 'waiting')
    )""",
    rank=LANES,
)

# Who runs it hears of this and stops.
ASK_TO_STOP = Write(
    "stop_asked",
    """stop_asked AS (
        UPDATE runtime_commands SET cancel_requested_at = coalesce(cancel_requested_at, callboard_now()),
            updated_at = callboard_now()
        WHERE account_id = $1 AND id = $2 AND state = 'running' RETURNING 1
    )""",
)

BY_KEY = f"""
SELECT {COMMAND_FIELDS}, c.request_hash FROM runtime_commands c
WHERE c.account_id = $1 AND c.type = $2 AND c.idempotency_key = $3
"""

# Of these commands, those that have not ended: locked, in one order.
OPEN = f"""
SELECT {COMMAND_FIELDS}, c.spent, callboard_now() AS now FROM runtime_commands c
WHERE c.account_id = $1 AND c.id = ANY($2) AND c.state IN ('held', 'queued', 'retry_scheduled', 'running')
ORDER BY c.id FOR NO KEY UPDATE OF c
"""
# Several that wait; $3 days to keep them.
CANCEL = Write(
    "commands_canceled",
    """commands_canceled AS (
        UPDATE runtime_commands SET state = 'canceled', held_by = NULL, updated_at = callboard_now(),
            finished_at = callboard_now(), retention_until = callboard_now() + make_interval(days => $3::int)
        WHERE account_id = $1 AND id = ANY($2::uuid[]) AND state IN ('held', 'queued', 'retry_scheduled'){after}
        RETURNING lane_id
    ), lanes_to_stir AS (
        SELECT l.id FROM runtime_lanes l
        WHERE l.account_id = $1 AND l.id IN (SELECT lane_id FROM commands_canceled) AND l.state IN ('ready', 'waiting')
        ORDER BY l.id FOR UPDATE
    ), lanes_stirred AS (
        UPDATE runtime_lanes l SET state = 'ready', waits_for = NULL, ready_at = callboard_now() FROM lanes_to_stir s
        WHERE l.account_id = $1 AND l.id = s.id
    )""",
    rank=LANES,
)
ASK_ALL_TO_STOP = Write(
    "stops_asked",
    """stops_asked AS (
        UPDATE runtime_commands SET cancel_requested_at = coalesce(cancel_requested_at, callboard_now()),
            updated_at = callboard_now()
        WHERE account_id = $1 AND id = ANY($2::uuid[]) AND state = 'running' RETURNING 1
    )""",
)
