"""SQL of identities: their layers, and what was compiled for sessions."""

from app.kernel.errors import Duplicate
from app.kernel.writes import Write

# The layers of the agent `a`, each from the nearest place that has it: its own, its folder's, everybody's.
LAYERS = """(SELECT json_object_agg(n.layer, json_build_array(n.content, n.source)) FROM (
    SELECT DISTINCT ON (f.layer) f.layer, f.content, f.source FROM (
        SELECT 'soul' AS layer, a.soul AS content, 'agent' AS source, 1 AS rank WHERE a.soul ~ '\\S'
        UNION ALL
        SELECT l.layer, l.content, CASE l.scope WHEN 'folder' THEN 'folder ' || l.name ELSE l.scope END, p.rank
        FROM (VALUES ('agent', a.slug, 1), ('folder', a.identity_folder, 2), ('shared', '', 3)) AS p (scope, name, rank)
        JOIN identity_layers l ON l.account_id = $1 AND l.scope = p.scope AND l.name = p.name
    ) f ORDER BY f.layer, f.rank) n)::text"""
OF_AGENT = f"SELECT a.soul, {LAYERS} AS layers FROM agents a WHERE a.account_id = $1 AND a.id = $2"

_FIELDS = (
    "l.id, l.scope, nullif(l.name, '') AS name, l.layer, octet_length(l.content) AS size, l.version, l.created_at, l.updated_at"
)
PLACES = f"""
SELECT {_FIELDS} FROM identity_layers l WHERE l.account_id = $1 AND l.id > $2 AND ($3::text IS NULL OR l.scope = $3)
    AND ($4::text IS NULL OR l.name = $4) AND ($5::text IS NULL OR l.layer = $5) ORDER BY l.id LIMIT $6
"""
PLACE = f"SELECT {_FIELDS}, l.content FROM identity_layers l WHERE l.account_id = $1 AND l.id = $2"
PLACE_LOCKED = f"{PLACE} FOR UPDATE"
AGENT_CALLED = "SELECT id FROM agents WHERE account_id = $1 AND slug = $2 FOR KEY SHARE"
# Whom a layer of this scope and name concerns, retired agents too, for they may come back.
CONCERNED = """
SELECT id FROM agents WHERE account_id = $1 AND CASE $2::text WHEN 'agent' THEN slug ELSE identity_folder END = $3 ORDER BY id
"""
INSERT_LAYER = Write(
    "layer_inserted",
    """layer_inserted AS (
        INSERT INTO identity_layers (account_id, id, scope, name, layer, content, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, 1, callboard_now(), callboard_now())
        ON CONFLICT (account_id, scope, name, layer) DO NOTHING RETURNING 1
    )""",
    short=Duplicate("there is such a layer already; change that one"),
)
CHANGE_LAYER = Write(
    "layer_changed",
    """layer_changed AS (
        UPDATE identity_layers SET content = $3, version = version + 1, updated_at = callboard_now()
        WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
DELETE_LAYER = Write(
    "layer_deleted",
    "layer_deleted AS (DELETE FROM identity_layers WHERE account_id = $1 AND id = $2 RETURNING 1)",
)

GIVEN = """
SELECT c.prompt, c.sections::text AS sections, c.conflicts::text AS conflicts, c.sources::text AS sources,
    c.warnings::text AS warnings, c.sha256, i.compiled_at
FROM agent_sessions s
JOIN session_identities i ON i.account_id = $1 AND i.session_id = s.id
JOIN compiled_identities c ON c.account_id = $1 AND c.sha256 = i.sha256
WHERE s.account_id = $1 AND s.agent_id = $2 AND s.id = $3
"""
# What no session names any more goes, but not what somebody is giving to a session at this moment.
GIVE = Write(
    "identity_given",
    """identity_kept AS (
        INSERT INTO compiled_identities (account_id, sha256, prompt, sections, conflicts, sources, warnings, used_at)
        VALUES ($1, $3, $4, $5::text::jsonb, $6::text::jsonb, $7::text::jsonb, $8::text::jsonb, callboard_now())
        ON CONFLICT (account_id, sha256) DO UPDATE SET conflicts = excluded.conflicts, sources = excluded.sources,
            warnings = excluded.warnings, used_at = excluded.used_at
    ), identities_forgotten AS (
        DELETE FROM compiled_identities c WHERE c.account_id = $1 AND c.sha256 IN (
            SELECT o.sha256 FROM compiled_identities o
            WHERE o.account_id = $1 AND o.sha256 <> $3 AND o.used_at < callboard_now() - interval '1 hour'
                AND NOT EXISTS (SELECT FROM session_identities i
                                WHERE i.account_id = $1 AND i.sha256 = o.sha256 AND i.session_id <> $2)
            FOR UPDATE SKIP LOCKED)
    ), identity_given AS (
        INSERT INTO session_identities (account_id, session_id, sha256, compiled_at) VALUES ($1, $2, $3, callboard_now())
        ON CONFLICT (account_id, session_id) DO UPDATE SET sha256 = excluded.sha256, compiled_at = excluded.compiled_at
        RETURNING 1
    )""",
)
