"""SQL of notifications."""

from app.kernel.writes import Write

INSERT = Write(
    "notified",
    """notified AS (
        INSERT INTO notifications (
            account_id, id, type, recipient_kind, recipient_id, task_id, message_id, event_id, actor_kind, actor_id, status_from,
            caused_by_type, cause_id, title, body, depth, state, reason, attempts, command_id,
            created_at, ended_at)
        SELECT $1, r.id, r.type, r.recipient_kind, r.recipient_id, r.task_id, r.message_id, r.event_id, r.actor_kind, r.actor_id,
            r.status_from, r.caused_by_type, r.cause_id, r.title, r.body, r.depth, r.state, r.reason, 0,
            r.command_id, callboard_now(), CASE WHEN r.state <> 'queued' THEN callboard_now() END
        FROM json_to_recordset($2::json) AS r (
            id uuid, type text, recipient_kind text, recipient_id uuid, task_id uuid, message_id uuid, event_id uuid,
            actor_kind text, actor_id uuid, status_from text, caused_by_type text, cause_id uuid,
            title text, body text, depth smallint,
            state text, reason text, command_id uuid)
        RETURNING 1
    )""",
)
_IS_PENDING = "n.type = 'thread_update' AND n.recipient_kind = 'agent' AND n.state = 'queued' AND n.taken_at IS NULL"
# Updates of one thread that nobody has taken, locked before anybody takes them. One is full after half of the day that it may
# wait, so that no message in it expires young, and when its agent is reached another way by now, or the command that would
# deliver it, or that one's session, has ended.
PENDING = f"""
SELECT n.id, n.recipient_id, n.actor_kind, n.actor_id, n.caused_by_type, n.cause_id, n.reason, n.depth,
    n.created_at > callboard_now() - interval '12 hours' AND (n.command_id IS NULL) = (a.reach = 'pull')
    AND (n.command_id IS NULL OR EXISTS (
        SELECT FROM runtime_commands k JOIN agent_sessions s ON s.account_id = $1 AND s.id = k.lane_id
        WHERE k.account_id = $1 AND k.id = n.command_id AND s.closed_at IS NULL
          AND k.state NOT IN ('succeeded', 'failed_terminal', 'dead_lettered', 'canceled'))) AS has_room
FROM notifications n JOIN agents a ON a.account_id = $1 AND a.id = n.recipient_id
WHERE n.account_id = $1 AND n.task_id = $2 AND n.recipient_id = ANY($3::uuid[]) AND {_IS_PENDING}
ORDER BY n.id FOR NO KEY UPDATE OF n
"""
MERGE = Write(
    "notifications_merged",
    f"""notifications_merged AS (
        UPDATE notifications n SET message_id = r.message_id, event_id = r.event_id, title = r.title, body = r.body,
            actor_kind = r.actor_kind, actor_id = r.actor_id, caused_by_type = r.caused_by_type, cause_id = r.cause_id,
            reason = r.reason, depth = r.depth, merged = n.merged + 1
        FROM json_to_recordset($2::json) AS r (
            id uuid, message_id uuid, event_id uuid, title text, body text, actor_kind text, actor_id uuid,
            caused_by_type text, cause_id uuid, reason text, depth smallint)
        WHERE n.account_id = $1 AND n.id = r.id AND {_IS_PENDING}
        RETURNING 1
    )""",
)
# Nothing merges into it any more; it waits as it is.
CLOSE = Write(
    "notifications_closed",
    """notifications_closed AS (
        UPDATE notifications SET taken_at = callboard_now()
        WHERE account_id = $1 AND id = ANY($2::uuid[]) AND taken_at IS NULL RETURNING 1
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
# It takes nothing in: an update of the same thread may have come to wait meanwhile.
REOPEN = Write(
    "notification_reopened",
    """notification_reopened AS (
        UPDATE notifications SET state = 'queued', reason = NULL, ended_at = NULL, taken_at = coalesce(taken_at, callboard_now())
        WHERE account_id = $1 AND id = ANY($2) AND state IN ('dead', 'expired') RETURNING 1
    )""",
)
# Whoever acknowledges a message has been shown the thread so far.
ACKNOWLEDGE = Write(
    "acknowledged",
    """acknowledged AS (
        UPDATE notifications SET state = 'delivered', ended_at = callboard_now()
        WHERE account_id = $1 AND recipient_id = $2 AND id = ANY($3) AND state = 'queued' RETURNING message_id
    ), thread_acknowledged AS (
        INSERT INTO thread_positions AS p (account_id, task_id, agent_id, seen, seen_at)
        SELECT $1, m.task_id, $2, max(m.position), callboard_now()
        FROM acknowledged k JOIN messages m ON m.account_id = $1 AND m.id = k.message_id
        GROUP BY m.task_id ORDER BY m.task_id
        ON CONFLICT (account_id, task_id, agent_id) DO UPDATE SET seen = excluded.seen, seen_at = excluded.seen_at
            WHERE p.seen < excluded.seen
    )""",
)
# What is still of use on an archived task is a person's call by name; what a gateway was asked already comes to its own end.
END_OF_TASKS = Write(
    "notifications_of_tasks_ended",
    """notifications_of_tasks_ended AS (
        UPDATE notifications n SET state = 'skipped', reason = r.reason, ended_at = callboard_now()
        FROM json_to_recordset($2::json) AS r (task_id uuid, reason text)
        WHERE n.account_id = $1 AND n.task_id = r.task_id AND n.recipient_kind = 'agent' AND n.state = 'queued'
          AND (n.taken_at IS NULL OR n.command_id IS NULL) AND NOT (n.type = 'mention' AND n.actor_kind = 'person')
        RETURNING 1
    )""",
    is_exact=False,
)
END_OF_AGENT = Write(
    "notifications_of_agent_ended",
    """notifications_of_agent_ended AS (
        UPDATE notifications SET state = 'skipped', reason = $3, ended_at = callboard_now()
        WHERE account_id = $1 AND recipient_id = $2 AND recipient_kind = 'agent' AND state = 'queued'
          AND (taken_at IS NULL OR command_id IS NULL) RETURNING 1
    )""",
)
# What no command delivers ends by itself when it was not acknowledged for so long.
OVERDUE = """
SELECT n.id FROM agents a JOIN notifications n ON n.account_id = $1 AND n.recipient_id = a.id
WHERE a.account_id = $1 AND n.recipient_kind = 'agent' AND n.state = 'queued' AND n.command_id IS NULL
  AND n.created_at <= callboard_now() - interval '1 day' LIMIT $2 FOR NO KEY UPDATE OF n SKIP LOCKED
"""
EXPIRE = Write(
    "notifications_expired",
    """notifications_expired AS (
        UPDATE notifications SET state = 'expired', reason = 'expired', ended_at = callboard_now()
        WHERE account_id = $1 AND id = ANY($2::uuid[]) AND state = 'queued' RETURNING 1
    )""",
)
# When the next may be overdue, not before a quarter of an hour; never where nobody fetches and nothing waits to be fetched.
NEXT_OVERDUE = """
SELECT CASE WHEN o.at IS NOT NULL OR EXISTS (SELECT FROM agents WHERE account_id = $1 AND reach = 'pull' AND retired_at IS NULL)
    THEN greatest(least(o.at, callboard_now()) + interval '1 day', callboard_now() + interval '15 minutes') END
FROM (
    SELECT min(n.created_at) AS at FROM agents a JOIN notifications n ON n.account_id = $1 AND n.recipient_id = a.id
    WHERE a.account_id = $1 AND n.recipient_kind = 'agent' AND n.state = 'queued' AND n.command_id IS NULL
) o
"""
KEPT_DAYS = "SELECT value::text FROM runtime_settings WHERE account_id = $1 AND name = 'retention.notifications.days'"
# The oldest that have ended, or that a person did not read in all that time.
FORGOTTEN = """
SELECT n.id FROM notifications n JOIN (
    SELECT o.id FROM notifications o WHERE o.account_id = $1 ORDER BY o.id LIMIT 4 * $3
) oldest ON oldest.id = n.id
WHERE n.account_id = $1 AND n.created_at <= callboard_now() - make_interval(days => $2)
  AND (n.state <> 'queued' OR n.recipient_kind = 'person') ORDER BY n.id LIMIT $3 FOR UPDATE OF n SKIP LOCKED
"""
FORGET = Write(
    "notifications_forgotten",
    """notifications_forgotten AS (
        DELETE FROM notifications WHERE account_id = $1 AND id = ANY($2::uuid[]) RETURNING 1
    )""",
)
_FIELDS = """id, type, recipient_kind, recipient_id, task_id, message_id, title, state, reason, attempts, merged, depth,
    command_id, created_at, ended_at"""
OF_ACCOUNT = f"""
SELECT {_FIELDS}
FROM notifications
WHERE account_id = $1 AND id < $2 AND ($3::uuid IS NULL OR task_id = $3) AND ($4::text IS NULL OR state = $4)
  AND ($5::uuid IS NULL OR recipient_id = $5)
ORDER BY id DESC LIMIT $6
"""
# Of one person (`$5`); those that were not read have an index of their own.
_OF_PERSON = f"""
SELECT {_FIELDS}
FROM notifications
WHERE account_id = $1 AND id < $2 AND ($3::uuid IS NULL OR task_id = $3) AND {{state}}
  AND recipient_kind = 'person' AND recipient_id = $5
ORDER BY id DESC LIMIT $6
"""
OF_PERSON = _OF_PERSON.format(state="($4::text IS NULL OR state = $4)")
UNREAD_OF_PERSON = _OF_PERSON.format(state="state = 'queued' AND $4 = 'queued'")
UNREAD = """
SELECT count(*) FROM notifications WHERE account_id = $1 AND recipient_id = $2 AND recipient_kind = 'person' AND state = 'queued'
"""
OWN = f"""
SELECT {_FIELDS}, callboard_now() AS now FROM notifications
WHERE account_id = $1 AND id = $2 AND recipient_kind = 'person' AND recipient_id = $3 FOR NO KEY UPDATE
"""
READ = Write(
    "notification_read",
    """notification_read AS (
        UPDATE notifications SET state = 'delivered', ended_at = $3 WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
# What came after the newest that was looked at (`$3`) is not read by that.
READ_ALL = """
WITH own AS (
    SELECT id FROM notifications
    WHERE account_id = $1 AND recipient_id = $2 AND recipient_kind = 'person' AND state = 'queued'
      AND ($3::uuid IS NULL OR id <= $3)
    ORDER BY id FOR NO KEY UPDATE
), done AS (
    UPDATE notifications SET state = 'delivered', ended_at = callboard_now()
    WHERE account_id = $1 AND id = ANY(ARRAY(SELECT id FROM own)) RETURNING 1
)
SELECT count(*) FROM done
"""
