"""SQL of `next`: what one agent should do now. The columns of every answer are alike."""

from app.kernel.writes import Write

# Oldest first; two calls at once get two of them; one that was offered comes again when nobody acknowledged it for `$3` seconds.
NOTIFICATION = """
SELECT n.id, n.type, n.task_id, n.message_id, n.title, n.body, n.reason, n.created_at
FROM notifications n
WHERE n.account_id = $1 AND n.recipient_id = $2 AND n.state = 'queued' AND n.command_id IS NULL
  AND (n.offered_at IS NULL OR n.offered_at <= callboard_now() - make_interval(secs => $3))
ORDER BY n.id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
OFFER = Write(
    "offered",
    """offered AS (
        UPDATE notifications SET offered_at = callboard_now() WHERE account_id = $1 AND id = $2 AND state = 'queued' RETURNING 1
    )""",
)
SELF = """
SELECT a.id, a.slug, a.name, a.role, a.flags::text AS flags, a.reach, c.settings::text AS settings
FROM agents a JOIN accounts c ON c.id = a.account_id WHERE a.account_id = $1 AND a.id = $2
"""
# What was begun comes before what was not; then priority, then age.
OWN = """
SELECT t.id, t.status, t.version FROM task_assignees x
JOIN tasks t ON t.account_id = x.account_id AND t.id = x.task_id
WHERE x.account_id = $1 AND x.agent_id = $2 AND x.removed_at IS NULL AND t.status IN ('in_progress', 'assigned')
ORDER BY (t.status = 'in_progress') DESC, t.priority, t.id LIMIT 1
"""
# With the agents that worked on each, who may be barred from closing it.
IN_REVIEW = """
SELECT t.id, ARRAY(SELECT x.agent_id FROM task_assignees x
                   WHERE x.account_id = $1 AND x.task_id = t.id AND x.agent_id IS NOT NULL AND x.acted_at IS NOT NULL) AS acted
FROM tasks t WHERE t.account_id = $1 AND t.status = 'review' ORDER BY t.priority, t.id LIMIT 200
"""
UNASSIGNED = """
SELECT t.id, t.status, t.version FROM tasks t
WHERE t.account_id = $1 AND t.status = 'inbox' AND NOT t.is_coordination ORDER BY t.priority, t.id LIMIT 1
"""
# Cards that nobody moves: blocked, or without anybody on them.
STUCK = """
SELECT t.id, t.status, t.version FROM tasks t
WHERE t.account_id = $1 AND (t.status = 'blocked' OR t.status IN ('review', 'in_progress', 'assigned') AND NOT EXISTS (
    SELECT 1 FROM task_assignees x WHERE x.account_id = $1 AND x.task_id = t.id AND x.removed_at IS NULL))
  AND t.updated_at <= callboard_now() - make_interval(secs => $2)
ORDER BY t.priority, t.id LIMIT 1
"""
CREW = "SELECT id, slug, name, role, flags::text AS flags FROM agents WHERE account_id = $1 AND retired_at IS NULL"
