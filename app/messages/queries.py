"""SQL of threads."""

from app.agents.queries import KEY_ON_TASK
from app.kernel.writes import Write
from app.tasks.queries import SCENE_READ
from app.tasks.queries.evidence import CRITERIA_FIELDS
from app.tasks.queries.handoffs import HANDOFFS_FIELDS
from app.tasks.queries.vcs import REFS_FIELDS
from app.tasks.queries.worktrees import WORKTREE_FIELDS

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

# The place of a page's cursor in the thread; behind one that is not in it there is nothing.
_CURSOR = "(SELECT c.position FROM messages c WHERE c.account_id = $1 AND c.task_id = $2 AND c.id = $3)"
# Newest first; `$3` is the id behind which the page starts, if it is not the first.
NEWEST = f"""
SELECT {_FIELDS} FROM messages m
WHERE m.account_id = $1 AND m.task_id = $2 AND m.position < CASE WHEN $3::uuid IS NULL THEN 2147483647 ELSE {_CURSOR} END
ORDER BY m.position DESC LIMIT $4
"""

# From its beginning; `$3` is the id behind which the page starts, if it is not the first.
OLDEST = f"""
SELECT {_FIELDS} FROM messages m
WHERE m.account_id = $1 AND m.task_id = $2 AND m.position > CASE WHEN $3::uuid IS NULL THEN 0 ELSE {_CURSOR} END
ORDER BY m.position LIMIT $4
"""

# Of an agent (`$3`): the newest messages behind its position, oldest first, how many there are, and where the thread ends.
UNREAD = """
WITH behind AS (
    SELECT t.message_count AS upto, coalesce((SELECT p.seen FROM thread_positions p
        WHERE p.account_id = $1 AND p.task_id = $2 AND p.agent_id = $3), 0) AS seen
    FROM tasks t WHERE t.account_id = $1 AND t.id = $2
)
SELECT b.upto, b.seen, m.*,
    (SELECT count(*) FROM messages o WHERE o.account_id = $1 AND o.task_id = $2 AND o.position > b.seen
        AND o.author_id IS DISTINCT FROM $3) AS total
FROM behind b LEFT JOIN LATERAL (
    SELECT o.id, o.author_kind, o.author_name, o.content, o.created_at, o.position FROM messages o
    WHERE o.account_id = $1 AND o.task_id = $2 AND o.position > b.seen AND o.author_id IS DISTINCT FROM $3
    ORDER BY o.position DESC LIMIT $4
) m ON true ORDER BY m.position
"""
# It never goes back, whoever comes last.
ADVANCE = Write(
    "thread_shown",
    """thread_shown AS (
        INSERT INTO thread_positions AS p (account_id, task_id, agent_id, seen, seen_at)
        SELECT $1, r.task_id, r.agent_id, max(r.seen), callboard_now()
        FROM json_to_recordset($2::json) AS r (task_id uuid, agent_id uuid, seen integer)
        GROUP BY r.task_id, r.agent_id ORDER BY r.task_id, r.agent_id
        ON CONFLICT (account_id, task_id, agent_id) DO UPDATE SET seen = excluded.seen, seen_at = excluded.seen_at
            WHERE p.seen < excluded.seen
        RETURNING 1
    )""",
    is_exact=False,
)

# A card with all that hangs on it but its thread, of which it has the length, and the reader's own session on the task.
LOADED = f"""
WITH t AS ({SCENE_READ})
SELECT t.*, {HANDOFFS_FIELDS}, {REFS_FIELDS}, {WORKTREE_FIELDS},
    (SELECT v.criteria FROM (SELECT {CRITERIA_FIELDS}) v) AS verdicts,
    (SELECT o.message_count FROM tasks o WHERE o.account_id = $1 AND o.id = t.id) AS total, ({KEY_ON_TASK}) AS session_key
FROM t
"""
# Of each agent in `$4`, the last request that `$3` sent it on its task of `$2`; an answer stands later in the thread.
LAST_REQUESTS = """
SELECT n.task_id, n.recipient_id, n.created_at AS asked_at,
    CASE WHEN n.state IN ('delivered', 'no_response') THEN n.ended_at END AS arrived_at,
    EXISTS (SELECT 1 FROM messages m
            WHERE m.account_id = $1 AND m.task_id = n.task_id AND m.id > n.id AND m.author_id = n.recipient_id)
    OR EXISTS (SELECT 1 FROM messages m WHERE m.account_id = $1 AND m.source_notification_id = n.id) AS is_answered
FROM unnest($2::uuid[], $4::uuid[]) AS r (task_id, id) CROSS JOIN LATERAL (
    SELECT * FROM notifications o
    WHERE o.account_id = $1 AND o.task_id = r.task_id AND o.recipient_id = r.id
      AND o.type = 'response_request' AND o.actor_id = $3
    ORDER BY o.id DESC LIMIT 1
) n
"""
IS_RECIPIENT = "SELECT task_id FROM notifications WHERE account_id = $1 AND id = $2 AND recipient_id = $3"
