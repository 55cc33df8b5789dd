"""SQL of the cards."""

from app.kernel.writes import Write
from app.tasks.queries.handoffs import HANDOFF_FIELDS
from app.tasks.queries.reservations import OWN_FIELDS, RIVALS_FIELDS
from app.tasks.queries.worktrees import SITE_FIELDS, WORKTREE_FIELDS

CARD = """t.id, t.title, t.description, t.status, t.priority, t.labels, t.due_at, t.blocked_reason, t.version,
    t.is_coordination, t.parent_id, t.lease_agent_id, t.lease_kind, t.lease_fence, t.lease_until,
    t.created_by_kind, t.created_by_id, t.created_at, t.updated_at, t.last_message_at, t.completed_at, t.archived_at,
    t.quarantined_at, t.quarantine_reason, t.repository_id,
    (SELECT n.name FROM repositories n WHERE n.account_id = $1 AND n.id = t.repository_id) AS repository"""

_CREW = """(SELECT coalesce(json_agg(json_build_object(
        'id', a.id, 'slug', a.slug, 'name', a.name, 'role', a.role, 'flags', a.flags,
        'is_active', a.retired_at IS NULL, 'kind', a.reach, 'capacity', a.capacity,
        'is_assigned', coalesce(x.is_assigned, false), 'has_acted', coalesce(x.has_acted, false),
        'is_subscribed', s.principal_id IS NOT NULL, 'session_id', n.id, 'pending_update', EXISTS (
            SELECT 1 FROM notifications u
            WHERE u.account_id = $1 AND u.task_id = $2 AND u.recipient_id = a.id AND u.recipient_kind = 'agent'
              AND u.type = 'thread_update' AND u.state = 'queued' AND u.taken_at IS NULL))), '[]')
    FROM agents a
    LEFT JOIN (SELECT agent_id, bool_or(removed_at IS NULL) AS is_assigned, bool_or(acted_at IS NOT NULL) AS has_acted
               FROM task_assignees WHERE account_id = $1 AND task_id = $2 AND agent_id IS NOT NULL GROUP BY agent_id
              ) x ON x.agent_id = a.id
    LEFT JOIN task_subscribers s ON s.account_id = $1 AND s.task_id = $2 AND s.principal_id = a.id
    LEFT JOIN agent_sessions n ON n.account_id = $1 AND n.agent_id = a.id AND n.task_id = $2 AND n.closed_at IS NULL
    WHERE a.account_id = $1 AND (x.agent_id IS NOT NULL OR a.retired_at IS NULL)
      AND ({everyone} OR x.agent_id IS NOT NULL OR s.principal_id IS NOT NULL OR a.id = $3 OR a.slug = ANY($4)
           OR a.id = (c.settings ->> 'orchestrator_agent_id')::uuid)) AS crew"""

_PEOPLE = """(SELECT coalesce(json_agg(json_build_object(
        'id', p.id, 'email', p.email, 'handle', p.handle, 'name', p.name,
        'is_assigned', x.id IS NOT NULL, 'is_subscribed', s.principal_id IS NOT NULL)), '[]')
    FROM people p
    LEFT JOIN task_assignees x ON x.account_id = $1 AND x.task_id = $2 AND x.person_id = p.id AND x.removed_at IS NULL
    LEFT JOIN task_subscribers s ON s.account_id = $1 AND s.task_id = $2 AND s.principal_id = p.id
    WHERE p.account_id = $1 AND p.removed_at IS NULL
      AND (x.id IS NOT NULL OR s.principal_id IS NOT NULL OR p.email = ANY($4) OR p.handle = ANY($4))) AS people"""

_WAKE = """(SELECT json_build_object('id', w.id, 'depth', w.depth, 'type', w.type) FROM notifications w
    WHERE w.account_id = $1 AND w.task_id = $2 AND w.recipient_id = $3 ORDER BY w.id DESC LIMIT 1) AS wake"""
