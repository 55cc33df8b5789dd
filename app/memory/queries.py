"""SQL of memory: versions are inserted and purged, never changed."""

from app.kernel.writes import Write

_FIELDS = """s.id, s.scope_type, s.scope_key, s.name, s.memory_id, s.version, s.tier, s.state, s.author_kind, s.author_id,
    s.expires_at, s.created_at, s.updated_at"""
# Writers of one name follow each other, so that each sees the version before its own.
_TURN = "hashtextextended(concat_ws('/', 'memory', $1::uuid, {scope}, {key}, {name}), 0)"
_OF_NAME = "s.account_id = $1 AND s.scope_type = $2 AND s.scope_key = $3 AND s.name = $4"

# The caller `$2`, and the scope `$3` of key `$4` as it stands to them. An agent works on a task that it is on or holds, and on
# a command that is delivered to a session of its own; a run whose command is gone is there while it has items.
_PLACE = """callboard_now() AS now, c.settings::text AS settings,
    (SELECT json_build_object('id', a.id, 'slug', a.slug, 'name', a.name, 'role', a.role, 'flags', a.flags,
                              'is_active', a.retired_at IS NULL)
     FROM agents a WHERE a.account_id = $1 AND a.id = $2)::text AS agent,
    CASE $3::text
        WHEN 'run' THEN EXISTS (SELECT 1 FROM tasks t WHERE t.account_id = $1 AND t.id = $4)
            OR EXISTS (SELECT 1 FROM runtime_commands k WHERE k.account_id = $1 AND k.id = $4)
            OR EXISTS (SELECT 1 FROM runtime_memory_snapshots s
                       WHERE s.account_id = $1 AND s.scope_type = 'run' AND s.scope_key = $4::uuid::text)
        WHEN 'agent' THEN EXISTS (SELECT 1 FROM agents a WHERE a.account_id = $1 AND a.id = $4)
        ELSE EXISTS (SELECT 1 FROM people p WHERE p.account_id = $1 AND p.id = $4)
    END AS is_there,
    CASE $3::text
        WHEN 'run' THEN EXISTS (SELECT 1 FROM task_assignees x
                                WHERE x.account_id = $1 AND x.task_id = $4 AND x.agent_id = $2 AND x.removed_at IS NULL)
            OR EXISTS (SELECT 1 FROM tasks t WHERE t.account_id = $1 AND t.id = $4 AND t.lease_agent_id = $2
                       AND t.lease_until > callboard_now())
            OR EXISTS (SELECT 1 FROM runtime_commands k
                       JOIN agent_sessions e ON e.account_id = $1 AND e.id = k.lane_id
                       WHERE k.account_id = $1 AND k.id = $4 AND e.agent_id = $2)
        ELSE $4 = $2
    END AS is_own"""
PLACE = f"SELECT {_PLACE} FROM accounts c WHERE c.id = $1"
PLACE_IN_TURN = f"""
SELECT {_PLACE}, pg_advisory_xact_lock({_TURN.format(scope="$3::text", key="$4::uuid", name="$5::text")})::text AS turn
FROM accounts c WHERE c.id = $1
"""
# For who needs to ask nobody.
TURN = f"""
SELECT callboard_now() AS now,
    pg_advisory_xact_lock({_TURN.format(scope="$2::text", key="$3::uuid", name="$4::text")})::text AS turn
"""

