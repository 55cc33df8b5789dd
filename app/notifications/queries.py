"""SQL of notifications."""

from app.kernel.writes import Write

INSERT = Write(
    "notified",
    """notified AS (
        INSERT INTO notifications (
            account_id, id, type, recipient_kind, recipient_id, task_id, message_id, event_id, actor_kind, actor_id, status_from,
            caused_by_type, cause_id, title, body, depth, state, reason, attempts, command_id,
            created_at, taken_at, ended_at)
        SELECT $1, r.id, r.type, r.recipient_kind, r.recipient_id, r.task_id, r.message_id, r.event_id, r.actor_kind, r.actor_id,
            r.status_from, r.caused_by_type, r.cause_id, r.title, r.body, r.depth, r.state, r.reason, 0,
            r.command_id, callboard_now(), callboard_now(), CASE WHEN r.state <> 'queued' THEN callboard_now() END
        FROM json_to_recordset($2::json) AS r (
            id uuid, type text, recipient_kind text, recipient_id uuid, task_id uuid, message_id uuid, event_id uuid,
            actor_kind text, actor_id uuid, status_from text, caused_by_type text, cause_id uuid,
            title text, body text, depth smallint,
            state text, reason text, command_id uuid)
        RETURNING 1
    )""",
)
END = Write(
    "notification_ended",
    """notification_ended AS (
        UPDATE notifications SET state = $3, reason = coalesce($4, reason), attempts = $5, ended_at = callboard_now()
        WHERE account_id = $1 AND id = $2 AND state = 'queued' RETURNING 1
    )""",
)
# In one order, so that two who take notifications back do not wait for each other.
GIVEN_UP = """
SELECT id, recipient_id FROM notifications WHERE account_id = $1 AND id = ANY($2) AND state IN ('dead', 'expired')
ORDER BY id FOR NO KEY UPDATE
"""
REOPEN = Write(
    "notification_reopened",
    """notification_reopened AS (
        UPDATE notifications SET state = 'queued', reason = NULL, ended_at = NULL
        WHERE account_id = $1 AND id = ANY($2) AND state IN ('dead', 'expired') RETURNING 1
    )""",
)
ACKNOWLEDGE = Write(
    "acknowledged",
    """acknowledged AS (
        UPDATE notifications SET state = 'delivered', ended_at = callboard_now()
        WHERE account_id = $1 AND recipient_id = $2 AND id = ANY($3) AND state = 'queued' RETURNING 1
    )""",
)
OF_ACCOUNT = """
SELECT id, type, recipient_kind, recipient_id, task_id, message_id, title, state, reason, attempts, depth, command_id,
    created_at, ended_at
FROM notifications
WHERE account_id = $1 AND id < $2 AND ($3::uuid IS NULL OR task_id = $3) AND ($4::uuid IS NULL OR recipient_id = $4)
ORDER BY id DESC LIMIT $5
"""
