"""SQL of an account's repositories and of how their clones stand."""

from app.kernel.writes import Write

_FACTS = """r.id, r.name, r.url, r.base_branch, r.branch_prefix, r.branch_pattern, r.protected_branches, r.branch_per_task,
    r.keep_worktrees, r.clone_depth, r.writable_dir, r.is_primary, r.is_from_environment, r.version,
    (SELECT slug FROM accounts WHERE id = $1) AS account_slug"""
# A sync is pending until its command has ended.
_PENDING = """EXISTS (SELECT FROM runtime_commands k WHERE k.account_id = $1 AND k.id = c.command_id
                AND k.state IN ('held', 'queued', 'running', 'retry_scheduled'))"""
_CLONE = f"""(SELECT json_build_object('state', c.state, 'directory', c.directory, 'head', c.head, 'base_branch', c.base_branch,
        'phase', c.phase, 'percent', c.percent, 'trouble', c.trouble, 'setting', c.setting, 'advice', c.advice,
        'remark', c.remark, 'is_pending', {_PENDING}, 'synced_at', c.synced_at, 'changed_at', c.changed_at)
    FROM repository_clones c WHERE c.account_id = $1 AND c.repository_id = r.id)::text AS clone"""
_SHOWN = f"{_FACTS}, r.created_at, r.updated_at, {_CLONE}"

PAGE = f"SELECT {_SHOWN} FROM repositories r WHERE r.account_id = $1 AND r.name > $2 ORDER BY r.name LIMIT $3"
ONE = f"SELECT {_SHOWN} FROM repositories r WHERE r.account_id = $1 AND r.id = $2"
FACTS = f"SELECT {_FACTS} FROM repositories r WHERE r.account_id = $1 AND r.id = $2"
CALLED = "SELECT id FROM repositories WHERE account_id = $1 AND name = $2"
WITH_ADDRESS = "SELECT id, name FROM repositories WHERE account_id = $1 AND url IS NOT NULL ORDER BY is_primary DESC, name"
IS_ANY = "SELECT EXISTS (SELECT FROM repositories WHERE account_id = $1)"

