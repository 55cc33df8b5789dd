"""SQL of threads."""

from app.kernel.writes import Write

_FIELDS = "m.id, m.task_id, m.author_kind, m.author_id, m.author_name, m.content, m.mentions, m.created_at"

INSERT_MESSAGE = Write(
    "message_inserted",
    """message_inserted AS (
        INSERT INTO messages (account_id, id, task_id, author_kind, author_id, author_name, content, mentions,
                              source_notification_id, depth, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING 1
    )""",
)
# A message is no change of the card, so the version that edits compare stays.
TOUCH_TASK = Write(
    "task_touched",
    """task_touched AS (
        UPDATE tasks SET last_message_at = $3, updated_at = $3 WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)

ANSWER_TO = f"SELECT {_FIELDS} FROM messages m WHERE m.account_id = $1 AND m.source_notification_id = $2"

# Newest first; `$3` is the id behind which the page starts.
NEWEST = f"""
SELECT {_FIELDS} FROM messages m WHERE m.account_id = $1 AND m.task_id = $2 AND m.id < $3 ORDER BY m.id DESC LIMIT $4
"""

COUNT = "SELECT count(*) FROM messages WHERE account_id = $1 AND task_id = $2"
IS_RECIPIENT = "SELECT task_id FROM notifications WHERE account_id = $1 AND id = $2 AND recipient_id = $3"
