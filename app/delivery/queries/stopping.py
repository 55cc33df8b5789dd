"""SQL of stopping what goes on about a task."""

from app.kernel.errors import Unavailable
from app.kernel.writes import Write

# What agents were to hear of the task, but for `$3`, who stops it; in one order, so that two who end them do not deadlock.
DROP = """
WITH waiting AS (
    SELECT id FROM notifications
    WHERE account_id = $1 AND task_id = $2 AND recipient_kind = 'agent' AND state = 'queued' AND recipient_id <> $3
    ORDER BY id FOR UPDATE
)
UPDATE notifications n
SET state = 'skipped', reason = 'stopped', ended_at = callboard_now(), attempts = greatest(n.attempts, coalesce((
    SELECT k.attempt FROM runtime_commands k WHERE k.account_id = $1 AND k.id = n.command_id), 0))
FROM waiting w WHERE n.account_id = $1 AND n.id = w.id
RETURNING n.id, n.command_id, n.attempts,
    coalesce((SELECT k.spent FROM runtime_commands k WHERE k.account_id = $1 AND k.id = n.command_id), 0) AS spent
"""
# What an agent does in its turn counts only while the notification that gave it the turn waits for its end. It is asked in the
# statement that writes, when the task is locked, so that nothing gets past a stop.
STILL_WAITS = Write(
    "still_waits",
    """still_waits AS (
        SELECT 1 FROM notifications WHERE account_id = $1 AND id = $2 AND state = 'queued' FOR SHARE
    )""",
    rank=-1,
    short=Unavailable("this turn was ended meanwhile; nothing of it counts"),
)
