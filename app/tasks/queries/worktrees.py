"""SQL of the branches and worktrees of tasks."""

from app.kernel.writes import Write

# Of the task `t`, the newest; times are text, because JSON would write them in the server's zone.
WORKTREE_FIELDS = """(SELECT json_build_object('repository', y.name, 'state', w.state, 'branch', w.branch, 'path', w.path,
        'gateway_path', w.gateway_path, 'problem', w.problem, 'base', w.base, 'head', w.head, 'pushed_head', w.pushed_head,
        'rescued', w.rescued, 'ahead', w.ahead, 'behind', w.behind, 'unpushed', w.unpushed, 'files', w.files,
        'insertions', w.insertions, 'deletions', w.deletions, 'changes', w.changes, 'commits', w.commits,
        'observed_at', to_char(w.observed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    FROM task_worktrees w JOIN repositories y ON y.account_id = $1 AND y.id = w.repository_id
    WHERE w.account_id = $1 AND w.task_id = t.id ORDER BY w.removed_at IS NULL DESC, w.id DESC LIMIT 1)::text AS worktree"""
# The repository that the work on the task `t` goes to, and the worktree that it last had there.
SITE_FIELDS = """(SELECT json_build_object('id', r.id, 'name', r.name, 'has_url', r.url IS NOT NULL, 'worktree_id', w.id,
            'worktree', w.state, 'problem', w.problem, 'is_live', w.id IS NOT NULL AND w.removed_at IS NULL)
        FROM repositories r LEFT JOIN LATERAL (SELECT o.id, o.state, o.problem, o.removed_at FROM task_worktrees o
            WHERE o.account_id = $1 AND o.task_id = t.id AND o.repository_id = r.id ORDER BY o.id DESC LIMIT 1) w ON true
        WHERE r.account_id = $1 AND CASE WHEN t.repository_id IS NULL THEN r.is_primary ELSE r.id = t.repository_id END
    ) AS site"""
SHOWN = f"SELECT t.id, {WORKTREE_FIELDS} FROM tasks t WHERE t.account_id = $1 AND t.id = $2"
# One that is there is wanted again only where it has failed or was kept.
WANT = Write(
    "worktrees_wanted",
    """worktrees_wanted AS (
        INSERT INTO task_worktrees AS w (account_id, id, task_id, repository_id, state, changed_at)
        SELECT $1, r.id, r.task_id, r.repository_id, 'wanted', callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, task_id uuid, repository_id uuid)
        ON CONFLICT (account_id, task_id, repository_id) WHERE removed_at IS NULL DO UPDATE
        SET state = CASE WHEN w.state IN ('failed', 'kept') THEN 'wanted' ELSE w.state END,
            problem = CASE WHEN w.state = 'ready' THEN w.problem END, changed_at = excluded.changed_at RETURNING 1
    )""",
)
# What became of some, and what was seen of them; what is not given stays, but the problem.
SETTLE = Write(
    "worktrees_settled",
    """worktrees_settled AS (
        UPDATE task_worktrees w SET state = coalesce(r.state, w.state), problem = r.problem,
            branch = coalesce(r.branch, w.branch), path = coalesce(r.path, w.path),
            gateway_path = CASE WHEN r.path IS NULL THEN w.gateway_path ELSE r.gateway_path END,
            base = coalesce(r.base, w.base), head = coalesce(r.head, w.head), ahead = coalesce(r.ahead, w.ahead),
            behind = coalesce(r.behind, w.behind), unpushed = coalesce(r.unpushed, w.unpushed),
            files = coalesce(r.files, w.files), insertions = coalesce(r.insertions, w.insertions),
            deletions = coalesce(r.deletions, w.deletions), changes = coalesce(r.changes, w.changes),
            commits = coalesce(r.commits, w.commits),
            pushed_head = coalesce(r.pushed_head, w.pushed_head), rescued = coalesce(r.rescued, w.rescued),
            observed_at = CASE WHEN r.head IS NULL THEN w.observed_at ELSE callboard_now() END, changed_at = callboard_now(),
            removed_at = CASE WHEN r.state = 'removed' THEN callboard_now() ELSE w.removed_at END
        FROM json_to_recordset($2::json) AS r (id uuid, state text, problem text, branch text, path text, gateway_path text,
            base text, head text, ahead int, behind int, unpushed int, files int, insertions int, deletions int, changes int,
            commits jsonb, pushed_head text, rescued text)
        WHERE w.account_id = $1 AND w.id = r.id RETURNING 1
    )""",
)
# A commit or a push is a change of the card, so that its events are in order.
TOUCH = Write(
    "vcs_touched",
    """vcs_touched AS (
        UPDATE tasks SET updated_at = callboard_now(), version = version + 1 WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
