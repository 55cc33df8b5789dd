"""SQL of wake-ups by the clock: who is due, what there is to do, and who has been silent on what."""

from app.kernel.writes import Write
from app.tasks.queries import READY as _READY

_LEADER = "(c.settings ->> 'orchestrator_agent_id')::uuid"
_AGENTS = f"""agents a JOIN accounts c ON c.id = a.account_id
LEFT JOIN agent_wakeups w ON w.account_id = a.account_id AND w.agent_id = a.id
WHERE a.account_id = $1 AND a.retired_at IS NULL AND a.wake_minutes > 0 AND (a.reach = 'gateway' OR a.id = {_LEADER})"""
_FREE = "(o.lease_until IS NULL OR o.lease_until <= callboard_now() OR o.lease_agent_id = {agent})"
_OPEN = "('assigned', 'in_progress', 'review', 'blocked')"

# Those whose time has come, or is not known yet, longest overdue first; `has_work` where there may be something on their tasks.
DUE = f"""
SELECT a.id, a.slug, a.name, a.role, a.flags::text AS flags, a.wake_minutes, a.updated_at, w.wake_at,
    c.slug AS account_slug, c.settings::text AS settings, callboard_now() AS now,
    EXISTS (SELECT FROM task_assignees x JOIN tasks o ON o.account_id = x.account_id AND o.id = x.task_id
            WHERE x.account_id = $1 AND x.agent_id = a.id AND x.removed_at IS NULL AND NOT x.is_closed
              AND o.quarantined_at IS NULL AND {_FREE.format(agent="a.id")}) AS has_work
FROM {_AGENTS} AND (w.wake_at IS NULL OR w.wake_at <= callboard_now())
ORDER BY w.wake_at NULLS LAST, a.slug LIMIT $2
"""
# What reviewers and the orchestrator look after.
OFFICE = """
SELECT EXISTS (SELECT FROM tasks WHERE account_id = $1 AND status = 'review') AS has_reviews,
    EXISTS (SELECT FROM tasks WHERE account_id = $1 AND NOT is_coordination
            AND status IN ('inbox', 'assigned', 'in_progress', 'review', 'blocked')) AS has_open
"""
# Where no task is open nobody can have anything to do until one is, and then the next look is brought forward.
NEXT_DUE = f"""
SELECT CASE WHEN w.at IS NULL OR EXISTS (SELECT FROM tasks WHERE account_id = $1 AND NOT is_coordination
        AND status IN ('inbox', 'assigned', 'in_progress', 'review', 'blocked'))
    THEN w.at ELSE greatest(w.at, callboard_now() + interval '4 hours') END
FROM (SELECT min(coalesce(w.wake_at, callboard_now())) AS at FROM {_AGENTS}) w
"""
PLAN = Write(
    "wakes_planned",
    """wakes_planned AS (
        INSERT INTO agent_wakeups AS w (account_id, agent_id, wake_at, outcome)
        SELECT $1, r.id, r.wake_at, r.outcome FROM json_to_recordset($2::json) AS r (id uuid, wake_at timestamptz, outcome text)
        ORDER BY r.id
        ON CONFLICT (account_id, agent_id) DO UPDATE SET wake_at = excluded.wake_at,
            outcome = coalesce(excluded.outcome, w.outcome)
        RETURNING 1
    )""",
)
# Held before anything is read of the agent, so that two looks at one do not wake it twice.
LOCK_AGENT = "SELECT id FROM agents WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE"
AGENT = """
SELECT a.id, a.slug, a.name, a.role, a.flags::text AS flags, a.reach, a.retired_at, a.wake_minutes, a.updated_at, w.wake_at,
    c.settings::text AS settings, callboard_now() AS now, s.id AS session_id, w.woken_at,
    coalesce(w.pauses, 0) AS pauses, coalesce(w.shown, '{}')::text AS shown,
    EXISTS (SELECT FROM notifications n WHERE n.account_id = $1 AND n.recipient_id = a.id AND n.state = 'queued'
            AND n.type = 'wakeup') AS is_queued
FROM agents a JOIN accounts c ON c.id = a.account_id
LEFT JOIN agent_wakeups w ON w.account_id = a.account_id AND w.agent_id = a.id
LEFT JOIN agent_sessions s ON s.account_id = a.account_id AND s.agent_id = a.id AND s.kind = 'system' AND s.closed_at IS NULL
WHERE a.account_id = $1 AND a.id = $2
"""
# Open tasks that concern the agent `$2`: its own, those in review if it reviews (`$3`), all if it leads (`$4`), at most `$5` of
# each; without those that an unfinished delivery to it is about. `person_said` is where a person spoke last among the newest
# messages, and `answered` whether that was after the task was blocked.
CONCERNING = f"""
WITH chosen AS (
    (SELECT o.id, true AS is_own FROM task_assignees x JOIN tasks o ON o.account_id = x.account_id AND o.id = x.task_id
     WHERE x.account_id = $1 AND x.agent_id = $2 AND x.removed_at IS NULL AND NOT x.is_closed
       AND o.status IN {_OPEN} AND o.quarantined_at IS NULL AND {_FREE.format(agent="$2")}
     ORDER BY o.updated_at DESC LIMIT $5)
    UNION ALL
    (SELECT o.id, false FROM tasks o
     WHERE $3 AND o.account_id = $1 AND o.status = 'review' AND o.quarantined_at IS NULL AND {_FREE.format(agent="$2")}
     ORDER BY o.updated_at LIMIT $5)
    UNION ALL
    (SELECT o.id, false FROM tasks o
     WHERE $4 AND o.account_id = $1 AND o.status IN ('inbox', 'assigned', 'in_progress', 'review', 'blocked')
       AND NOT o.is_coordination AND o.quarantined_at IS NULL
     ORDER BY o.updated_at LIMIT $5)
)
SELECT t.id, t.status, t.version, t.updated_at, p.position AS person_said, k.is_own,
    t.status <> 'blocked' OR coalesce(p.created_at > (
        SELECT e.at FROM events e WHERE e.account_id = $1 AND e.entity_kind = 'task' AND e.entity_id = t.id
          AND e.payload ->> 'to' = 'blocked' ORDER BY e.seq DESC LIMIT 1), p.created_at IS NOT NULL) AS answered,
    coalesce(t.lease_until > callboard_now() AND t.lease_agent_id <> $2, false) AS is_held,
    EXISTS (SELECT FROM task_assignees x WHERE x.account_id = $1 AND x.task_id = t.id AND x.removed_at IS NULL) AS is_owned
FROM (SELECT id, bool_or(is_own) AS is_own FROM chosen GROUP BY id) k
JOIN tasks t ON t.account_id = $1 AND t.id = k.id
LEFT JOIN LATERAL (
    SELECT m.position, m.created_at FROM messages m
    WHERE m.account_id = $1 AND m.task_id = t.id AND m.position > t.message_count - 100 AND m.author_kind = 'person'
    ORDER BY m.position DESC LIMIT 1
) p ON true
WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.account_id = $1 AND n.task_id = t.id AND n.recipient_id = $2
                  AND n.state = 'queued')
"""
LOOKED = Write(
    "agent_looked_at",
    """agent_looked_at AS (
        INSERT INTO agent_wakeups AS w (account_id, agent_id, outcome, woken_at, pauses, shown)
        VALUES ($1, $2, $3, CASE WHEN $4 THEN callboard_now() END, $5, $6::text::jsonb)
        ON CONFLICT (account_id, agent_id) DO UPDATE SET outcome = excluded.outcome,
            woken_at = coalesce(excluded.woken_at, w.woken_at), pauses = excluded.pauses, shown = excluded.shown
        RETURNING 1
    )""",
)
LOCK_TASKS = "SELECT id FROM tasks WHERE account_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR NO KEY UPDATE"
# What a wake-up said that it is about.
SHOWN = "SELECT body FROM notifications WHERE account_id = $1 AND id = $2 AND type = 'wakeup'"
# Open tasks with the agents on them, the leader (`$2`) apart, and the last sign that one of them gave: words, an act on the task,
# the start of its stint, or a renewed lease, which lasts `$3` seconds. `asked_at` is the leader's last
# request on it since `$4`.
SILENT = f"""
SELECT t.id, t.status, t.agents, t.slugs, greatest(t.since,
        (SELECT m.created_at FROM messages m WHERE m.account_id = $1 AND m.task_id = t.id AND m.author_id = ANY(t.agents)
         ORDER BY m.position DESC LIMIT 1),
        (SELECT e.at FROM events e WHERE e.account_id = $1 AND e.entity_kind = 'task' AND e.entity_id = t.id
           AND e.actor_id = ANY(t.agents) ORDER BY e.seq DESC LIMIT 1),
        CASE WHEN t.lease_agent_id = ANY(t.agents) THEN t.lease_until - make_interval(secs => $3) END) AS sign,
    (SELECT max(n.created_at) FROM notifications n WHERE n.account_id = $1 AND n.task_id = t.id AND n.type = 'response_request'
        AND n.actor_id = $2 AND n.created_at > $4) AS asked_at
FROM (
    SELECT o.id, o.status, o.lease_agent_id, o.lease_until, s.agents, s.slugs, s.since
    FROM tasks o CROSS JOIN LATERAL (
        SELECT array_agg(a.id ORDER BY a.id) AS agents, array_agg(a.slug ORDER BY a.id) AS slugs, max(x.assigned_at) AS since
        FROM task_assignees x JOIN agents a ON a.account_id = x.account_id AND a.id = x.agent_id
        WHERE x.account_id = $1 AND x.task_id = o.id AND x.removed_at IS NULL AND a.retired_at IS NULL AND a.id <> $2
    ) s
    WHERE o.account_id = $1 AND o.status IN {_OPEN} AND NOT o.is_coordination AND o.quarantined_at IS NULL
      AND s.agents IS NOT NULL
      AND (o.status <> 'assigned' OR {_READY})
    ORDER BY o.updated_at LIMIT $5
) t
"""