# All of the account, since names and the primary one are decided among them.
LOCKED = f"SELECT {_FACTS} FROM repositories r WHERE r.account_id = $1 ORDER BY r.id FOR UPDATE OF r"
USERS = """
SELECT (SELECT count(*) FROM (SELECT FROM tasks WHERE account_id = $1 AND repository_id = $2 LIMIT 1000) t) AS tasks,
    (SELECT count(*) FROM (SELECT FROM task_worktrees WHERE account_id = $1 AND repository_id = $2 LIMIT 1000) w) AS worktrees,
    (SELECT count(*) FROM (SELECT FROM file_reservations WHERE account_id = $1 AND repository_id = $2 LIMIT 1000) f)
        AS reservations
"""
INSERT = Write(
    "repository_inserted",
    """repository_inserted AS (
        INSERT INTO repositories (account_id, id, name, url, base_branch, branch_prefix, branch_pattern, protected_branches,
            branch_per_task, keep_worktrees, clone_depth, is_primary, is_from_environment, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, false, 1, callboard_now(), callboard_now()) RETURNING 1
    )""",
)
CHANGE = Write(
    "repository_changed",
    """repository_changed AS (
        UPDATE repositories SET url = $3::text, base_branch = $4, branch_prefix = $5, branch_pattern = $6,
            protected_branches = $7, branch_per_task = $8, keep_worktrees = $9, clone_depth = $10, is_primary = $11,
            is_from_environment = is_from_environment AND url = $3::text, version = version + 1, updated_at = callboard_now(),
            writable_dir = CASE WHEN url = $3::text THEN writable_dir END
        WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
STEP_DOWN = Write(
    "repository_stepped_down",
    """repository_stepped_down AS (
        UPDATE repositories SET is_primary = false, version = version + 1, updated_at = callboard_now()
        WHERE account_id = $1 AND id <> $2 AND is_primary RETURNING 1
    )""",
)
DELETE = Write(
    "repository_deleted",
    "repository_deleted AS (DELETE FROM repositories WHERE account_id = $1 AND id = $2 RETURNING 1)",
)
# The environment's address and directory hold for its repository, whatever else a person has changed of it.
FOLLOW = Write(
    "repository_followed",
    """repository_followed AS (
        UPDATE repositories SET url = $3, writable_dir = $4, version = version + 1, updated_at = callboard_now()
        WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
FROM_ENVIRONMENT = """
SELECT id, name, url, writable_dir, version FROM repositories
WHERE account_id = $1 AND is_from_environment AND name = ANY($2)
"""

# What is awaited of them, read after their rows are locked.
LOCK_SOME = "SELECT id FROM repositories WHERE account_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE"
AWAITED = f"""
SELECT {_FACTS}, c.state, c.command_id, k.state AS command_state
FROM repositories r
LEFT JOIN repository_clones c ON c.account_id = $1 AND c.repository_id = r.id
LEFT JOIN runtime_commands k ON k.account_id = $1 AND k.id = c.command_id
WHERE r.account_id = $1 AND r.id = ANY($2) ORDER BY r.id
"""
CLONES_AWAITED = Write(
    "clones_awaited",
    """clones_awaited AS (
        INSERT INTO repository_clones AS c (account_id, repository_id, state, directory, command_id, changed_at)
        SELECT $1, r.id, 'waiting', r.directory, r.command_id, callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, directory text, command_id uuid)
        ON CONFLICT (account_id, repository_id) DO UPDATE SET command_id = excluded.command_id, phase = NULL, percent = NULL
        RETURNING 1
    )""",
)
# With other facts than before nothing that is known of the clone counts any more.
CLONES_AFRESH = Write(
    "clones_afresh",
    """clones_afresh AS (
        INSERT INTO repository_clones AS c (account_id, repository_id, state, directory, command_id, changed_at)
        SELECT $1, r.id, 'waiting', r.directory, r.command_id, callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, directory text, command_id uuid)
        ON CONFLICT (account_id, repository_id) DO UPDATE SET
            state = 'waiting', directory = excluded.directory, command_id = excluded.command_id, head = NULL,
            base_branch = NULL, phase = NULL, percent = NULL, trouble = NULL, setting = NULL, advice = NULL, remark = NULL,
            synced_at = NULL, changed_at = callboard_now()
        RETURNING 1
    )""",
)

# A sync writes only as long as no later one was ordered; `before` is how the clone stood.
STARTED = """
WITH before AS (
    SELECT state, trouble, advice FROM repository_clones
    WHERE account_id = $1 AND repository_id = $2 AND command_id = $3 FOR UPDATE
), started AS (
    UPDATE repository_clones c SET phase = 'starting', percent = NULL, directory = $4,
        state = CASE WHEN b.state IN ('ready', 'degraded') THEN b.state ELSE 'syncing' END,
        changed_at = CASE WHEN b.state IN ('ready', 'degraded') THEN c.changed_at ELSE callboard_now() END
    FROM before b WHERE c.account_id = $1 AND c.repository_id = $2 RETURNING b.state
)
SELECT state FROM started
"""
PROGRESSED = """
UPDATE repository_clones SET phase = $4, percent = $5
WHERE account_id = $1 AND repository_id = $2 AND command_id = $3 RETURNING 1
"""
SYNCED = """
WITH before AS (
    SELECT state, head, remark FROM repository_clones
    WHERE account_id = $1 AND repository_id = $2 AND command_id = $3 FOR UPDATE
), synced AS (
    UPDATE repository_clones c SET state = 'ready', head = $4, base_branch = $5, remark = $6, phase = NULL, percent = NULL,
        trouble = NULL, setting = NULL, advice = NULL, synced_at = callboard_now(),
        changed_at = CASE WHEN b.state = 'ready' AND b.head = $4 THEN c.changed_at ELSE callboard_now() END
    FROM before b WHERE c.account_id = $1 AND c.repository_id = $2
    RETURNING (b.state, b.head, b.remark) IS DISTINCT FROM ('ready', $4, $6) AS is_news
)
SELECT is_news FROM synced
"""
DEGRADED = """
WITH before AS (
    SELECT state, trouble, advice FROM repository_clones
    WHERE account_id = $1 AND repository_id = $2 AND command_id = $3 FOR UPDATE
), degraded AS (
    UPDATE repository_clones c SET state = $4, trouble = $5, setting = $6, advice = $7, phase = NULL, percent = NULL,
        changed_at = CASE WHEN b.state = $4 AND b.trouble = $5 THEN c.changed_at ELSE callboard_now() END
    FROM before b WHERE c.account_id = $1 AND c.repository_id = $2
    RETURNING (b.state, b.trouble, b.advice) IS DISTINCT FROM ($4, $5, $7) AS is_news
)
SELECT is_news FROM degraded
"""
# Those that are not as they should be, and those that nobody has looked at for so many seconds.
FALLEN_BEHIND = """
SELECT r.id FROM repositories r LEFT JOIN repository_clones c ON c.account_id = $1 AND c.repository_id = r.id
WHERE r.account_id = $1 AND r.url IS NOT NULL AND (
    c.state IS DISTINCT FROM 'ready' OR c.synced_at IS NULL OR c.synced_at <= callboard_now() - make_interval(secs => $2))
ORDER BY r.id
"""
STANDING = f"""
SELECT r.name, coalesce(c.state, 'off') AS state, c.phase, c.percent, c.trouble, c.setting, c.advice, c.remark, c.head,
    c.base_branch, c.directory, {_PENDING} AS is_pending,
    EXISTS (SELECT FROM runtime_commands k WHERE k.account_id = $1 AND k.id = c.command_id
            AND k.state = 'retry_scheduled' AND k.run_at > callboard_now()) AS is_put_off
FROM repositories r LEFT JOIN repository_clones c ON c.account_id = $1 AND c.repository_id = r.id
WHERE r.account_id = $1 ORDER BY r.is_primary DESC, r.name
"""