# Whoever waits for a task waits no longer.
IS_DONE = "({task}.status = 'done' OR {task}.status = 'archived' AND {task}.completed_at IS NOT NULL)"
LINKED = f"""json_build_object('id', d.id, 'title', d.title, 'status', d.status, 'is_done', {IS_DONE.format(task="d")})"""
# What else the caller holds.
_HELD = """(SELECT coalesce(json_agg(h.id ORDER BY h.lease_until), '[]') FROM tasks h
        WHERE h.account_id = $1 AND h.lease_agent_id = $3 AND h.lease_until > callboard_now()) AS held"""
# What its wake-ups have cost already.
_GUARD = """(SELECT json_build_object('credits', g.credits, 'wakes', g.wakes, 'wakes_since', g.wakes_since) FROM task_guards g
        WHERE g.account_id = $1 AND g.task_id = t.id) AS guard"""
# What the task waits for, who depends on it, and what of it is vouched for.
_GRAPH = f"""(SELECT coalesce(json_agg({LINKED} ORDER BY d.id), '[]') FROM task_dependencies x
        JOIN tasks d ON d.account_id = $1 AND d.id = x.depends_on_id
        WHERE x.account_id = $1 AND x.task_id = t.id) AS dependencies,
    (SELECT coalesce(json_agg({LINKED} ORDER BY d.id), '[]') FROM tasks d
        WHERE d.account_id = $1 AND d.parent_id = t.id AND d.status NOT IN ('done', 'archived')) AS open_children,
    (SELECT coalesce(json_agg(x.task_id ORDER BY x.task_id), '[]') FROM task_dependencies x
        WHERE x.account_id = $1 AND x.depends_on_id = t.id) AS waiters,
    (SELECT coalesce(json_agg(json_build_object('id', e.id, 'position', e.position, 'text', e.text, 'verdict', e.verdict,
        'is_met', e.is_met, 'verdict_by_kind', e.verdict_by_kind) ORDER BY e.position), '[]')
        FROM task_criteria e WHERE e.account_id = $1 AND e.task_id = t.id) AS criteria,
    {_GUARD},
    {SITE_FIELDS},
    {OWN_FIELDS},
    {RIVALS_FIELDS},
    {_HELD}"""


def _seen_from(task: str, *, everyone: str) -> str:
    """Crew, people and the last wake-up of the caller (`$3`), as they stand to a task."""
    parts = (_CREW.format(everyone=everyone), _PEOPLE, _WAKE)
    return ",\n    ".join(part.replace("$2", task) for part in parts)


_SEEN = f"""
SELECT {CARD}, callboard_now() AS now, c.settings::text AS settings,
    t.xmin = (SELECT o.xmin FROM tasks o WHERE o.account_id = $1 AND o.id = t.id) AS is_fresh,
    {_seen_from("t.id", everyone="$5 OR t.status = 'review'")},
    {_GRAPH}"""
_FROM = "FROM tasks t JOIN accounts c ON c.id = t.account_id"
_SCENE = f"{_SEEN}\n{_FROM}\n"
# `$4` holds names: slugs of agents, handles and e-mail addresses of people. `$5` asks for the whole crew.
SCENE = f"""{_SCENE}
WHERE t.account_id = $1 AND t.id = $2
FOR NO KEY UPDATE OF t
"""
# For who only looks: nobody waits for it.
SCENE_READ = f"{_SCENE} WHERE t.account_id = $1 AND t.id = $2"
# Several at once, locked in the order in which they are named.
SCENES = f"""{_SCENE}
WHERE t.account_id = $1 AND t.id = ANY($2::uuid[])
ORDER BY array_position($2::uuid[], t.id)
FOR NO KEY UPDATE OF t
"""
# The same for who only looks.
SCENES_READ = f"""{_SCENE}
WHERE t.account_id = $1 AND t.id = ANY($2::uuid[])
ORDER BY array_position($2::uuid[], t.id)
"""
# Of the task `o`: nothing is left that it waits for.
READY = f"""NOT EXISTS (SELECT 1 FROM task_dependencies x JOIN tasks d ON d.account_id = $1 AND d.id = x.depends_on_id
        WHERE x.account_id = $1 AND x.task_id = o.id
          AND NOT {IS_DONE.format(task="d")})"""
