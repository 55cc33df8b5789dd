"""SQL of what prompts are made of: the account's ground, and its own templates."""

from app.agents.queries.identity import LAYERS as _LAYERS
from app.kernel.writes import Write

# The newest version of each template; one without content gives the installation's back.
_IN_FORCE = """
SELECT DISTINCT ON (name) name, version, content, created_by_kind, created_by_id, created_at FROM prompt_templates
WHERE account_id = $1 ORDER BY name, version DESC
"""
# With the layers of the agent `$2`, and what session `$3` was last given of them.
GROUND = f"""
SELECT (SELECT {_LAYERS} FROM agents a WHERE a.account_id = $1 AND a.id = $2) AS layers,
    (SELECT i.sha256 FROM session_identities i WHERE i.account_id = $1 AND i.session_id = $3) AS identity_sha256,
    (SELECT row_to_json(r) FROM repositories r WHERE r.account_id = $1 AND r.is_primary)::text AS repository,
    (SELECT d.content FROM documents d WHERE d.account_id = $1 AND d.slug = 'repository' AND d.deleted_at IS NULL) AS notes,
    (SELECT d.content FROM documents d WHERE d.account_id = $1 AND d.slug = 'briefing' AND d.deleted_at IS NULL) AS briefing,
    (SELECT json_object_agg(t.name, t.content) FROM ({_IN_FORCE}) t WHERE t.content IS NOT NULL)::text AS templates
"""
TEMPLATES = f"SELECT * FROM ({_IN_FORCE}) t"
# Versions of an account's templates are given one after the other.
LOCK = "SELECT callboard_now() FROM accounts WHERE id = $1 FOR NO KEY UPDATE"
VERSIONS = """
SELECT version, content, created_by_kind, created_by_id, created_at FROM prompt_templates
WHERE account_id = $1 AND name = $2 AND version < $3 ORDER BY version DESC LIMIT $4
"""
INSERT = Write(
    "prompt_template_written",
    """prompt_template_written AS (
        INSERT INTO prompt_templates (account_id, name, version, content, created_by_kind, created_by_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING 1
    )""",
)
# A notification as its delivery would find it, whatever has become of it.
_RECIPIENT = """a.id AS agent_id, a.slug, a.name, a.role, c.name AS account_name, c.settings::text AS settings,
    callboard_now() AS now, a.wake_minutes, NULL::uuid AS session_id,
    (SELECT json_agg(json_build_object('name', x.name, 'adapter', x.adapter, 'url', x.url, 'settings', x.settings,
            'timeout_seconds', x.timeout_seconds))
        FROM executor_profiles x WHERE x.account_id = $1 AND x.id = a.profile_id)::text AS profiles"""
NOTIFIED = f"""
SELECT n.id, n.type, n.task_id, n.message_id, n.actor_kind, n.actor_id, n.status_from, n.caused_by_type, n.title, n.body,
    n.depth, {_RECIPIENT}
FROM notifications n
JOIN accounts c ON c.id = n.account_id
JOIN agents a ON a.account_id = n.account_id AND a.id = n.recipient_id
WHERE n.account_id = $1 AND n.id = $2 AND n.recipient_kind = 'agent'
"""
# The newest message of somebody else stands for the one that would be told of.
IMAGINED = f"""
SELECT {_RECIPIENT}, t.id AS task_id, t.title AS task_title,
    (SELECT m.id FROM messages m WHERE m.account_id = $1 AND m.task_id = t.id AND m.author_id IS DISTINCT FROM a.id
     ORDER BY m.id DESC LIMIT 1) AS message_id
FROM agents a
JOIN accounts c ON c.id = a.account_id
LEFT JOIN tasks t ON t.account_id = $1 AND t.id = $3
WHERE a.account_id = $1 AND a.slug = $2
"""
