"""SQL of documents."""

from app.kernel.writes import Write

_FIELDS = """d.id, d.slug, d.title, d.type, d.task_id, d.author_kind, d.author_id, d.version, d.created_at, d.updated_at"""
# The caller, when it is an agent, and what is asked about a document that is to be called `$3` and belong to task `$4`.
_ASKED = """callboard_now() AS now, c.settings::text AS settings,
    (SELECT json_build_object('id', a.id, 'slug', a.slug, 'name', a.name, 'role', a.role, 'flags', a.flags,
                              'is_active', a.retired_at IS NULL)
     FROM agents a WHERE a.account_id = $1 AND a.id = $2)::text AS agent,
    EXISTS (SELECT 1 FROM documents o WHERE o.account_id = $1 AND o.slug = $3 AND o.deleted_at IS NULL{others}) AS is_slug_taken,
    ($4::uuid IS NULL OR EXISTS (SELECT 1 FROM tasks t WHERE t.account_id = $1 AND t.id = $4)) AS is_task_there"""

# What a new document rests on.
STAGE = f"SELECT {_ASKED.format(others='')} FROM accounts c WHERE c.id = $1"
# What a change of a document rests on; `$6` is the content that is asked for.
SCENE = f"""
SELECT {_FIELDS}, {_ASKED.format(others=" AND o.id <> $5")}, coalesce(d.content <> $6::text, false) AS content_differs,
    EXISTS (SELECT 1 FROM task_assignees x
            WHERE x.account_id = $1 AND x.task_id = d.task_id AND x.agent_id = $2 AND x.removed_at IS NULL) AS is_on_its_task,
    d.xmin = (SELECT o.xmin FROM documents o WHERE o.account_id = $1 AND o.id = $5) AS is_fresh
FROM documents d JOIN accounts c ON c.id = d.account_id
WHERE d.account_id = $1 AND d.id = $5 AND d.deleted_at IS NULL
FOR NO KEY UPDATE OF d
"""

INSERT_DOCUMENT = Write(
    "document_inserted",
    """document_inserted AS (
        INSERT INTO documents (account_id, id, slug, title, type, content, task_id, author_kind, author_id, version,
                               created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10) RETURNING *
    ), first_version_kept AS (
        INSERT INTO document_versions (account_id, document_id, version, title, content, author_kind, author_id, created_at)
        SELECT account_id, id, version, title, content, author_kind, author_id, created_at FROM document_inserted
    )""",
)
# `$9` is the version that it has then; another version than before is kept.
CHANGE_DOCUMENT = Write(
    "document_changed",
    """document_changed AS (
        UPDATE documents SET slug = $3, title = $4, type = $5, content = coalesce($6, content), task_id = $7, updated_at = $8,
            version = $9
        WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING *
    ), version_kept AS (
        INSERT INTO document_versions (account_id, document_id, version, title, content, author_kind, author_id, created_at)
        SELECT account_id, id, version, title, content, $11, $12, updated_at FROM document_changed WHERE version > $10
    )""",
)
DELETE_DOCUMENT = Write(
    "document_deleted",
    """document_deleted AS (
        UPDATE documents SET deleted_at = $3 WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING 1
    )""",
)

# Latest change first; the page starts behind `$2` and `$3`.
_BEHIND = "d.account_id = $1 AND (d.updated_at, d.id) < ($2, $3) AND d.deleted_at IS NULL AND ($4::text IS NULL OR d.type = $4)"
_LATEST_FIRST = "ORDER BY d.updated_at DESC, d.id DESC LIMIT $5"
NEWEST = f"SELECT {_FIELDS} FROM documents d WHERE {_BEHIND} {_LATEST_FIRST}"
NEWEST_OF_TASK = f"SELECT {_FIELDS} FROM documents d WHERE {_BEHIND} AND d.task_id = $6 {_LATEST_FIRST}"

DOCUMENT = f"SELECT {_FIELDS}, d.content FROM documents d WHERE d.account_id = $1 AND d.id = $2 AND d.deleted_at IS NULL"
DOCUMENT_CALLED = f"SELECT {_FIELDS}, d.content FROM documents d WHERE d.account_id = $1 AND d.slug = $2 AND d.deleted_at IS NULL"
VERSION = """
SELECT title, content, author_kind, author_id, version, created_at AS updated_at FROM document_versions
WHERE account_id = $1 AND document_id = $2 AND version = $3
"""
# Newest first; the page starts behind version `$3`.
VERSIONS = """
SELECT version, title, author_kind, author_id, created_at FROM document_versions
WHERE account_id = $1 AND document_id = $2 AND version < $3 ORDER BY version DESC LIMIT $4
"""
IS_THERE = "SELECT 1 FROM documents WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL"
