"""SQL of seeding: what an account holds of what seeds may name, and the writes that bring it there."""

from app.kernel.writes import Write

# The counter is its own row, because the log's write would not see one made in the same statement.
CREATE_ACCOUNT = """
WITH made AS (
    INSERT INTO accounts (id, slug, name, settings, version) VALUES ($1, $2, $3, $4::text::jsonb, 1)
    ON CONFLICT (slug) DO NOTHING RETURNING id
)
INSERT INTO event_counters (account_id) SELECT id FROM made RETURNING account_id
"""

NOW = "SELECT callboard_now()"

LOCK = """
WITH account AS (SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE),
person AS (SELECT id FROM people WHERE account_id = $1 FOR NO KEY UPDATE),
profile AS (SELECT id FROM executor_profiles WHERE account_id = $1 FOR NO KEY UPDATE),
skill AS (SELECT id FROM skills WHERE account_id = $1 FOR NO KEY UPDATE),
layer AS (SELECT id FROM identity_layers WHERE account_id = $1 FOR NO KEY UPDATE),
agent AS (SELECT id FROM agents WHERE account_id = $1 FOR NO KEY UPDATE),
document AS (
    SELECT d.id FROM documents d JOIN seed_records s ON s.account_id = $1 AND s.kind = 'document' AND s.key = d.slug
    WHERE d.account_id = $1 AND d.deleted_at IS NULL FOR NO KEY UPDATE OF d
),
repository AS (SELECT id FROM repositories WHERE account_id = $1 FOR NO KEY UPDATE)
SELECT (SELECT count(*) FROM account) + (SELECT count(*) FROM person) + (SELECT count(*) FROM profile)
     + (SELECT count(*) FROM skill) + (SELECT count(*) FROM layer) + (SELECT count(*) FROM agent)
     + (SELECT count(*) FROM document) + (SELECT count(*) FROM repository)
"""

PRESENT = """
WITH present (kind, key, id, version, fields) AS (
    SELECT 'account', a.slug, a.id, a.version, a.settings - 'orchestrator_agent_id' || jsonb_build_object(
        'name', a.name, 'defaults', jsonb_strip_nulls(a.settings -> 'defaults'),
        'orchestrator', (SELECT o.slug FROM agents o
                         WHERE o.account_id = a.id AND o.id = (a.settings ->> 'orchestrator_agent_id')::uuid))
    FROM accounts a WHERE a.id = $1
    UNION ALL
    SELECT 'person', email, id, NULL, jsonb_build_object('handle', handle, 'name', name, 'role', role, 'removed_at', removed_at)
    FROM people WHERE account_id = $1
    UNION ALL
    SELECT 'profile', name, id, NULL, jsonb_build_object('adapter', adapter, 'url', url)
    FROM executor_profiles WHERE account_id = $1
    UNION ALL
    SELECT 'skill', slug, id, NULL, jsonb_build_object('name', name, 'description', description, 'content', content,
        'is_enabled', is_enabled, 'requires_approval', requires_approval)
    FROM skills WHERE account_id = $1
    UNION ALL
    SELECT 'identity_layer', concat_ws('/', scope, nullif(name, ''), layer), id, NULL,
        jsonb_build_object('scope', scope, 'name', name, 'layer', layer, 'content', content)
    FROM identity_layers WHERE account_id = $1
    UNION ALL
    SELECT 'agent', g.slug, g.id, g.version, jsonb_build_object(
        'name', g.name, 'role', g.role, 'description', g.description, 'soul', g.soul,
        'identity_folder', g.identity_folder, 'flags', jsonb_strip_nulls(g.flags),
        'reach', g.reach, 'profile', p.name, 'capacity', g.capacity, 'wake_minutes', g.wake_minutes, 'retired_at', g.retired_at,
        'skills', (SELECT jsonb_agg(s.slug ORDER BY s.slug COLLATE "C") FROM agent_skills gs
                   JOIN skills s ON s.account_id = gs.account_id AND s.id = gs.skill_id
                   WHERE gs.account_id = g.account_id AND gs.agent_id = g.id))
    FROM agents g LEFT JOIN executor_profiles p ON p.account_id = g.account_id AND p.id = g.profile_id
    WHERE g.account_id = $1
    UNION ALL
    SELECT 'document', slug, id, version, jsonb_build_object('title', title, 'type', type, 'content', content)
    FROM documents WHERE account_id = $1 AND slug = ANY($2) AND deleted_at IS NULL
    UNION ALL
    SELECT 'repository', name, id, version, jsonb_build_object(
        'url', url, 'base_branch', base_branch, 'branch_prefix', branch_prefix, 'writable_dir', writable_dir,
        'clone_depth', clone_depth, 'branch_pattern', branch_pattern, 'protected_branches', protected_branches,
        'branch_per_task', branch_per_task, 'keep_worktrees', keep_worktrees, 'is_from_environment', is_from_environment)
    FROM repositories WHERE account_id = $1
)
SELECT kind, key, id, fields::text AS fields,
       coalesce(version, (SELECT max(e.sequence) FROM events e
                          WHERE e.account_id = $1 AND e.entity_kind = present.kind AND e.entity_id = present.id), 0) AS sequence
FROM present
"""

