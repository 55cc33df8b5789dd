"""SQL of `next`, what one agent should do now, and of what lies around a task."""

from app.agents.queries import KEY_ON_TASK
from app.notifications.queries import ACKNOWLEDGE
from app.tasks.queries import READY as _READY
from app.tasks.queries import SCENE_READ
from app.usage.queries import REASON_FIELDS

_UTC = """to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_FREE = "(o.lease_until IS NULL OR o.lease_until <= callboard_now())"
# All that a worker may be shown, in one statement: `$3` are acknowledged, and one notification is offered that was not for `$4`
# seconds, oldest first; two calls at once offer two. Tasks are only looked for where none is offered and the agent has room; `$5`
# are passed over.
NEXT = f"""
WITH me AS (
    SELECT a.id, a.slug, a.name, a.role, a.flags::text AS flags, a.reach, a.capacity, c.settings::text AS settings,
        coalesce((c.settings ->> 'open_pool')::boolean, false) AS is_open
    FROM agents a JOIN accounts c ON c.id = a.account_id WHERE a.account_id = $1 AND a.id = $2
), held AS (
    SELECT h.id, h.lease_kind, h.lease_fence, h.lease_until FROM tasks h
    WHERE h.account_id = $1 AND h.lease_agent_id = $2 AND h.lease_until > callboard_now()
), {ACKNOWLEDGE.sql}, waiting AS (
    SELECT n.id FROM notifications n
    WHERE n.account_id = $1 AND n.recipient_id = $2 AND n.state = 'queued' AND n.command_id IS NULL AND n.id <> ALL($3)
      AND (n.offered_at IS NULL OR n.offered_at <= callboard_now() - make_interval(secs => $4))
      AND (SELECT reach FROM me) = 'pull'
    ORDER BY n.id LIMIT 1 FOR UPDATE SKIP LOCKED
), offered AS (
    UPDATE notifications n SET offered_at = callboard_now(), taken_at = coalesce(n.taken_at, callboard_now()),
        attempts = n.attempts + 1
    FROM waiting w WHERE n.account_id = $1 AND n.id = w.id
    RETURNING n.id, n.type, n.task_id, n.message_id, n.title, n.body, n.created_at
), room AS (
    SELECT (SELECT count(*) FROM held) < me.capacity AND NOT EXISTS (SELECT 1 FROM offered) AS is_free FROM me
)
SELECT me.*, room.is_free,
    (SELECT coalesce(json_agg(json_build_object('task_id', h.id, 'kind', h.lease_kind, 'fence', h.lease_fence,
            'until', {_UTC.format(time="h.lease_until")}) ORDER BY h.lease_until), '[]') FROM held h)::text AS held,
    offered.id AS notice_id, offered.type, offered.task_id, offered.message_id, offered.title, offered.body, offered.created_at,
    (SELECT count(*) FROM messages u WHERE u.account_id = $1 AND u.task_id = offered.task_id AND u.author_id IS DISTINCT FROM $2
        AND u.position > coalesce((SELECT p.seen FROM thread_positions p
            WHERE p.account_id = $1 AND p.task_id = offered.task_id AND p.agent_id = $2), 0)) AS unread,
    own.id AS own_id, own.status AS own_status, pool.id AS pool_id
FROM me CROSS JOIN room LEFT JOIN offered ON true
LEFT JOIN LATERAL (
    SELECT o.id, o.status FROM task_assignees x JOIN tasks o ON o.account_id = x.account_id AND o.id = x.task_id
    WHERE room.is_free AND x.account_id = $1 AND x.agent_id = $2 AND x.removed_at IS NULL AND NOT x.is_closed AND {_FREE}
      AND o.quarantined_at IS NULL
      AND (o.status = 'in_progress' OR o.status = 'assigned' AND {_READY}) AND o.id <> ALL($5::uuid[])
    ORDER BY (o.status = 'in_progress') DESC, o.priority, o.id LIMIT 1
) own ON true
LEFT JOIN LATERAL (
    SELECT o.id FROM tasks o
    WHERE room.is_free AND me.is_open AND own.id IS NULL
      AND o.account_id = $1 AND o.status = 'inbox' AND NOT o.is_coordination AND o.quarantined_at IS NULL AND {_READY}
      AND o.id <> ALL($5::uuid[])
    ORDER BY o.priority, o.id LIMIT 1
) pool ON true
"""
_STUCK = """(o.status = 'blocked'
        OR o.status IN ('review', 'in_progress', 'assigned') AND NOT EXISTS (
            SELECT 1 FROM task_assignees x WHERE x.account_id = $1 AND x.task_id = o.id AND x.removed_at IS NULL)
        OR o.status = 'in_progress' AND (o.lease_until IS NULL OR o.lease_until <= callboard_now() - make_interval(secs => $3))
            AND NOT EXISTS (SELECT 1 FROM task_assignees x
                WHERE x.account_id = $1 AND x.task_id = o.id AND x.person_id IS NOT NULL AND x.removed_at IS NULL))"""
# What those look after who review or lead (`$2`): tasks in review that nobody holds, with who worked on them and may be barred,
# the first that nobody is on, and the first that nobody has moved for `$3` seconds: blocked, unowned, or begun and dropped.
OFFICE = f"""
WITH review AS (
    SELECT o.id, o.priority FROM tasks o WHERE o.account_id = $1 AND o.status = 'review' AND o.quarantined_at IS NULL AND {_FREE}
    ORDER BY o.priority, o.id LIMIT 200
), unassigned AS (
    SELECT o.id FROM tasks o
    WHERE $2 AND o.account_id = $1 AND o.status = 'inbox' AND NOT o.is_coordination AND o.quarantined_at IS NULL
    ORDER BY o.priority, o.id LIMIT 1
)
SELECT
    (SELECT coalesce(json_agg(json_build_object('id', r.id, 'acted', ARRAY(SELECT x.agent_id FROM task_assignees x
            WHERE x.account_id = $1 AND x.task_id = r.id AND x.agent_id IS NOT NULL AND x.acted_at IS NOT NULL))
            ORDER BY r.priority, r.id), '[]') FROM review r)::text AS review,
    (SELECT coalesce(json_agg(json_build_object(
            'id', a.id, 'slug', a.slug, 'name', a.name, 'role', a.role, 'flags', a.flags)), '[]')
        FROM agents a WHERE EXISTS (SELECT 1 FROM review) AND a.account_id = $1 AND a.retired_at IS NULL)::text AS crew,
    (SELECT id FROM unassigned) AS unassigned,
    (SELECT o.id FROM tasks o
        WHERE $2 AND NOT EXISTS (SELECT 1 FROM unassigned) AND o.account_id = $1 AND NOT o.is_coordination
          AND o.quarantined_at IS NULL AND o.status IN ('blocked', 'review', 'in_progress', 'assigned')
          AND o.updated_at <= callboard_now() - make_interval(secs => $3) AND {_STUCK}
        ORDER BY o.priority, o.id LIMIT 1) AS stuck
