"""SQL of what one holder leaves to the next."""

from app.kernel.writes import Write

_COLUMNS = "id, task_id, kind, fence, author_kind, author_id, author_name, content"
_GIVEN = """json_to_recordset($2::json) AS r (id uuid, task_id uuid, kind text, fence bigint, author_kind text, author_id uuid,
            author_name text, content jsonb, words text)"""
_INSERT = f"INSERT INTO task_handoffs (account_id, {_COLUMNS}, created_at)"

# What is given stands before the notes of the same lease, and those before the words that stand for a summary.
LEAVE = Write(
    "handed_off",
    f"""handed_off AS ({_INSERT}
        SELECT $1, r.id, r.task_id, r.kind, r.fence, r.author_kind, r.author_id, r.author_name, m.content, callboard_now()
        FROM {_GIVEN}
        LEFT JOIN task_handoffs n ON n.account_id = $1 AND n.task_id = r.task_id AND n.fence = r.fence AND n.kind = 'progress'
        CROSS JOIN LATERAL (SELECT jsonb_strip_nulls(jsonb_build_object('summary', r.words)) || coalesce(n.content, '{{}}')
            || r.content AS content) m
        WHERE m.content <> '{{}}' RETURNING 1
    )""",
    is_exact=False,
)
# The notes of one holder are one row, which the next heartbeat overwrites.
NOTE = Write(
    "noted",
    f"""noted AS ({_INSERT}
        SELECT $1, {", ".join(f"r.{name}" for name in _COLUMNS.split(", "))}, callboard_now() FROM {_GIVEN}
        ON CONFLICT (account_id, task_id, fence) WHERE kind = 'progress'
        DO UPDATE SET id = excluded.id, content = excluded.content, created_at = excluded.created_at RETURNING 1
    )""",
)
# The holder did not hand the task over, it was taken: its notes are what it leaves.
KEEP_NOTES = Write(
    "notes_kept",
    """notes_kept AS (
        UPDATE task_handoffs SET kind = 'reassign'
        WHERE account_id = $1 AND task_id = $2 AND fence = $3 AND kind = 'progress' RETURNING 1
    )""",
)
NOTES = """
SELECT content::text AS content FROM task_handoffs
WHERE account_id = $1 AND task_id = $2 AND fence = $3 AND kind = 'progress'
"""

# Times are text, because JSON would write them in the server's zone.
_SHOWN = """n.id, n.kind, n.author_kind, n.author_id, n.author_name, n.content,
    to_char(n.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at"""
# Notes are in the handoff that ended their lease, so they are shown by themselves only until then.
_OF_TASK = """n.account_id = $1 AND n.task_id = {task} AND (n.kind <> 'progress' OR NOT EXISTS (SELECT FROM task_handoffs o
        WHERE o.account_id = $1 AND o.task_id = n.task_id AND o.fence = n.fence AND o.kind <> 'progress'))"""


def _newest(count: int, name: str, *, condition: str = "true") -> str:
    return f"""(SELECT coalesce(json_agg(h ORDER BY h.id DESC), '[]') FROM (SELECT {_SHOWN} FROM task_handoffs n
        WHERE {_OF_TASK.format(task="t.id")} AND {condition} ORDER BY n.id DESC LIMIT {count}) h)::text AS {name}"""


# Of the task `t`, newest first.
HANDOFFS_FIELDS = _newest(5, "handoffs")
HANDOFF_FIELDS = _newest(1, "handoff")
_REWORK = _newest(1, "rework", condition="n.kind = 'rework'")
BRIEFED_FIELDS = f"{_newest(2, 'handoffs')}, {_REWORK}"

# A page of them, newest first; `$3` is the id behind which it starts.
PAGE = f"""
SELECT {_SHOWN.replace("n.content", "n.content::text AS content")} FROM task_handoffs n
WHERE {_OF_TASK.format(task="$2")} AND n.id < $3 ORDER BY n.id DESC LIMIT $4
"""
