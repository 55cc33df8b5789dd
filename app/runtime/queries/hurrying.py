"""SQL that makes due now what was to be tried again later."""

from app.kernel.writes import LANES, Write

# A lane that waits for one of them looks again at once; lanes are locked in the order of their ids.
HURRY = Write(
    "commands_hurried",
    """commands_hurried AS (
        UPDATE runtime_commands SET run_at = callboard_now(), updated_at = callboard_now()
        WHERE account_id = $1 AND id = ANY($2::uuid[]) AND state = 'retry_scheduled' AND run_at > callboard_now(){after}
        RETURNING lane_id
    ), hurried_lanes AS (
        SELECT l.id FROM runtime_lanes l
        WHERE l.account_id = $1 AND l.id = ANY(ARRAY(SELECT lane_id FROM commands_hurried)) AND l.state IN ('ready', 'waiting')
        ORDER BY l.id FOR UPDATE
    ), lanes_hurried AS (
        UPDATE runtime_lanes l SET state = 'ready', waits_for = NULL, ready_at = callboard_now() FROM hurried_lanes h
        WHERE l.account_id = $1 AND l.id = h.id RETURNING 1
    )""",
    rank=LANES,
)
