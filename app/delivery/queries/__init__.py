"""SQL of deliveries."""

from app.tasks.queries.evidence import CRITERIA_FIELDS
from app.tasks.queries.handoffs import BRIEFED_FIELDS
from app.tasks.queries.worktrees import WORKTREE_FIELDS
from app.usage.queries import REASON_FIELDS

CREW = """
SELECT a.id, a.slug, a.name, a.role, a.flags::text AS flags, a.reach AS kind, coalesce(x.is_assigned, false) AS is_assigned,
    coalesce(x.has_acted, false) AS has_acted, s.principal_id IS NOT NULL AS is_subscribed
FROM agents a
LEFT JOIN (SELECT agent_id, bool_or(removed_at IS NULL) AS is_assigned, bool_or(acted_at IS NOT NULL) AS has_acted
           FROM task_assignees WHERE account_id = $1 AND task_id = $2 AND agent_id IS NOT NULL GROUP BY agent_id
          ) x ON x.agent_id = a.id
LEFT JOIN task_subscribers s ON s.account_id = $1 AND s.task_id = $2 AND s.principal_id = a.id
WHERE a.account_id = $1 AND a.retired_at IS NULL ORDER BY a.slug
"""
TASK = f"""
SELECT t.id, t.title, t.description, t.status, t.priority, t.labels, t.due_at, t.blocked_reason, t.version, t.is_coordination,
    t.quarantined_at,
    (SELECT p.name FROM people p WHERE p.account_id = $1 AND p.removed_at IS NULL AND p.id = coalesce(
        (SELECT m.author_id FROM messages m WHERE m.account_id = $1 AND m.task_id = $2 AND m.author_kind = 'person'
         ORDER BY m.position DESC LIMIT 1),
        CASE WHEN t.created_by_kind = 'person' THEN t.created_by_id END)) AS person_to_ask,
    t.message_count AS messages,
    {BRIEFED_FIELDS}, {CRITERIA_FIELDS}, {WORKTREE_FIELDS},
    (SELECT row_to_json(r) FROM repositories r WHERE r.account_id = $1
       AND CASE WHEN t.repository_id IS NULL THEN r.is_primary ELSE r.id = t.repository_id END)::text AS repository
FROM tasks t WHERE t.account_id = $1 AND t.id = $2
"""
THREAD = """
SELECT id, author_kind, author_name, content, created_at FROM messages
WHERE account_id = $1 AND task_id = $2 ORDER BY position DESC LIMIT $3
"""
MESSAGE = "SELECT id, author_kind, author_name, content, created_at FROM messages WHERE account_id = $1 AND id = $2"

_SHOWN = f"""SELECT n.id, n.type, n.state, {REASON_FIELDS} AS reason, n.recipient_id AS agent_id, a.slug AS agent_slug, n.task_id,
    t.title AS task_title, n.title, n.attempts, n.merged, n.depth, n.cause_id, n.command_id, n.created_at, n.taken_at, n.ended_at,
    k.state AS command_status, k.last_error_class, k.last_error_message AS last_error,
    CASE WHEN n.state = 'queued' AND k.state IN ('queued', 'retry_scheduled') THEN k.run_at END AS next_at,
    r.calls_outside, r.input_tokens, r.output_tokens, r.cost_usd,
    (SELECT count(*) FROM delivery_calls x WHERE x.account_id = $1 AND x.notification_id = n.id) AS tool_calls"""
