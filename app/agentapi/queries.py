"""SQL of `next`: what one agent should do now. The columns of every answer are alike."""

from app.kernel.writes import Write

# Oldest first; one that was offered comes again when nobody acknowledged it for `$3` seconds.
NOTIFICATION = """
SELECT n.id, n.type, n.task_id, n.message_id, n.title, n.body, n.reason, n.created_at
FROM notifications n
WHERE n.account_id = $1 AND n.recipient_id = $2 AND n.state = 'queued' AND n.command_id IS NULL
  AND (n.offered_at IS NULL OR n.offered_at <= callboard_now() - make_interval(secs => $3))
ORDER BY n.id LIMIT 1
"""
OFFER = Write(
    "offered",
    """offered AS (
        UPDATE notifications SET offered_at = callboard_now() WHERE account_id = $1 AND id = $2 AND state = 'queued' RETURNING 1
    )""",
)
SELF = """
SELECT a.reach, c.settings::text AS settings, callboard_now() AS now
FROM agents a JOIN accounts c ON c.id = a.account_id WHERE a.account_id = $1 AND a.id = $2
"""
# What was begun comes before what was not; then priority, then age.
OWN = """
SELECT t.id, t.status, t.version FROM task_assignees x
JOIN tasks t ON t.account_id = x.account_id AND t.id = x.task_id
WHERE x.account_id = $1 AND x.agent_id = $2 AND x.removed_at IS NULL AND t.status IN ('in_progress', 'assigned')
ORDER BY (t.status = 'in_progress') DESC, t.priority, t.id LIMIT 1
"""
IN_REVIEW = """
SELECT t.id, t.status, t.version FROM tasks t
WHERE t.account_id = $1 AND t.status = 'review' ORDER BY t.priority, t.id LIMIT 20
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
CREW = """
SELECT a.id, a.slug, a.name, a.role, a.flags::text AS flags, coalesce(x.is_assigned, false) AS is_assigned,
    coalesce(x.has_acted, false) AS has_acted
FROM agents a
LEFT JOIN (SELECT agent_id, bool_or(removed_at IS NULL) AS is_assigned, bool_or(acted_at IS NOT NULL) AS has_acted
           FROM task_assignees WHERE account_id = $1 AND task_id = $2 AND agent_id IS NOT NULL GROUP BY agent_id
          ) x ON x.agent_id = a.id
WHERE a.account_id = $1 AND a.retired_at IS NULL
"""