# The named task, or the best that the caller may start, but for `$6`: its own, the begun first; else, in an open pool, anybody's.
CLAIM_SCENE = f"""
WITH own AS (
    SELECT o.id FROM task_assignees a JOIN tasks o ON o.account_id = $1 AND o.id = a.task_id
    WHERE a.account_id = $1 AND a.agent_id = $3 AND a.removed_at IS NULL AND NOT a.is_closed AND o.quarantined_at IS NULL
      AND (o.lease_until IS NULL OR o.lease_until <= callboard_now())
      AND (o.status = 'in_progress' OR o.status = 'assigned' AND {READY}) AND o.id <> ALL($6::uuid[])
    ORDER BY (o.status = 'in_progress') DESC, o.priority, o.id LIMIT 1 FOR NO KEY UPDATE OF o SKIP LOCKED
), pool AS (
    SELECT o.id FROM tasks o
    WHERE o.account_id = $1 AND o.status = 'inbox' AND NOT o.is_coordination AND o.quarantined_at IS NULL AND {READY}
      AND (SELECT (s.settings ->> 'open_pool')::boolean FROM accounts s WHERE s.id = $1) AND o.id <> ALL($6::uuid[])
    ORDER BY o.priority, o.id LIMIT 1 FOR NO KEY UPDATE OF o SKIP LOCKED
)
{_SEEN},
    {HANDOFF_FIELDS}
{_FROM}
WHERE t.account_id = $1 AND t.id = (SELECT coalesce($2::uuid, (SELECT id FROM own), (SELECT id FROM pool)))
FOR NO KEY UPDATE OF t
"""
# The same of a task that the caller holds: nobody waits for it.
HELD_SCENE = f"""
{_SEEN},
    {HANDOFF_FIELDS}
{_FROM}
WHERE t.account_id = $1 AND t.id = $2
"""

# `$5` is the title that a new task must not repeat, if it is guarded; `$6` is how close another one may come.
_DUPLICATES = """(SELECT coalesce(json_agg(json_build_object(
        'id', d.id, 'title', d.title, 'status', d.status, 'similarity', round(d.nearness::numeric, 2))), '[]')
    FROM possible_duplicates(CASE WHEN coalesce((c.settings ->> 'duplicate_guard')::boolean, true) THEN $5::text END,
                             $6::real, 5) AS d) AS duplicates"""
# Before a task exists: the same crew and people, seen from a task that nobody is on.
STAGE = f"""
SELECT callboard_now() AS now, c.settings::text AS settings,
    {_CREW.format(everyone="false")},
    {_PEOPLE},
    NULL::json AS wake,
    (SELECT json_build_object('id', r.id, 'name', r.name, 'has_url', r.url IS NOT NULL)
        FROM repositories r WHERE r.account_id = $1 AND r.is_primary) AS site,
    {_HELD},
    {_DUPLICATES}
FROM accounts c WHERE c.id = $1
"""

INSERT_TASK = Write(
    "task_inserted",
    """task_inserted AS (
        INSERT INTO tasks (account_id, id, title, description, status, priority, labels, due_at, blocked_reason, version,
                           is_coordination, created_by_kind, created_by_id, created_at, updated_at, parent_id,
                           lease_agent_id, lease_kind, lease_fence, lease_until, repository_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, false, $10, $11, $12, $12, $13, $14, $15, $16, $17, $18) RETURNING 1
    )""",
)
# What an agent has to do is found among its open stints, however many tasks it has done.
STINTS = """UPDATE task_assignees x SET is_closed = m.status IN ('done', 'archived') FROM {moved} m
        WHERE x.account_id = $1 AND x.task_id = m.id AND x.is_closed <> (m.status IN ('done', 'archived')) RETURNING 1"""
