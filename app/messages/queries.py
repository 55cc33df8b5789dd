"""SQL of threads."""

from app.agents.queries import KEY_ON_TASK
from app.kernel.writes import Write
from app.tasks.queries import SCENE_READ
from app.tasks.queries.evidence import CRITERIA_FIELDS
from app.tasks.queries.handoffs import HANDOFFS_FIELDS
from app.tasks.queries.vcs import REFS_FIELDS

_FIELDS = "m.id, m.task_id, m.author_kind, m.author_id, m.author_name, m.content, m.mentions, m.created_at"

INSERT_MESSAGE = Write(
    "message_inserted",
    """message_inserted AS (
        INSERT INTO messages (account_id, id, task_id, author_kind, author_id, author_name, content, mentions,
                              source_notification_id, depth, created_at, position)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, t.message_count + 1
        FROM tasks t WHERE t.account_id = $1 AND t.id = $3 RETURNING 1
    )""",
)
# A message is no change of the card, so the version that edits compare stays.
TOUCH_TASK = Write(
    "task_touched",
    """task_touched AS (
        UPDATE tasks SET last_message_at = $3, updated_at = $3, message_count = message_count + 1
        WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)

ANSWER_TO = f"SELECT {_FIELDS} FROM messages m WHERE m.account_id = $1 AND m.source_notification_id = $2"

# Newest first; `$3` is the id behind which the page starts.
NEWEST = f"""
SELECT {_FIELDS} FROM messages m WHERE m.account_id = $1 AND m.task_id = $2 AND m.id < $3 ORDER BY m.id DESC LIMIT $4
"""

# From its beginning; `$3` is the id behind which the page starts.
OLDEST = f"""
SELECT {_FIELDS} FROM messages m WHERE m.account_id = $1 AND m.task_id = $2 AND m.id > $3 ORDER BY m.id LIMIT $4
"""

# A card with all that hangs on it but its thread, of which it has the length, and the reader's own session on the task.
LOADED = f"""
WITH t AS ({SCENE_READ})
SELECT t.*, {HANDOFFS_FIELDS}, {REFS_FIELDS}, (SELECT v.criteria FROM (SELECT {CRITERIA_FIELDS}) v) AS verdicts,
    (SELECT count(*) FROM messages m WHERE m.account_id = $1 AND m.task_id = t.id) AS total, ({KEY_ON_TASK}) AS session_key
FROM t
"""
# Of each agent in `$4`, the last request that `$3` sent it on the task; an answer stands later in the thread.
LAST_REQUESTS = """
SELECT n.recipient_id, n.created_at AS asked_at,
    CASE WHEN n.state IN ('delivered', 'no_response') THEN n.ended_at END AS arrived_at,
    EXISTS (SELECT 1 FROM messages m
            WHERE m.account_id = $1 AND m.task_id = $2 AND m.id > n.id AND m.author_id = n.recipient_id)
    OR EXISTS (SELECT 1 FROM messages m WHERE m.account_id = $1 AND m.source_notification_id = n.id) AS is_answered
FROM unnest($4::uuid[]) AS r (id) CROSS JOIN LATERAL (
    SELECT * FROM notifications o
    WHERE o.account_id = $1 AND o.task_id = $2 AND o.recipient_id = r.id AND o.type = 'response_request' AND o.actor_id = $3
    ORDER BY o.id DESC LIMIT 1
) n
"""
IS_RECIPIENT = "SELECT task_id FROM notifications WHERE account_id = $1 AND id = $2 AND recipient_id = $3"