LOADED = "SELECT kind, key, digest FROM seed_records WHERE account_id = $1"

# An id that differs is another row, made meanwhile: nothing is written, and the transaction is undone.
PEOPLE = Write(
    "seeded_people",
    """seeded_people AS (
        INSERT INTO people (account_id, id, email, handle, name, role)
        SELECT $1, r.id, r.key, r.handle, r.name, r.role
        FROM json_to_recordset($2::json) AS r (id uuid, key text, handle text, name text, role text)
        ON CONFLICT (account_id, email) DO UPDATE SET handle = excluded.handle, name = excluded.name, role = excluded.role
        WHERE people.id = excluded.id
        RETURNING 1
    )""",
)
PROFILES = Write(
    "seeded_profiles",
    """seeded_profiles AS (
        INSERT INTO executor_profiles (account_id, id, name, adapter, url)
        SELECT $1, r.id, r.key, r.adapter, r.url
        FROM json_to_recordset($2::json) AS r (id uuid, key text, adapter text, url text)
        ON CONFLICT (account_id, name) DO UPDATE SET adapter = excluded.adapter, url = excluded.url
        WHERE executor_profiles.id = excluded.id
        RETURNING 1
    )""",
)
# What the operator brings counts as approved.
SKILLS = Write(
    "seeded_skills",
    """seeded_skills AS (
        INSERT INTO skills (account_id, id, slug, name, description, content, is_enabled, requires_approval, approved_version)
        SELECT $1, r.id, r.key, r.name, r.description, r.content, r.is_enabled, r.requires_approval, 1
        FROM json_to_recordset($2::json) AS r (id uuid, key text, name text, description text, content text, is_enabled boolean,
                                               requires_approval boolean)
        ON CONFLICT (account_id, slug) DO UPDATE
        SET name = excluded.name, description = excluded.description, content = excluded.content,
            is_enabled = excluded.is_enabled, requires_approval = excluded.requires_approval, version = skills.version + 1,
            approved_version = skills.version + 1, approved_by_id = NULL, edited_by_id = NULL, updated_at = callboard_now()
        WHERE skills.id = excluded.id
        RETURNING 1
    )""",
)
IDENTITIES = Write(
    "seeded_identities",
    """seeded_identities AS (
        INSERT INTO identity_layers (account_id, id, scope, name, layer, content)
        SELECT $1, r.id, r.scope, r.name, r.layer, r.content
        FROM json_to_recordset($2::json) AS r (id uuid, scope text, name text, layer text, content text)
        ON CONFLICT (account_id, scope, name, layer) DO UPDATE
        SET content = excluded.content, version = identity_layers.version + 1, updated_at = callboard_now()
        WHERE identity_layers.id = excluded.id
        RETURNING 1
    )""",
)
AGENTS = Write(
    "seeded_agents",
    """seeded_agents AS (
        INSERT INTO agents (account_id, id, slug, name, role, description, soul, flags, reach, profile_id, capacity,
            wake_minutes, identity_folder, version)
        SELECT $1, r.id, r.key, r.name, r.role, r.description, r.soul, r.flags, r.reach, r.profile_id, r.capacity,
            r.wake_minutes, r.identity_folder, 1
        FROM json_to_recordset($2::json) AS r (id uuid, key text, name text, role text, description text, soul text,
                                               flags jsonb, reach text, profile_id uuid, capacity smallint,
                                               wake_minutes smallint, identity_folder text)
        ON CONFLICT (account_id, slug) DO UPDATE
        SET name = excluded.name, role = excluded.role, description = excluded.description, soul = excluded.soul,
            flags = excluded.flags, reach = excluded.reach, profile_id = excluded.profile_id, capacity = excluded.capacity,
            wake_minutes = excluded.wake_minutes, identity_folder = excluded.identity_folder,
            version = agents.version + 1, updated_at = callboard_now()
        WHERE agents.id = excluded.id
        RETURNING 1
    )""",
)
AGENT_SKILLS = Write(
    "seeded_agent_skills",
    """unlisted_agent_skills AS (
        DELETE FROM agent_skills s
        USING json_to_recordset($2::json) AS r (id uuid, skill_ids uuid[])
        WHERE s.account_id = $1 AND s.agent_id = r.id AND s.skill_id <> ALL (r.skill_ids)
    ), seeded_agent_skills AS (
        INSERT INTO agent_skills (account_id, agent_id, skill_id)
        SELECT $1, r.id, unnest(r.skill_ids) FROM json_to_recordset($2::json) AS r (id uuid, skill_ids uuid[])
        ON CONFLICT DO NOTHING
        RETURNING 1
    )""",
    is_exact=False,
)
DOCUMENTS = Write(
    "seeded_documents",
    """seeded_documents AS (
        INSERT INTO documents (account_id, id, slug, title, type, content, author_kind, version)
        SELECT $1, r.id, r.key, r.title, r.type, r.content, 'system', 1
        FROM json_to_recordset($2::json) AS r (id uuid, key text, title text, type text, content text)
        ON CONFLICT (account_id, slug) WHERE deleted_at IS NULL DO UPDATE
        SET title = excluded.title, type = excluded.type, content = excluded.content,
            version = documents.version + 1, updated_at = callboard_now()
        WHERE documents.id = excluded.id
        RETURNING *
    ), seeded_versions AS (
        INSERT INTO document_versions (account_id, document_id, version, title, content, author_kind, created_at)
        SELECT account_id, id, version, title, content, 'system', updated_at FROM seeded_documents
    )""",
)
REPOSITORIES = Write(
    "seeded_repositories",
    """seeded_repositories AS (
        INSERT INTO repositories (account_id, id, name, url, base_branch, branch_prefix, writable_dir, clone_depth,
            branch_pattern, protected_branches, branch_per_task, keep_worktrees, is_from_environment, is_primary)
        SELECT $1, r.id, r.key, r.url, r.base_branch, r.branch_prefix, r.writable_dir, r.clone_depth, r.branch_pattern,
               r.protected_branches, r.branch_per_task, r.keep_worktrees, r.is_from_environment,
               r.place = 1 AND NOT EXISTS (SELECT FROM repositories WHERE account_id = $1 AND is_primary)
        FROM ROWS FROM (json_to_recordset($2::json) AS (
            id uuid, key text, url text, base_branch text, branch_prefix text, writable_dir text, clone_depth int,
            branch_pattern text, protected_branches text[], branch_per_task boolean, keep_worktrees boolean,
            is_from_environment boolean
        )) WITH ORDINALITY AS r (id, key, url, base_branch, branch_prefix, writable_dir, clone_depth, branch_pattern,
                                 protected_branches, branch_per_task, keep_worktrees, is_from_environment, place)
        ON CONFLICT (account_id, name) DO UPDATE
        SET url = excluded.url, base_branch = excluded.base_branch, branch_prefix = excluded.branch_prefix,
            writable_dir = excluded.writable_dir, clone_depth = excluded.clone_depth,
            branch_pattern = excluded.branch_pattern, protected_branches = excluded.protected_branches,
            branch_per_task = excluded.branch_per_task, keep_worktrees = excluded.keep_worktrees,
            is_from_environment = excluded.is_from_environment, version = repositories.version + 1,
            updated_at = callboard_now()
        WHERE repositories.id = excluded.id
        RETURNING 1
    )""",
)
RECORDS = Write(
    "seeded_records",
    """seeded_records AS (
        INSERT INTO seed_records (account_id, kind, key, digest)
        SELECT $1, r.kind, r.key, r.digest FROM json_to_recordset($2::json) AS r (kind text, key text, digest text)
        ON CONFLICT (account_id, kind, key) DO UPDATE SET digest = excluded.digest, loaded_at = callboard_now()
        RETURNING 1
    )""",
)

SLUG = "SELECT slug FROM accounts WHERE id = $1"