LATEST = f"SELECT {_FIELDS} FROM runtime_memory_snapshots s WHERE {_OF_NAME} ORDER BY s.version DESC LIMIT 1"
LATEST_WITH_CONTENT = f"""
SELECT {_FIELDS}, s.content::text AS content, callboard_now() AS now
FROM runtime_memory_snapshots s WHERE {_OF_NAME} ORDER BY s.version DESC LIMIT 1
"""
VERSION = f"""
SELECT {_FIELDS}, s.content::text AS content FROM runtime_memory_snapshots s
WHERE s.account_id = $1 AND s.memory_id = $2 AND s.version = $3
"""
# Newest first; the page starts behind version `$3`.
VERSIONS = f"""
SELECT {_FIELDS} FROM runtime_memory_snapshots s
WHERE s.account_id = $1 AND s.memory_id = $2 AND s.version < $3 ORDER BY s.version DESC LIMIT $4
"""
# From name to name, taking the newest version of each: its cost does not grow with how often items were written.
PAGE = f"""
WITH RECURSIVE step (name, found) AS (
    SELECT $4::text, 0
    UNION ALL
    SELECT l.name, p.found + (l.is_there AND ($6::text IS NULL OR l.tier = $6))::int
    FROM step p
    CROSS JOIN LATERAL (
        SELECT s.name FROM runtime_memory_snapshots s
        WHERE s.account_id = $1 AND s.scope_type = $2 AND s.scope_key = $3 AND s.name > p.name
        ORDER BY s.name LIMIT 1
    ) n
    CROSS JOIN LATERAL (
        SELECT s.name, s.tier, s.state = 'active' AND (s.expires_at IS NULL OR s.expires_at > callboard_now()) AS is_there
        FROM runtime_memory_snapshots s
        WHERE s.account_id = $1 AND s.scope_type = $2 AND s.scope_key = $3 AND s.name = n.name
        ORDER BY s.version DESC LIMIT 1
    ) l
    WHERE p.found < $5
)
SELECT {_FIELDS} FROM step p
CROSS JOIN LATERAL (
    SELECT * FROM runtime_memory_snapshots o
    WHERE o.account_id = $1 AND o.scope_type = $2 AND o.scope_key = $3 AND o.name = p.name
    ORDER BY o.version DESC LIMIT 1
) s
WHERE p.name <> $4 AND s.state = 'active' AND (s.expires_at IS NULL OR s.expires_at > callboard_now())
    AND ($6::text IS NULL OR s.tier = $6)
ORDER BY s.name
"""

INSERT_SNAPSHOTS = Write(
    "memory_written",
    """memory_written AS (
        INSERT INTO runtime_memory_snapshots (account_id, id, memory_id, scope_type, scope_key, name, version, tier, state,
            content, author_kind, author_id, expires_at, created_at, updated_at)
        SELECT $1, r.id, r.memory_id, r.scope_type, r.scope_key, r.name, r.version, r.tier, r.state, r.content, r.author_kind,
               r.author_id, r.expires_at, r.created_at, r.updated_at
        FROM json_to_recordset($2::json) AS r (id uuid, memory_id uuid, scope_type text, scope_key text, name text, version int,
            tier text, state text, content json, author_kind text, author_id uuid, expires_at timestamptz,
            created_at timestamptz, updated_at timestamptz)
        RETURNING 1
    )""",
)

# Items whose newest version is expired and that nobody is writing; whoever writes next finds the item gone.
EXPIRED = f"""
WITH expired AS MATERIALIZED (
    SELECT s.memory_id, s.scope_type, s.scope_key, s.name FROM runtime_memory_snapshots s
    WHERE s.account_id = $1 AND s.expires_at <= callboard_now()
      AND NOT EXISTS (SELECT 1 FROM runtime_memory_snapshots n
                      WHERE n.account_id = $1 AND n.memory_id = s.memory_id AND n.version > s.version)
    ORDER BY s.expires_at LIMIT $2
)
SELECT s.memory_id FROM expired s
WHERE pg_try_advisory_xact_lock({_TURN.format(scope="s.scope_type", key="s.scope_key", name="s.name")})
"""
# Of each item the oldest versions first, so that what is left of it stays expired.
PURGE = """
WITH doomed AS (
    SELECT s.id, s.version = l.version AS is_last
    FROM runtime_memory_snapshots s
    CROSS JOIN LATERAL (
        SELECT n.version, n.expires_at FROM runtime_memory_snapshots n
        WHERE n.account_id = $1 AND n.memory_id = s.memory_id ORDER BY n.version DESC LIMIT 1
    ) l
    WHERE s.account_id = $1 AND s.memory_id = ANY($2::uuid[]) AND l.expires_at <= callboard_now()
    ORDER BY s.memory_id, s.version LIMIT $3
)
DELETE FROM runtime_memory_snapshots d USING doomed
WHERE d.account_id = $1 AND d.id = doomed.id
RETURNING d.memory_id, d.scope_type, d.scope_key, d.name, d.version, d.state, doomed.is_last
"""
