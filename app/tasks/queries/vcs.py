"""SQL of references into version control."""

from app.kernel.writes import Write

REFS = """
SELECT id, task_id, ref, provider, repository, number, url, added_by_kind, added_by_id, created_at
FROM task_vcs_refs WHERE account_id = $1 AND task_id = $2 ORDER BY id LIMIT $3
"""
# The newest of the task `t`, in the order in which they were added; times are text, because JSON would write them in the
# server's zone.
REFS_FIELDS = """(SELECT coalesce(json_agg(v ORDER BY v.id), '[]') FROM (
        SELECT r.id, r.task_id, r.provider, r.repository, r.number, r.url, r.added_by_kind, r.added_by_id,
            to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
        FROM task_vcs_refs r WHERE r.account_id = $1 AND r.task_id = t.id ORDER BY r.id DESC LIMIT 20) v)::text AS vcs_refs"""
LINK = Write(
    "vcs_linked",
    """vcs_inserted AS (
        INSERT INTO task_vcs_refs (account_id, id, task_id, ref, provider, repository, number, url, added_by_kind, added_by_id,
                                   created_at)
        VALUES ($1, $3, $2, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING 1
    ), vcs_linked AS (
        UPDATE tasks SET updated_at = $11, version = version + 1 WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
