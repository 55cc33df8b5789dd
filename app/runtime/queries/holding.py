"""SQL of commands that wait for an approval."""

from app.kernel.errors import InvalidTransition
from app.kernel.writes import LANES, Write

NOT_HELD = InvalidTransition("the command does not wait for an approval any more")
_HELD = "c.account_id = $1 AND c.id = r.id AND c.state = 'held' AND c.held_by = 'approval'{after}"
# A lane that waited for its head looks at it again at once.
_LANES = """{name}_lanes AS (
        SELECT id FROM runtime_lanes
        WHERE account_id = $1 AND id IN (SELECT lane_id FROM {name}) ORDER BY id FOR UPDATE
    ), {name}_readied AS (
        UPDATE runtime_lanes l SET ready_at = callboard_now() FROM {name}_lanes k
        WHERE l.account_id = $1 AND l.id = k.id AND l.state = 'ready'
    )"""

RELEASE = Write(
    "held_released",
    f"""held_released AS (
        UPDATE runtime_commands c SET state = 'queued', held_by = NULL, run_at = greatest(c.run_at, callboard_now()),
            updated_at = callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid) WHERE {_HELD}
        RETURNING c.lane_id
    ), {_LANES.format(name="held_released")}""",
    rank=LANES,
    short=NOT_HELD,
)
END = Write(
    "held_ended",
    f"""held_ended AS (
        UPDATE runtime_commands c SET state = 'canceled', held_by = NULL, finished_at = callboard_now(),
            updated_at = callboard_now(), last_error_message = r.reason,
            retention_until = callboard_now() + make_interval(days => r.retention_days)
        FROM json_to_recordset($2::json) AS r (id uuid, reason text, retention_days int) WHERE {_HELD}
        RETURNING c.lane_id
    ), {_LANES.format(name="held_ended")}""",
    rank=LANES,
    short=NOT_HELD,
)
