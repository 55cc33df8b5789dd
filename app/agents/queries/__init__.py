"""SQL of agents and their sessions."""

from app.agents.queries.skills import USABLE
from app.kernel.writes import Write

_FIELDS = """a.id, a.slug, a.name, a.role, a.description, a.identity_folder, a.flags::text AS flags, a.reach, a.capacity,
    a.version, a.created_at, a.updated_at, a.retired_at, a.profile_id, p.interval_seconds,
    CASE WHEN a.reach = 'pull' THEN p.state WHEN g.seen_at IS NOT NULL OR g.state = 'offline' THEN g.state END AS presence,
    CASE WHEN a.reach = 'pull' THEN p.seen_at ELSE g.seen_at END AS seen_at, a.wake_minutes, w.wake_at,
    w.outcome AS wake_outcome, (SELECT s.fires_at FROM runtime_schedules s
        WHERE s.account_id = $1 AND s.name = 'wakeups' AND s.is_system AND s.is_enabled) AS looks_at,
    (SELECT x.name FROM executor_profiles x WHERE x.account_id = $1 AND x.id = a.profile_id) AS profile,
    (SELECT c.slug FROM accounts c WHERE c.id = $1) AS account_slug"""
_SKILLS = f"""(SELECT coalesce(json_agg(k.slug ORDER BY k.slug), '[]') FROM agent_skills x
    JOIN skills k ON k.account_id = $1 AND k.id = x.skill_id
    WHERE x.account_id = $1 AND x.agent_id = a.id AND {USABLE})::text AS skills"""

# Whoever is woken through a gateway is there as long as that is.
_AGENTS = """agents a LEFT JOIN agent_presence p ON p.account_id = $1 AND p.agent_id = a.id AND a.reach = 'pull'
    LEFT JOIN gateway_presence g ON g.account_id = $1 AND g.profile_id = a.profile_id
    LEFT JOIN agent_wakeups w ON w.account_id = $1 AND w.agent_id = a.id"""

AGENTS = f"SELECT {_FIELDS}, {_SKILLS} FROM {_AGENTS} WHERE a.account_id = $1 AND a.slug > $2 ORDER BY a.slug LIMIT $3"
AGENT = f"SELECT {_FIELDS}, {_SKILLS} FROM {_AGENTS} WHERE a.account_id = $1 AND a.id = $2"
AGENT_LOCKED = AGENT + " FOR NO KEY UPDATE OF a"
OPEN_SESSION = "SELECT id FROM agent_sessions WHERE account_id = $1 AND agent_id = $2 AND key = $3 AND closed_at IS NULL"
KEY_ON_TASK = "SELECT key FROM agent_sessions WHERE account_id = $1 AND task_id = $2 AND agent_id = $3 AND closed_at IS NULL"
# Newest first; `$3` is the id behind which the page starts.
SESSIONS = """
SELECT s.id, s.kind, s.task_id, s.generation, s.key, s.opened_at, s.closed_at, s.closed_reason,
    i.sha256 AS identity_sha256, i.compiled_at AS identity_at
FROM agent_sessions s LEFT JOIN session_identities i ON i.account_id = $1 AND i.session_id = s.id
WHERE s.account_id = $1 AND s.agent_id = $2 AND s.id < $3 ORDER BY s.id DESC LIMIT $4
"""
SLUG_TAKEN = "SELECT 1 FROM agents WHERE account_id = $1 AND slug = $2"
DEFAULT_PROFILE = "SELECT id FROM executor_profiles WHERE account_id = $1 ORDER BY (name = 'default') DESC, id LIMIT 1"

_PROFILE = """p.id, p.name, p.adapter, p.url, p.settings::text AS settings, p.timeout_seconds, p.failover, p.version,
    p.created_at, p.updated_at,
    (SELECT coalesce(json_agg(a.slug ORDER BY a.slug), '[]') FROM agents a
     WHERE a.account_id = $1 AND a.profile_id = p.id AND a.retired_at IS NULL)::text AS agents"""
