"""SQL of reserved files."""

from app.kernel.writes import Write

# Of the task `t`, in the order in which they were asked for; times are text, because JSON would write them in the server's zone.
_UTC = """to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
OWN_FIELDS = f"""(SELECT coalesce(json_agg(json_build_object('pattern', f.pattern, 'mode', f.mode, 'ttl_seconds', f.ttl_seconds,
            'fence', f.fence, 'until', {_UTC.format(time="f.until")}) ORDER BY f.id), '[]')
        FROM file_reservations f WHERE f.account_id = $1 AND f.task_id = t.id)::text AS reservations"""
_PRIMARY = "(SELECT p.id FROM repositories p WHERE p.account_id = $1 AND p.is_primary)"
# A reservation `f` of the task `h`, held by the agent `a`, is in force.
_IN_FORCE = """tasks h JOIN file_reservations f ON f.account_id = $1 AND f.task_id = h.id AND f.fence = h.lease_fence
        JOIN agents a ON a.account_id = $1 AND a.id = h.lease_agent_id
        WHERE h.account_id = $1 AND h.lease_agent_id IS NOT NULL AND h.lease_until > callboard_now()
          AND (f.until IS NULL OR f.until > callboard_now())"""
_OF_OTHERS = f"""(SELECT coalesce(json_agg(json_build_object('task_id', h.id, 'title', h.title, 'holder', a.slug,
            'pattern', f.pattern, 'mode', f.mode, 'until', {_UTC.format(time="least(f.until, h.lease_until)")})
            ORDER BY h.lease_until, f.id), '[]')
        FROM {_IN_FORCE} AND h.id <> {{task}}
          AND f.repository_id IS NOT DISTINCT FROM coalesce({{repository}}, {_PRIMARY}))"""
# What others have in force in the repository of the task `t`, for a task that wants files itself.
RIVALS_FIELDS = f"""(CASE WHEN EXISTS (SELECT 1 FROM file_reservations f WHERE f.account_id = $1 AND f.task_id = t.id)
        THEN {_OF_OTHERS.format(task="t.id", repository="t.repository_id")} END)::text AS rivals"""

# Two claims that want the same files see each other only if one follows the other. One lock for all repositories of an account:
# a claim that passes over tasks of several would take several in any order.
SERIALISE = "SELECT pg_advisory_xact_lock(hashtextextended('file reservations ' || $1::uuid::text, 0))"
RIVALS = f"SELECT {_OF_OTHERS.format(task='$2::uuid', repository='$3::uuid')}::text"
# Tasks that want files and that the agent `$2` could take otherwise, but for `$3`.
_CANDIDATES = """
    (SELECT o.id FROM task_assignees x JOIN tasks o ON o.account_id = $1 AND o.id = x.task_id
     WHERE x.account_id = $1 AND x.agent_id = $2 AND x.removed_at IS NULL AND NOT x.is_closed
       AND o.status IN ('assigned', 'in_progress') AND o.id <> ALL($3::uuid[])
       AND EXISTS (SELECT 1 FROM file_reservations f WHERE f.account_id = $1 AND f.task_id = o.id)
     LIMIT $4)
    UNION
    (SELECT o.id FROM tasks o
     WHERE o.account_id = $1 AND o.status = 'inbox' AND NOT o.is_coordination AND o.id <> ALL($3::uuid[])
       AND (SELECT (s.settings ->> 'open_pool')::boolean FROM accounts s WHERE s.id = $1)
       AND EXISTS (SELECT 1 FROM file_reservations f WHERE f.account_id = $1 AND f.task_id = o.id)
     ORDER BY o.priority, o.id LIMIT $4)"""
WANTED = f"""
WITH near AS ({_CANDIDATES}
)
SELECT t.id, {OWN_FIELDS}, {RIVALS_FIELDS} FROM near n JOIN tasks t ON t.account_id = $1 AND t.id = n.id
"""
# Tasks that want files of the repository `$3`, without one the primary, and that nobody works on; but for `$2`.
WAITING = f"""
SELECT t.id, {OWN_FIELDS} FROM tasks t
WHERE t.account_id = $1 AND t.status IN ('assigned', 'in_progress') AND t.lease_agent_id IS NULL AND t.id <> $2
  AND coalesce(t.repository_id, {_PRIMARY}) IS NOT DISTINCT FROM coalesce($3::uuid, {_PRIMARY})
  AND EXISTS (SELECT 1 FROM file_reservations f WHERE f.account_id = $1 AND f.task_id = t.id)