"""
# A task as the caller is shown it, with the key of its own session there.
SHOWN = f"SELECT w.*, ({KEY_ON_TASK}) AS session_key FROM ({SCENE_READ}) w"
# Around a task: what each agent holds, the first that waits for each or else the last that it was told, and people, those on it
# first.
AROUND = f"""
SELECT
    (SELECT coalesce(json_agg(json_build_object('agent_id', h.lease_agent_id, 'task_id', h.id, 'title', h.title,
            'until', {_UTC.format(time="h.lease_until")}) ORDER BY h.lease_until), '[]') FROM tasks h
        WHERE h.account_id = $1 AND h.lease_agent_id IS NOT NULL AND h.lease_until > callboard_now())::text AS in_hand,
    (SELECT coalesce(json_agg(json_build_object('agent_id', a.id, 'id', n.id, 'type', n.type, 'state', n.state,
            'reason', {REASON_FIELDS}, 'error_class', k.last_error_class,
            'paused_since', (SELECT {_UTC.format(time="min(p.created_at)")} FROM runtime_pauses p WHERE p.account_id = $1
                AND (p.kind = 'all' OR p.kind = 'type' AND p.name = k.type OR p.kind = 'queue' AND p.name = k.queue)),
            'next_at', CASE WHEN k.state = 'retry_scheduled' THEN {_UTC.format(time="k.run_at")} END,
            'created_at', {_UTC.format(time="n.created_at")}, 'offered_at', {_UTC.format(time="n.offered_at")},
            'gateway_offline_since', (SELECT {_UTC.format(time="g.changed_at")} FROM gateway_presence g
                WHERE g.account_id = $1 AND g.profile_id = a.profile_id AND g.state = 'offline'),
            'ended_at', {_UTC.format(time="n.ended_at")})), '[]')
        FROM agents a CROSS JOIN LATERAL (SELECT * FROM notifications o
            WHERE o.account_id = $1 AND o.task_id = $2 AND o.recipient_id = a.id
            ORDER BY o.state <> 'queued', CASE o.state WHEN 'queued' THEN o.id END, o.id DESC LIMIT 1) n
        LEFT JOIN runtime_commands k ON k.account_id = $1 AND k.id = n.command_id
        WHERE a.account_id = $1)::text AS told,
    (SELECT coalesce(json_agg(p), '[]') FROM (SELECT p.id, p.email, p.name, p.role FROM people p
        LEFT JOIN task_assignees x ON x.account_id = $1 AND x.task_id = $2 AND x.person_id = p.id AND x.removed_at IS NULL
        WHERE p.account_id = $1 AND p.removed_at IS NULL AND p.role <> 'viewer'
        ORDER BY (x.id IS NULL), array_position(ARRAY['owner', 'admin', 'member'], p.role), p.id LIMIT $3) p)::text AS people,
    (SELECT e.at FROM events e WHERE e.account_id = $1 AND e.entity_kind = 'task' AND e.entity_id = $2
        AND e.payload ->> 'from' IS DISTINCT FROM e.payload ->> 'to' ORDER BY e.seq DESC LIMIT 1) AS since
"""
# The same around several tasks: what each agent holds, and people by their role.
AROUND_ALL = f"""
SELECT
    (SELECT coalesce(json_agg(json_build_object('agent_id', h.lease_agent_id, 'task_id', h.id, 'title', h.title,
            'until', {_UTC.format(time="h.lease_until")}) ORDER BY h.lease_until), '[]') FROM tasks h
        WHERE h.account_id = $1 AND h.lease_agent_id IS NOT NULL AND h.lease_until > callboard_now())::text AS in_hand,
    (SELECT coalesce(json_agg(p), '[]') FROM (SELECT p.id, p.email, p.name, p.role FROM people p
        WHERE p.account_id = $1 AND p.removed_at IS NULL AND p.role <> 'viewer'
        ORDER BY array_position(ARRAY['owner', 'admin', 'member'], p.role), p.id LIMIT $2) p)::text AS people
"""
