"""SQL of agents' workspaces: who has one, what goes into it, and how it stands."""

from app.agents.queries.identity import LAYERS as _LAYERS
from app.agents.queries.skills import USABLE as _USABLE
from app.kernel.writes import Write

# Without `$2` of the whole account. One that was retired is looked at until its files are gone.
CREW = f"""
SELECT a.id, a.slug, a.name, a.role, a.description, a.flags::text AS flags, a.reach, a.retired_at IS NOT NULL AS is_retired,
    {_LAYERS} AS layers, p.adapter, p.settings ->> 'model' AS model, w.state, w.path, w.digest, w.files, w.edited, w.warnings,
    w.token_id, w.gateway_id, w.problem, w.version
FROM agents a
LEFT JOIN executor_profiles p ON p.account_id = $1 AND p.id = a.profile_id
LEFT JOIN agent_workspaces w ON w.account_id = $1 AND w.agent_id = a.id
WHERE a.account_id = $1 AND ($2::uuid IS NULL OR a.id = $2) AND (a.retired_at IS NULL OR w.state <> 'removed')
ORDER BY a.slug
"""
# Whom each skill teaches that may teach anybody.
SKILLS = f"""
SELECT k.slug, k.name, k.description, k.content, array_agg(x.agent_id) AS agent_ids
FROM agent_skills x JOIN skills k ON k.account_id = $1 AND k.id = x.skill_id
WHERE x.account_id = $1 AND ($2::uuid IS NULL OR x.agent_id = $2) AND {_USABLE}
GROUP BY k.account_id, k.id ORDER BY k.slug
"""
REPOSITORIES = """
SELECT name, url, base_branch, branch_prefix, is_primary FROM repositories WHERE account_id = $1
ORDER BY is_primary DESC, name LIMIT 50
"""
# Those that the board itself made for workspaces and that still open anything.
TOKENS = """
SELECT id, agent_id, name, encode(hash, 'hex') AS sha256 FROM api_tokens
WHERE account_id = $1 AND agent_id = ANY($2::uuid[]) AND name LIKE 'workspace %' AND created_by_kind = 'system'
    AND session_id IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > callboard_now())
ORDER BY id DESC
"""
ONE = """
SELECT a.id AS agent_id, a.slug AS agent_slug, w.state, w.path, w.digest, w.files, w.edited, w.warnings, w.problem, w.synced_at,
    w.changed_at, w.version
FROM agents a LEFT JOIN agent_workspaces w ON w.account_id = $1 AND w.agent_id = a.id
WHERE a.account_id = $1 AND a.id = $2
"""
ALL = """
SELECT a.slug, w.state, w.path, w.files, w.edited, w.problem
FROM agents a LEFT JOIN agent_workspaces w ON w.account_id = $1 AND w.agent_id = a.id
WHERE a.account_id = $1 AND a.slug > $2 AND (a.retired_at IS NULL OR w.state IS NOT NULL) ORDER BY a.slug LIMIT $3
"""
AGENT_CALLED = "SELECT id FROM agents WHERE account_id = $1 AND slug = $2"
IS_ANY = """
SELECT EXISTS (SELECT FROM agents WHERE account_id = $1 AND retired_at IS NULL)
    OR EXISTS (SELECT FROM agent_workspaces WHERE account_id = $1 AND state <> 'removed')
"""
KEEP = Write(
    "workspaces_kept",
    """workspaces_kept AS (
        INSERT INTO agent_workspaces AS w (account_id, agent_id, state, path, digest, files, edited, warnings, token_id,
            gateway_id, problem, synced_at, changed_at)
        SELECT $1, r.agent_id, r.state, r.path, r.digest, r.files, r.edited, r.warnings, r.token_id,
            r.gateway_id, r.problem, CASE WHEN r.state <> 'failed' THEN callboard_now() END, callboard_now()
        FROM json_to_recordset($2::json) AS r (agent_id uuid, state text, path text, digest text, files int, edited text[],
            warnings text[], token_id uuid, gateway_id text, problem text)
        ON CONFLICT (account_id, agent_id) DO UPDATE SET state = excluded.state, path = excluded.path,
            digest = excluded.digest, files = excluded.files, edited = excluded.edited, warnings = excluded.warnings,
            token_id = excluded.token_id, gateway_id = excluded.gateway_id, problem = excluded.problem,
            synced_at = coalesce(excluded.synced_at, w.synced_at), changed_at = excluded.changed_at, version = w.version + 1
        RETURNING 1
    )""",
)