LIMIT $4
"""
# The newest first; `$2` is the id behind which the page starts.
HELD = f"""
SELECT f.id, h.id AS task_id, h.title, a.slug AS holder, r.name AS repository, f.pattern, f.mode, f.ttl_seconds,
    least(f.until, h.lease_until) AS until, f.created_at
FROM (SELECT f.id AS reservation_id FROM {_IN_FORCE}) i
JOIN file_reservations f ON f.account_id = $1 AND f.id = i.reservation_id
JOIN tasks h ON h.account_id = $1 AND h.id = f.task_id
JOIN agents a ON a.account_id = $1 AND a.id = h.lease_agent_id
LEFT JOIN repositories r ON r.account_id = $1 AND r.id = f.repository_id
WHERE f.id < $2 AND ($3::text IS NULL OR r.name = $3)
ORDER BY f.id DESC LIMIT $4
"""
# The repository of that name, without one the primary, and whether the task `$2` has a worktree in another one.
PLACE = """
SELECT r.id, r.name, x.is_elsewhere FROM (SELECT EXISTS (SELECT 1 FROM task_worktrees w
        WHERE w.account_id = $1 AND w.task_id = $2 AND w.removed_at IS NULL
          AND w.repository_id IS DISTINCT FROM (SELECT p.id FROM repositories p
              WHERE p.account_id = $1 AND CASE WHEN $3::text IS NULL THEN p.is_primary ELSE p.name = $3 END)) AS is_elsewhere) x
LEFT JOIN repositories r ON r.account_id = $1 AND CASE WHEN $3::text IS NULL THEN r.is_primary ELSE r.name = $3 END
"""

KEEP = Write(
    "reservations_kept",
    f"""reservations_kept AS (
        INSERT INTO file_reservations (account_id, id, task_id, repository_id, pattern, mode, ttl_seconds, fence, until,
                                       created_at)
        SELECT $1, r.id, r.task_id, CASE WHEN r.fence IS NOT NULL THEN coalesce(r.repository_id, {_PRIMARY}) END, r.pattern,
               r.mode, r.ttl_seconds, r.fence, r.until, callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, task_id uuid, repository_id uuid, pattern text, mode text,
            ttl_seconds int, fence bigint, until timestamptz)
        ON CONFLICT (account_id, task_id, pattern) DO UPDATE SET repository_id = excluded.repository_id, mode = excluded.mode,
            ttl_seconds = excluded.ttl_seconds, fence = excluded.fence, until = excluded.until
        RETURNING 1
    )""",
)
DROP = Write(
    "reservations_dropped",
    """reservations_dropped AS (
        DELETE FROM file_reservations WHERE account_id = $1 AND task_id = $2 AND pattern = ANY($3::text[]) RETURNING 1
    )""",
)
# A lease that ran out may be renewed at this moment, by who still saw it last: the files that it had are gone all the same.
VOID = Write(
    "reservations_voided",
    """reservations_voided AS (
        UPDATE file_reservations f SET fence = NULL, until = NULL FROM tasks h
        WHERE h.account_id = $1 AND h.lease_agent_id IS NOT NULL AND h.lease_until <= callboard_now() AND h.id <> $2
          AND f.account_id = $1 AND f.task_id = h.id AND f.fence = h.lease_fence RETURNING 1
    )""",
)
# Whoever waits for the task's lock must see that what hangs on it has changed.
TOUCH = Write(
    "reserved_task_touched",
    """reserved_task_touched AS (
        UPDATE tasks SET updated_at = callboard_now(), version = version + $3 WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
