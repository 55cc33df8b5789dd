"""SQL of worktrees beside the clones that they belong to."""

_REPOSITORY = """r.id AS repository_id, r.name, r.url, r.base_branch, r.branch_prefix, r.branch_pattern, r.protected_branches,
    r.branch_per_task, r.keep_worktrees, r.clone_depth, r.writable_dir, r.is_primary, r.is_from_environment, r.version,
    k.slug AS account_slug, c.state AS clone_state, c.head AS clone_head, c.base_branch AS clone_base, c.advice,
    c.directory AS clone_directory"""
_WORKTREE = (
    """w.id, w.task_id, w.state, w.branch, w.path, w.gateway_path, w.base, w.head, w.problem, w.pushed_head, w.removed_at"""
)
_TASK = """t.title, t.status, t.lease_until > callboard_now() AS is_held, h.slug AS holder,
    (SELECT a.slug FROM task_assignees x JOIN agents a ON a.account_id = $1 AND a.id = x.agent_id
     WHERE x.account_id = $1 AND x.task_id = t.id AND x.removed_at IS NULL ORDER BY x.assigned_at, x.id LIMIT 1) AS assignee"""
_CURRENT = "CASE WHEN t.repository_id IS NULL THEN r.is_primary ELSE r.id = t.repository_id END"
_AROUND = """JOIN accounts k ON k.id = r.account_id
LEFT JOIN repository_clones c ON c.account_id = $1 AND c.repository_id = r.id
LEFT JOIN agents h ON h.account_id = $1 AND h.id = t.lease_agent_id"""
_OF_TASK = f"""
SELECT {_WORKTREE}, {_REPOSITORY}, {_TASK}, {_CURRENT} AS is_current,
    (SELECT json_build_object('branch', e.branch, 'path', e.path, 'base', e.base) FROM task_worktrees e
     WHERE e.account_id = $1 AND e.task_id = t.id AND e.repository_id = r.id AND e.id < w.id AND e.branch IS NOT NULL
     ORDER BY e.id DESC LIMIT 1)::text AS earlier,
    (SELECT count(*) FROM task_worktrees e WHERE e.account_id = $1 AND e.task_id = t.id AND e.rescued IS NOT NULL) AS rescues,
    EXISTS (SELECT FROM task_worktrees o JOIN tasks p ON p.account_id = $1 AND p.id = o.task_id
            WHERE o.account_id = $1 AND o.repository_id = r.id AND o.task_id <> t.id AND o.path = w.path
              AND o.removed_at IS NULL AND p.status NOT IN ('done', 'archived')) AS is_shared
FROM task_worktrees w
JOIN tasks t ON t.account_id = $1 AND t.id = w.task_id
JOIN repositories r ON r.account_id = $1 AND r.id = w.repository_id
{_AROUND}
"""
# All that are there of a task, in whichever repository.
LIVE = f"{_OF_TASK} WHERE w.account_id = $1 AND w.task_id = $2 AND w.removed_at IS NULL ORDER BY w.id"
# Where a task's work is done or would be: its repository, and the newest of its worktrees there.
WORK = f"""
SELECT {_WORKTREE}, {_REPOSITORY}, {_TASK}
FROM tasks t
JOIN repositories r ON r.account_id = $1 AND {_CURRENT}
{_AROUND}
LEFT JOIN LATERAL (SELECT * FROM task_worktrees o WHERE o.account_id = $1 AND o.task_id = t.id AND o.repository_id = r.id
                   ORDER BY o.id DESC LIMIT 1) w ON true
WHERE t.account_id = $1 AND t.id = $2
"""
# Names are given one after the other.
LOCK = "SELECT id FROM repositories WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE"
TAKEN = """
SELECT branch, path FROM task_worktrees
WHERE account_id = $1 AND repository_id = $2 AND task_id <> $3 AND (branch = $4 OR path = $5)
"""
# What the clone of a repository was awaited for.
AWAITING = """
SELECT w.task_id FROM task_worktrees w JOIN tasks t ON t.account_id = $1 AND t.id = w.task_id
WHERE w.account_id = $1 AND w.repository_id = $2 AND w.removed_at IS NULL AND w.state IN ('wanted', 'failed')
  AND t.status NOT IN ('done', 'archived')
ORDER BY w.id LIMIT $3
"""
# All that are there, to compare with what is on disk; `is_old`: nothing was written of it for `$4` seconds.
STANDING = """
SELECT w.id, w.task_id, w.repository_id, w.state, w.path, t.status IN ('done', 'archived')
        OR NOT CASE WHEN t.repository_id IS NULL THEN r.is_primary ELSE r.id = t.repository_id END AS is_over,
    t.status IN ('done', 'archived') AS is_closed,
    w.changed_at < callboard_now() - make_interval(secs => $4) AS is_old, c.head IS NOT NULL AS has_clone
FROM task_worktrees w
JOIN tasks t ON t.account_id = $1 AND t.id = w.task_id
JOIN repositories r ON r.account_id = $1 AND r.id = w.repository_id
LEFT JOIN repository_clones c ON c.account_id = $1 AND c.repository_id = r.id
WHERE w.account_id = $1 AND w.id > $2 AND w.removed_at IS NULL ORDER BY w.id LIMIT $3
"""
REPOSITORIES = f"""
SELECT {_REPOSITORY} FROM repositories r JOIN accounts k ON k.id = r.account_id
JOIN repository_clones c ON c.account_id = $1 AND c.repository_id = r.id
WHERE r.account_id = $1 AND r.url IS NOT NULL AND c.head IS NOT NULL ORDER BY r.name
"""
LISTED = """
SELECT w.id, t.title, w.task_id, r.name AS repository, w.branch, w.state, w.path, w.ahead, w.behind, w.changes, w.problem,
    h.slug AS holder
FROM task_worktrees w
JOIN tasks t ON t.account_id = $1 AND t.id = w.task_id
JOIN repositories r ON r.account_id = $1 AND r.id = w.repository_id
LEFT JOIN agents h ON h.account_id = $1 AND h.id = t.lease_agent_id AND t.lease_until > callboard_now()
WHERE w.account_id = $1 AND w.id > $2 AND w.removed_at IS NULL ORDER BY w.id LIMIT $3
"""
IS_RECORDED = """
SELECT EXISTS (SELECT FROM events WHERE account_id = $1 AND entity_kind = 'task' AND entity_id = $2
               AND type = 'board:task:committed' AND payload ->> 'sha' = $3)
"""
