"""SQL of search: the words of each task, and who reads them."""

from app.kernel.writes import Write
from app.tasks.queries import ASSIGNEES

WRITE_TEXTS = Write(
    "texts_written",
    """texts_written AS (
        INSERT INTO task_texts (account_id, task_id, title, title_key, words, is_open, is_archived)
        SELECT $1, r.task_id, r.title, task_title_key(r.title), task_words(r.title, r.description, r.blocked_reason),
               r.is_open, r.is_archived
        FROM json_to_recordset($2::json) AS r (task_id uuid, title text, description text, blocked_reason text,
                                               is_open boolean, is_archived boolean)
        ON CONFLICT (account_id, task_id) DO UPDATE SET title = excluded.title, title_key = excluded.title_key,
            words = excluded.words, is_open = excluded.is_open, is_archived = excluded.is_archived
        RETURNING 1
    )""",
)
SHELVE_TEXTS = Write(
    "texts_shelved",
    """texts_shelved AS (
        UPDATE task_texts x SET is_open = r.is_open, is_archived = r.is_archived
        FROM json_to_recordset($2::json) AS r (task_id uuid, is_open boolean, is_archived boolean)
        WHERE x.account_id = $1 AND x.task_id = r.task_id RETURNING 1
    )""",
    is_exact=False,
)
# `$2` is what is looked for, `$3` how many, `$4` and `$5` ask for archived tasks and for the coordination thread.
SEARCH = f"""
SELECT t.id, t.title, t.status, t.priority, t.blocked_reason, t.updated_at, f.score, f.is_complete, {ASSIGNEES},
    ts_headline('pg_catalog.english', left(t.description, 2000), task_query($2),
                'StartSel="", StopSel="", MinWords=12, MaxWords=30, ShortWord=0') AS snippet
FROM search_tasks($2, $3, $4, $5) AS f JOIN tasks t ON t.account_id = $1 AND t.id = f.task_id
ORDER BY f.score DESC, t.id DESC
"""
IS_SEARCHABLE = "SELECT querytree(task_query($1)) NOT IN ('', 'T')"
