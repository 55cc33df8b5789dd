"""SQL of skills: what they say, who may use them, and whom they are taught."""

from app.kernel.errors import Duplicate
from app.kernel.writes import Write

# Of a skill `k`: whether agents may be taught it.
USABLE = "k.is_enabled AND (NOT k.requires_approval OR k.approved_version IS NOT DISTINCT FROM k.version)"
_FIELDS = """k.id, k.slug, k.name, k.description, octet_length(k.content) AS size, k.is_enabled, k.requires_approval,
    k.approved_version, k.approved_by_id, k.edited_by_id, k.version, k.created_at, k.updated_at,
    (SELECT coalesce(json_agg(a.slug ORDER BY a.slug), '[]') FROM agent_skills x
     JOIN agents a ON a.account_id = $1 AND a.id = x.agent_id
     WHERE x.account_id = $1 AND x.skill_id = k.id AND a.retired_at IS NULL)::text AS agents"""
SKILLS = f"SELECT {_FIELDS} FROM skills k WHERE k.account_id = $1 AND k.slug > $2 ORDER BY k.slug LIMIT $3"
SKILL = f"SELECT {_FIELDS}, k.content FROM skills k WHERE k.account_id = $1 AND k.id = $2"
# Against the key share that an agent which is given one takes.
SKILL_LOCKED = f"{SKILL} FOR UPDATE OF k"
OF_AGENT = f"""
SELECT {_FIELDS} FROM agent_skills g JOIN skills k ON k.account_id = $1 AND k.id = g.skill_id
WHERE g.account_id = $1 AND g.agent_id = $2 ORDER BY k.slug
"""
# Retired agents too, for they may come back.
LEARNERS = "SELECT agent_id FROM agent_skills WHERE account_id = $1 AND skill_id = $2 ORDER BY agent_id"
OTHER_ADMINS = """
SELECT count(*) FROM people WHERE account_id = $1 AND role IN ('owner', 'admin') AND removed_at IS NULL AND id <> $2
"""
# The agent is locked, so that its lists are given one after the other.
PUPIL_LOCKED = "SELECT version FROM agents WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE"
PUPIL = "SELECT id, slug, version FROM agents WHERE account_id = $1 AND id = $2"
CALLED = "SELECT id, slug FROM skills WHERE account_id = $1 AND slug = ANY($2::text[]) ORDER BY id FOR KEY SHARE"

# What the usable skills of an agent are; they change with the agent's own row or with theirs.
_TAUGHT = f"""
SELECT a.slug AS agent_slug, greatest(a.updated_at, max(k.updated_at)) AS updated_at,
    coalesce(json_agg(json_build_object('slug', k.slug, 'name', k.name, 'description', k.description{{content}})
                      ORDER BY k.slug) FILTER (WHERE k.id IS NOT NULL), '[]')::text AS skills
FROM agents a
LEFT JOIN agent_skills x ON x.account_id = $1 AND x.agent_id = a.id
LEFT JOIN skills k ON k.account_id = $1 AND k.id = x.skill_id AND {USABLE}
WHERE a.account_id = $1 AND {{which}} AND a.retired_at IS NULL
GROUP BY a.account_id, a.id"""
TAUGHT_TO_ALL = _TAUGHT.format(content="", which="a.slug > $2") + " ORDER BY a.slug LIMIT $3"
TAUGHT_TO_CALLED = _TAUGHT.format(content=", 'content', k.content", which="a.slug = $2")
TAUGHT_TO_ONE = _TAUGHT.format(content=", 'content', k.content", which="a.id = $2")

INSERT_SKILL = Write(
    "skill_inserted",
    """skill_inserted AS (
        INSERT INTO skills (account_id, id, slug, name, description, content, is_enabled, requires_approval, edited_by_id,
            version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, callboard_now(), callboard_now())
        ON CONFLICT (account_id, slug) DO NOTHING RETURNING 1
    )""",
    short=Duplicate("there is a skill with this slug already"),
)
CHANGE_SKILL = Write(
    "skill_changed",
    """skill_changed AS (
        UPDATE skills SET name = $3, description = $4, content = $5, is_enabled = $6, requires_approval = $7,
            approved_version = $8, approved_by_id = $9, edited_by_id = $10, version = $11, updated_at = callboard_now()
        WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
DELETE_SKILL = Write(
    "skill_deleted",
    """skill_unlearned AS (
        DELETE FROM agent_skills WHERE account_id = $1 AND skill_id = $2
    ), skill_deleted AS (
        DELETE FROM skills WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
TEACH = Write(
    "agent_taught",
    """skills_unlearned AS (
        DELETE FROM agent_skills WHERE account_id = $1 AND agent_id = $2 AND skill_id <> ALL ($3::uuid[])
    ), skills_learned AS (
        INSERT INTO agent_skills (account_id, agent_id, skill_id) SELECT $1, $2, unnest($3::uuid[]) ON CONFLICT DO NOTHING
    ), agent_taught AS (
        UPDATE agents SET version = version + 1, updated_at = callboard_now() WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