MOVE_TASK = Write(
    "task_moved",
    f"""task_moved AS (
        UPDATE tasks SET status = $3, blocked_reason = $4, completed_at = $5, archived_at = $6, updated_at = $7,
            lease_agent_id = $8, lease_kind = $9, lease_fence = $10, lease_until = $11, version = version + 1
        WHERE account_id = $1 AND id = $2 RETURNING id, status
    ), stints_moved AS (
        {STINTS.format(moved="task_moved")}
    )""",
)
EDIT_TASK = Write(
    "task_edited",
    """task_edited AS (
        UPDATE tasks SET title = coalesce($3, title), description = coalesce($4, description), priority = $5, labels = $6,
            due_at = $7, updated_at = $8, parent_id = $9, repository_id = $10, version = version + 1
        WHERE account_id = $1 AND id = $2 RETURNING 1
    )""",
)
INSERT_ASSIGNEES = Write(
    "assignees_inserted",
    """assignees_inserted AS (
        INSERT INTO task_assignees (account_id, id, task_id, agent_id, person_id, assigned_by_kind, assigned_by_id,
            assigned_at, acted_at)
        SELECT $1, r.id, r.task_id, r.agent_id, r.person_id, r.assigned_by_kind, r.assigned_by_id, callboard_now(),
               CASE WHEN r.has_started THEN callboard_now() END
        FROM json_to_recordset($2::json) AS r (id uuid, task_id uuid, agent_id uuid, person_id uuid, assigned_by_kind text,
                                               assigned_by_id uuid, has_started boolean)
        RETURNING 1
    )""",
)
REMOVE_ASSIGNEES = Write(
    "assignees_removed",
    """assignees_removed AS (
        UPDATE task_assignees SET removed_at = callboard_now()
        WHERE account_id = $1 AND task_id = $2 AND removed_at IS NULL AND (agent_id = ANY($3) OR person_id = ANY($3))
            RETURNING 1
    )""",
)
MARK_ACTED = Write(
    "assignee_acted",
    """assignee_acted AS (
        UPDATE task_assignees SET acted_at = coalesce(acted_at, callboard_now())
        WHERE account_id = $1 AND task_id = $2 AND agent_id = $3 AND removed_at IS NULL RETURNING 1
    )""",
)
SUBSCRIBE = Write(
    "subscribed",
    """subscribed AS (
        INSERT INTO task_subscribers (account_id, task_id, principal_id, principal_kind, created_at)
        SELECT $1, r.task_id, r.principal_id, r.principal_kind, callboard_now()
        FROM json_to_recordset($2::json) AS r (task_id uuid, principal_id uuid, principal_kind text)
        ON CONFLICT DO NOTHING RETURNING 1
    )""",
    is_exact=False,
)

ASSIGNEES = """(SELECT coalesce(json_agg(json_build_object('kind', CASE WHEN x.agent_id IS NULL THEN 'person' ELSE 'agent' END,
        'id', coalesce(x.agent_id, x.person_id), 'name', coalesce(a.name, p.name), 'slug', a.slug, 'email', p.email)
        ORDER BY x.assigned_at, x.id), '[]')
    FROM task_assignees x
    LEFT JOIN agents a ON a.account_id = $1 AND a.id = x.agent_id
    LEFT JOIN people p ON p.account_id = $1 AND p.id = x.person_id
    WHERE x.account_id = $1 AND x.task_id = t.id AND x.removed_at IS NULL)::text AS assignees"""

TASK = f"""
SELECT {CARD}, {ASSIGNEES}, {OWN_FIELDS}, {WORKTREE_FIELDS}, callboard_now() AS now
FROM tasks t WHERE t.account_id = $1 AND t.id = $2
"""

# Newest first; `$2` is the id behind which the page starts.
NEWEST = f"""
SELECT {CARD}, {ASSIGNEES} FROM tasks t
WHERE t.account_id = $1 AND t.id < $2 AND t.status <> 'archived' AND NOT t.is_coordination
ORDER BY t.id DESC LIMIT $3
"""
NEWEST_OF_STATUS = f"""
SELECT {CARD}, {ASSIGNEES} FROM tasks t
WHERE t.account_id = $1 AND t.id < $2 AND t.status = $3 AND NOT t.is_coordination
ORDER BY t.id DESC LIMIT $4
"""
NEWEST_OF_AGENT = f"""
SELECT {CARD}, {ASSIGNEES} FROM tasks t
WHERE t.account_id = $1 AND t.id < $2 AND (t.status = $3 OR $3::text IS NULL AND t.status <> 'archived')
  AND NOT t.is_coordination
  AND t.id IN (SELECT x.task_id FROM task_assignees x JOIN agents a ON a.account_id = $1 AND a.id = x.agent_id
               WHERE x.account_id = $1 AND a.slug = $5 AND x.removed_at IS NULL)
ORDER BY t.id DESC LIMIT $4
"""