PROFILES = f"SELECT {_PROFILE} FROM executor_profiles p WHERE p.account_id = $1 AND p.name > $2 ORDER BY p.name LIMIT $3"
PROFILE = f"SELECT {_PROFILE} FROM executor_profiles p WHERE p.account_id = $1 AND p.id = $2"
# Against the key share that an agent which is given one takes.
PROFILES_LOCKED = """
SELECT id, name, adapter, url, settings::text AS settings, timeout_seconds, failover, version FROM executor_profiles
WHERE account_id = $1 ORDER BY id FOR UPDATE
"""
PROFILE_CALLED = "SELECT id FROM executor_profiles WHERE account_id = $1 AND name = $2 FOR KEY SHARE"
# Retired agents too, for they may come back.
PROFILE_USERS = "SELECT array_agg(slug ORDER BY slug) FROM agents WHERE account_id = $1 AND profile_id = $2"
INSERT_PROFILE = Write(
    "profile_inserted",
    """profile_inserted AS (
        INSERT INTO executor_profiles (account_id, id, name, adapter, url, settings, timeout_seconds, failover, version,
            created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8, 1, callboard_now(), callboard_now()) RETURNING 1
    )""",
)
CHANGE_PROFILE = Write(
    "profile_changed",
    """profile_changed AS (
        UPDATE executor_profiles SET name = $3, adapter = $4, url = $5, settings = $6::text::jsonb, timeout_seconds = $7,
            failover = $8, version = version + 1, updated_at = callboard_now()
        WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
DELETE_PROFILE = Write(
    "profile_deleted",
    """profile_unwatched AS (
        DELETE FROM gateway_presence WHERE account_id = $1 AND profile_id = $2
    ), profile_deleted AS (
        DELETE FROM executor_profiles WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)

# `$3` is how many seconds ago it was seen. A sign that is hardly newer than the last one changes nothing, unless it came after
# silence was noticed. A row that this statement made has no `xmax`.
SEEN = """
WITH before AS (
    SELECT state FROM agent_presence WHERE account_id = $1 AND agent_id = $2 FOR UPDATE
), seen AS (
    INSERT INTO agent_presence AS p (account_id, agent_id, state, seen_at, changed_at)
    SELECT $1, $2, 'online', callboard_now() - make_interval(secs => $3), callboard_now()
    FROM agents a, (SELECT count(*) FROM before) f
    WHERE a.account_id = $1 AND a.id = $2 AND a.reach = 'pull'
    ON CONFLICT (account_id, agent_id) DO UPDATE SET seen_at = excluded.seen_at, state = 'online',
        changed_at = CASE p.state WHEN 'online' THEN p.changed_at ELSE callboard_now() END
        WHERE excluded.seen_at > p.seen_at + interval '1 s' OR (p.state = 'offline' AND excluded.seen_at >= p.changed_at)
    RETURNING xmax = 0 AS is_new
)
SELECT s.is_new, coalesce(b.state = 'offline', false) AS was_silent FROM seen s LEFT JOIN before b ON true
"""
# Those that were silent for more than `$2` seconds, and for how long; who is being seen at this moment is left.
UNSEEN = """
SELECT a.id, a.name, a.version, p.interval_seconds, extract(epoch FROM callboard_now() - p.seen_at)::float8 AS unseen
FROM agent_presence p JOIN agents a ON a.account_id = $1 AND a.id = p.agent_id AND a.reach = 'pull'
WHERE p.account_id = $1 AND p.state = 'online' AND p.seen_at < callboard_now() - make_interval(secs => $2)
ORDER BY a.id FOR UPDATE OF p SKIP LOCKED
"""
SILENT = Write(
    "fell_silent",
    """fell_silent AS (
        UPDATE agent_presence SET state = 'offline', changed_at = callboard_now()
        WHERE account_id = $1 AND agent_id = ANY($2::uuid[]) RETURNING 1
    )""",
)
# Nothing is known of the presence of one that was never seen.
PROMISED = Write(
    "promised",
    """promised AS (
        UPDATE agent_presence SET interval_seconds = $3
        WHERE account_id = $1 AND agent_id = $2 AND interval_seconds IS DISTINCT FROM $3 RETURNING 1
    )""",
)
WHO = "SELECT id, name, version FROM agents WHERE account_id = $1 AND id = $2"
IS_ANYBODY_ONLINE = """
SELECT EXISTS (SELECT FROM agent_presence p JOIN agents a ON a.account_id = $1 AND a.id = p.agent_id AND a.reach = 'pull'
               WHERE p.account_id = $1 AND p.state = 'online')
"""
_REACHED = "a.account_id = $1 AND a.reach = 'gateway' AND a.retired_at IS NULL"
IS_ANY_GATEWAY_USED = f"SELECT EXISTS (SELECT FROM agents a WHERE {_REACHED})"
# When the first gateway gave no sign for `$2` seconds, nothing where none is used; a change of those seconds is noticed after
# five minutes at most.
NEXT_PROBE = f"""
SELECT min(least(coalesce(g.seen_at + make_interval(secs => $2), callboard_now()), callboard_now() + interval '5 min'))
FROM agents a LEFT JOIN gateway_presence g ON g.account_id = $1 AND g.profile_id = a.profile_id
WHERE {_REACHED}
"""
FORGET_GATEWAYS = Write(
    "gateways_forgotten",
    f"""gateways_forgotten AS (
        DELETE FROM gateway_presence g WHERE g.account_id = $1
            AND NOT EXISTS (SELECT FROM agents a WHERE {_REACHED} AND a.profile_id = g.profile_id) RETURNING 1
    )""",
)
OFFLINE_AFTER = "SELECT value::text FROM runtime_settings WHERE account_id = $1 AND name = 'liveness.offline_seconds'"

INSERT_AGENT = Write(
    "agent_inserted",
    """agent_inserted AS (
        INSERT INTO agents (account_id, id, slug, name, role, description, soul, flags, reach, profile_id, capacity, wake_minutes,
            identity_folder, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10, $11, $12, $13, 1, callboard_now(), callboard_now())
        RETURNING 1
    )""",
)
CHANGE_AGENT = Write(
    "agent_changed",
    """agent_changed AS (
        UPDATE agents SET name = $3, role = $4, description = $5, flags = $6::text::jsonb, reach = $7, profile_id = $8,
            capacity = $10, wake_minutes = $11, soul = coalesce($12, soul), identity_folder = $13,
            retired_at = CASE WHEN $9 THEN coalesce(retired_at, callboard_now()) END,
            updated_at = callboard_now(), version = version + 1
        WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
FORGET_WAKE = Write(
    "wake_forgotten",
    "wake_forgotten AS (UPDATE agent_wakeups SET wake_at = NULL WHERE account_id = $1 AND agent_id = $2 RETURNING 1)",
)
# The generation counts on from closed sessions of the same agent and task.
OPEN_SESSIONS = Write(
    "sessions_opened",
    """sessions_opened AS (
        INSERT INTO agent_sessions (account_id, id, kind, agent_id, task_id, generation, key, opened_at)
        SELECT $1, r.id, r.kind, r.agent_id, r.task_id, 1 + coalesce((SELECT max(o.generation) FROM agent_sessions o
               WHERE o.account_id = $1 AND o.agent_id = r.agent_id AND o.task_id IS NOT DISTINCT FROM r.task_id), 0),
               r.key, callboard_now()
        FROM json_to_recordset($2::json) AS r (id uuid, kind text, agent_id uuid, task_id uuid, key text)
        RETURNING 1
    )""",
)
# First in its statement: a new session on the same task may be opened in it.
CLOSE_TASK_SESSIONS = Write(
    "task_sessions_closed",
    """task_sessions_closed AS (
        UPDATE agent_sessions s SET closed_at = callboard_now(), closed_reason = r.reason
        FROM json_to_recordset($2::json) AS r (task_id uuid, reason text)
        WHERE s.account_id = $1 AND s.task_id = r.task_id AND s.kind = 'task' AND s.closed_at IS NULL RETURNING 1
    )""",
    rank=-1,
    is_exact=False,
)
CLOSE_AGENT_SESSIONS = Write(
    "agent_sessions_closed",
    """agent_sessions_closed AS (
        UPDATE agent_sessions SET closed_at = callboard_now(), closed_reason = $3
        WHERE account_id = $1 AND agent_id = $2 AND closed_at IS NULL RETURNING 1
    )""",
)