_BESIDE = """JOIN agents a ON a.account_id = $1 AND a.id = n.recipient_id
LEFT JOIN tasks t ON t.account_id = $1 AND t.id = n.task_id
LEFT JOIN runtime_commands k ON k.account_id = $1 AND k.id = n.command_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(x.sends), 0)::int8 AS calls_outside,
        coalesce(sum((x.usage ->> 'input_tokens')::int8), 0)::int8 AS input_tokens,
        coalesce(sum((x.usage ->> 'output_tokens')::int8), 0)::int8 AS output_tokens, sum(x.cost_usd) AS cost_usd
    FROM delivery_rounds x WHERE x.account_id = $1 AND x.notification_id = n.id
) r"""
# `$2` where the page starts, `$3` agents or all, `$4` states, `$5` a type, `$6` the size: one short walk of the index each.
PAGE_OF_AGENTS = f"""
WITH page AS (
    SELECT k.id FROM agents a CROSS JOIN unnest($4::text[]) AS s (state) CROSS JOIN LATERAL (
        SELECT n.id FROM notifications n
        WHERE n.account_id = $1 AND n.recipient_id = a.id AND n.state = s.state AND n.id < $2
          AND ($5::text IS NULL OR n.type = $5)
        ORDER BY n.id DESC LIMIT $6
    ) k
    WHERE a.account_id = $1 AND ($3::uuid[] IS NULL OR a.id = ANY($3)) ORDER BY k.id DESC LIMIT $6
)
{_SHOWN} FROM page p JOIN notifications n ON n.account_id = $1 AND n.id = p.id {_BESIDE} ORDER BY p.id DESC
"""
# The same of the task `$7`.
PAGE_OF_TASK = f"""
WITH page AS (
    SELECT n.id FROM notifications n
    WHERE n.account_id = $1 AND n.task_id = $7 AND n.recipient_kind = 'agent' AND n.id < $2 AND n.state = ANY($4::text[])
      AND ($3::uuid[] IS NULL OR n.recipient_id = ANY($3)) AND ($5::text IS NULL OR n.type = $5)
    ORDER BY n.id DESC LIMIT $6
)
{_SHOWN} FROM page p JOIN notifications n ON n.account_id = $1 AND n.id = p.id {_BESIDE} ORDER BY p.id DESC
"""
DETAIL = f"""
{_SHOWN}, d.template_version, d.template_source, d.digest, d.size, d.outcome,
    (SELECT coalesce(json_agg(json_build_object('attempt', t.attempt, 'outcome', t.outcome, 'error_class', t.error_class,
            'error', t.error_message, 'started_at', t.started_at, 'finished_at', t.completed_at) ORDER BY t.attempt), '[]')
        FROM (SELECT * FROM runtime_command_attempts WHERE account_id = $1 AND command_id = n.command_id
              ORDER BY attempt DESC LIMIT 200) t)::text AS attempted,
    (SELECT coalesce(json_agg(json_build_object('ask', x.ask, 'round', x.round, 'profile', x.profile, 'adapter', x.adapter,
            'sends', x.sends, 'failed_over', x.failed_over, 'answer_status', x.answer_status, 'usage', x.usage,
            'cost_usd', x.cost_usd::text, 'seconds', x.seconds, 'sent_at', x.sent_at, 'answered_at', x.answered_at, 'calls',
            (SELECT coalesce(json_agg(json_build_object('index', c.index, 'call_id', c.call_id, 'name', c.name,
                    'arguments', c.arguments, 'status', c.status, 'result', c.result, 'called_at', c.called_at)
                    ORDER BY c.index), '[]') FROM delivery_calls c
             WHERE c.account_id = $1 AND c.notification_id = n.id AND c.ask = x.ask AND c.round = x.round))
            ORDER BY x.ask, x.round), '[]')
        FROM delivery_rounds x WHERE x.account_id = $1 AND x.notification_id = n.id)::text AS rounds
FROM notifications n {_BESIDE} LEFT JOIN deliveries d ON d.account_id = $1 AND d.notification_id = n.id
WHERE n.account_id = $1 AND n.id = $2 AND n.recipient_kind = 'agent'
"""
SENT = """
SELECT prompt, template_version, template_source, digest, size, rendered_at FROM deliveries
WHERE account_id = $1 AND notification_id = $2
"""
# At most `$5` bytes of each.
RAW = """
SELECT r.answer_status, r.answer_type, s.key AS session_key,
    substring(r.request FROM 1 FOR $5::int) AS request, substring(r.answer FROM 1 FOR $5::int) AS answer,
    greatest(octet_length(r.request), octet_length(r.answer)) > $5::int AS is_cut
FROM delivery_rounds r JOIN deliveries d ON d.account_id = $1 AND d.notification_id = $2
JOIN agent_sessions s ON s.account_id = $1 AND s.id = d.session_id
WHERE r.account_id = $1 AND r.notification_id = $2 AND r.ask = $3 AND r.round = $4
"""
# The situation of a notification outside of any attempt.
EXPLAINED = """
SELECT n.id, n.type, n.task_id, n.message_id, n.actor_kind, n.actor_id, n.status_from, n.caused_by_type, n.title, n.body, n.depth,
    n.state, n.reason, a.id AS agent_id, a.slug, a.name, a.role, a.retired_at, c.name AS account_name,
    c.settings::text AS settings, callboard_now() AS now, d.prompt
FROM notifications n JOIN accounts c ON c.id = n.account_id
JOIN agents a ON a.account_id = n.account_id AND a.id = n.recipient_id
LEFT JOIN deliveries d ON d.account_id = n.account_id AND d.notification_id = n.id
WHERE n.account_id = $1 AND n.id = $2
"""
# What an operator moves, held so that it does not come to its end meanwhile.
STEERED = """
SELECT n.id, n.state, n.attempts, k.id AS command_id, k.state AS command_state, k.spent, l.id AS letter_id
FROM notifications n LEFT JOIN runtime_commands k ON k.account_id = $1 AND k.id = n.command_id
LEFT JOIN runtime_dead_letters l ON l.account_id = $1 AND l.command_id = n.command_id
WHERE n.account_id = $1 AND n.id = $2 AND n.recipient_kind = 'agent' FOR UPDATE OF n
"""
GIVEN_UP_LETTERS = """
SELECT l.id FROM agents a CROSS JOIN unnest(ARRAY['dead', 'expired']) AS s (state)
JOIN notifications n ON n.account_id = $1 AND n.recipient_id = a.id AND n.state = s.state
JOIN runtime_dead_letters l ON l.account_id = $1 AND l.command_id = n.command_id AND l.state = 'open'
WHERE a.account_id = $1 AND ($2::uuid IS NULL OR a.id = $2) AND ($3::uuid IS NULL OR n.task_id = $3)
  AND ($4::text IS NULL OR l.reason_class = $4)
ORDER BY l.id LIMIT $5
"""
