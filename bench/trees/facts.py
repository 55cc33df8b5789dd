"""What the database must say of worktrees when all is quiet."""

FACTS = {
    "gaps in the log": "SELECT max(seq) - count(*) FROM events",
    "tasks whose events have gaps": """
        SELECT count(*) FROM (SELECT max(sequence) - min(sequence) + 1 <> count(*) AS is_bad FROM events
            WHERE entity_kind = 'task' GROUP BY entity_id) t WHERE is_bad""",
    "commands that did not end": """
        SELECT count(*) FROM runtime_commands WHERE state IN ('queued', 'running', 'retry_scheduled', 'replay_requested', 'held')
          AND type <> 'tasks.expire_lease' AND schedule_id IS NULL""",
    "lanes that did not come to rest": "SELECT count(*) FROM runtime_lanes WHERE state <> 'idle' OR done_seq <> last_seq",
    "slots of limits that are held": "SELECT count(*) FROM runtime_limits WHERE used <> 0",
    "worktrees that are wanted for ever": """
        SELECT count(*) FROM task_worktrees WHERE removed_at IS NULL AND state = 'wanted'""",
    "worktrees that failed": "SELECT count(*) FROM task_worktrees WHERE removed_at IS NULL AND state = 'failed'",
    "worktrees of closed tasks": """
        SELECT count(*) FROM task_worktrees w JOIN tasks t ON t.account_id = w.account_id AND t.id = w.task_id
        WHERE w.removed_at IS NULL AND t.status IN ('done', 'archived')""",
    "tasks with two worktrees": """
        SELECT count(*) FROM (SELECT FROM task_worktrees WHERE removed_at IS NULL GROUP BY task_id HAVING count(*) > 1) t""",
    "held tasks without a worktree": """
        SELECT count(*) FROM tasks t WHERE t.status = 'in_progress' AND t.lease_until > callboard_now() AND NOT EXISTS (
            SELECT FROM task_worktrees w WHERE w.account_id = t.account_id AND w.task_id = t.id AND w.state = 'ready'
              AND w.removed_at IS NULL)""",
    "branches of two tasks": """
        SELECT count(*) FROM (SELECT repository_id, branch FROM task_worktrees WHERE branch IS NOT NULL
            GROUP BY 1, 2 HAVING count(DISTINCT task_id) > 1) t""",
    "clones that are not ready": "SELECT count(*) FROM repository_clones WHERE state <> 'ready'",
}
LETTERS = """
SELECT c.type, d.reason_class, left(d.message, 200) AS message, count(*) FROM runtime_dead_letters d
JOIN runtime_commands c ON c.account_id = d.account_id AND c.id = d.command_id
WHERE d.state IN ('open', 'replaying') GROUP BY 1, 2, 3
"""
WORKTREES = """
SELECT w.task_id, w.state, w.branch, w.path, r.name AS repository, c.directory, c.base_branch, w.removed_at IS NULL AS is_live,
    t.status, t.lease_until > callboard_now() AS is_held
FROM task_worktrees w JOIN tasks t ON t.account_id = w.account_id AND t.id = w.task_id
JOIN repositories r ON r.account_id = w.account_id AND r.id = w.repository_id
JOIN repository_clones c ON c.account_id = w.account_id AND c.repository_id = w.repository_id
ORDER BY w.id
"""
# Two tasks on the same files at this moment.
OVERLAPS = """
SELECT h.id, o.id AS other, f.pattern, g.pattern AS other_pattern FROM tasks h
JOIN file_reservations f ON f.account_id = h.account_id AND f.task_id = h.id AND f.fence = h.lease_fence
JOIN file_reservations g ON g.account_id = h.account_id AND g.repository_id = f.repository_id AND g.task_id > f.task_id
    AND split_part(g.pattern, '/', 1) = split_part(f.pattern, '/', 1)
JOIN tasks o ON o.account_id = g.account_id AND o.id = g.task_id AND o.lease_fence = g.fence
WHERE h.lease_agent_id IS NOT NULL AND o.lease_agent_id IS NOT NULL
  AND h.lease_until > clock_timestamp() AND o.lease_until > clock_timestamp()
"""
# All that begins or ends a lease, in the order of commits, and the files of each task.
HOLDS = """
SELECT e.seq, e.entity_id AS task_id, e.at, e.payload::text AS payload, e.type FROM events e
WHERE e.entity_kind = 'task' AND (e.payload ? 'lease' OR e.payload ? 'lease_ended' OR e.type = 'board:task:status_changed')
ORDER BY e.seq
"""
FILES = """
SELECT f.task_id, coalesce(t.repository_id, (SELECT id FROM repositories WHERE is_primary)) AS repository_id,
    split_part(f.pattern, '/', 1) AS area FROM file_reservations f JOIN tasks t ON t.id = f.task_id
"""
WAITING = """SELECT count(*) FROM runtime_commands WHERE state IN ('queued', 'running', 'retry_scheduled', 'replay_requested')
    AND type <> 'tasks.expire_lease' AND schedule_id IS NULL"""
COUNTS = {
    "events": "SELECT count(*) FROM events",
    "worktrees made": "SELECT count(*) FROM events WHERE type = 'board:worktree:ready'",
    "worktrees removed": "SELECT count(*) FROM events WHERE type = 'board:worktree:removed'",
    "rescues": "SELECT count(*) FROM task_worktrees WHERE rescued IS NOT NULL",
    "attempts lost": "SELECT count(*) FROM runtime_command_attempts WHERE outcome = 'lost'",
    "leases that ran out": "SELECT count(*) FROM events WHERE payload ->> 'rule' = 'lease_expired'",
    "closes": "SELECT count(*) FROM events WHERE type = 'board:task:status_changed' AND payload ->> 'to' = 'done'",
    "reopens": "SELECT count(*) FROM events WHERE type LIKE 'board:task:%' AND payload ->> 'from' IN ('done', 'archived')",
}
