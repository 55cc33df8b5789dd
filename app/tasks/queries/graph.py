"""SQL of what waits for what."""

from app.kernel.writes import Write
from app.tasks.queries import IS_DONE, LINKED, STINTS

# Two edges that close a cycle together see each other only if they are made one after the other.
SERIALISE = "SELECT pg_advisory_xact_lock(hashtextextended('task graph ' || $1::uuid::text, 0))"
# The other ends of new edges; whoever adds an edge locks and touches its ends, so the counts hold.
ENDS = f"""
SELECT t.id, t.title, t.status, {IS_DONE.format(task="t")} AS is_done,
    t.xmin = (SELECT o.xmin FROM tasks o WHERE o.account_id = $1 AND o.id = t.id) AS is_fresh,
    (SELECT count(*) FROM task_dependencies x WHERE x.account_id = $1 AND x.depends_on_id = t.id) AS dependents,
    (SELECT count(*) FROM tasks c WHERE c.account_id = $1 AND c.parent_id = t.id) AS children
FROM tasks t WHERE t.account_id = $1 AND t.id = ANY($2::uuid[])
ORDER BY t.id FOR NO KEY UPDATE OF t
"""
# The edges that lead away from task `$2` once it depends on `$3` and is a sub-task of `$4`; nothing leads on from `$2` itself.
EDGES = """
WITH RECURSIVE edges (source, target) AS (
    SELECT $2::uuid, s.id FROM (
        SELECT unnest($3::uuid[]) AS id
        UNION ALL SELECT c.id FROM tasks c WHERE c.account_id = $1 AND c.parent_id = $2
        UNION ALL SELECT $2 WHERE $4::uuid = $2
    ) s
  UNION
    SELECT e.target, n.id FROM edges e CROSS JOIN LATERAL (
        SELECT x.depends_on_id AS id FROM task_dependencies x WHERE x.account_id = $1 AND x.task_id = e.target
        UNION ALL SELECT c.id FROM tasks c WHERE c.account_id = $1 AND c.parent_id = e.target AND c.id <> $2
        UNION ALL SELECT $2 WHERE e.target = $4
    ) n WHERE e.target <> $2
)
SELECT source, target FROM edges LIMIT $5
"""
TITLES = "SELECT t.id, t.title FROM tasks t WHERE t.account_id = $1 AND t.id = ANY($2::uuid[])"
# Open tasks below one, the deepest first, which is the order in which finishing them locks.
FAMILY = """
WITH RECURSIVE family (id, depth) AS (
    SELECT c.id, 1 FROM tasks c WHERE c.account_id = $1 AND c.parent_id = $2 AND c.status NOT IN ('done', 'archived')
  UNION ALL
    SELECT c.id, f.depth + 1 FROM family f JOIN tasks c ON c.account_id = $1 AND c.parent_id = f.id
    WHERE c.status NOT IN ('done', 'archived') AND f.depth < $3
)
SELECT id FROM (SELECT id, depth FROM family LIMIT $4) f ORDER BY depth DESC, id
"""
AROUND = f"""
SELECT t.id,
    (SELECT coalesce(json_agg({LINKED} ORDER BY d.id), '[]') FROM task_dependencies x
        JOIN tasks d ON d.account_id = $1 AND d.id = x.depends_on_id
        WHERE x.account_id = $1 AND x.task_id = t.id) AS dependencies,
    (SELECT coalesce(json_agg({LINKED} ORDER BY d.id), '[]') FROM task_dependencies x
        JOIN tasks d ON d.account_id = $1 AND d.id = x.task_id
        WHERE x.account_id = $1 AND x.depends_on_id = t.id) AS dependents,
    (SELECT {LINKED} FROM tasks d WHERE d.account_id = $1 AND d.id = t.parent_id) AS parent,
    (SELECT coalesce(json_agg({LINKED} ORDER BY d.id), '[]') FROM tasks d
        WHERE d.account_id = $1 AND d.parent_id = t.id) AS children
FROM tasks t WHERE t.account_id = $1 AND t.id = $2
"""

LINK = Write(
    "linked",
    """linked AS (
        INSERT INTO task_dependencies (account_id, task_id, depends_on_id, created_at)
        SELECT $1, r.task_id, r.depends_on_id, callboard_now()
        FROM json_to_recordset($2::json) AS r (task_id uuid, depends_on_id uuid) RETURNING 1
    )""",
)
UNLINK = Write(
    "unlinked",
    """unlinked AS (
        DELETE FROM task_dependencies WHERE account_id = $1 AND task_id = $2 AND depends_on_id = ANY($3::uuid[]) RETURNING 1
    )""",
)
# Whoever waits for the row's lock must see that what hangs on it has changed, even where the card itself has not.
TOUCH = Write(
    "waiters_touched",
    """waiters_touched AS (
        UPDATE tasks t SET version = t.version + r.steps,
            updated_at = CASE WHEN r.steps > 0 THEN callboard_now() ELSE t.updated_at END
        FROM json_to_recordset($2::json) AS r (id uuid, steps integer)
        WHERE t.account_id = $1 AND t.id = r.id RETURNING 1
    )""",
)
# The notes of holders whose tasks are taken are what they leave.
ARCHIVE = Write(
    "family_archived",
    f"""family_notes AS (
        UPDATE task_handoffs SET kind = 'reassign'
        WHERE account_id = $1 AND task_id = ANY($2::uuid[]) AND kind = 'progress' RETURNING 1
    ), family_archived AS (
        UPDATE tasks SET status = 'archived', blocked_reason = NULL, archived_at = callboard_now(),
            updated_at = callboard_now(), lease_agent_id = NULL, lease_kind = NULL, lease_until = NULL, version = version + 1
        WHERE account_id = $1 AND id = ANY($2::uuid[]) RETURNING id, status
    ), family_stints AS (
        {STINTS.format(moved="family_archived")}
    )""",
)
DETACH = Write(
    "family_detached",
    """family_detached AS (
        UPDATE tasks SET parent_id = NULL, updated_at = callboard_now(), version = version + 1
        WHERE account_id = $1 AND id = ANY($2::uuid[]) RETURNING 1
    )""",
)
