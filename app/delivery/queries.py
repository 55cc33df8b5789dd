"""SQL of deliveries."""

from app.kernel.writes import Write
from app.tasks.queries.evidence import CRITERIA_FIELDS
from app.tasks.queries.handoffs import BRIEFED_FIELDS

# The notification is locked, so that one attempt settles it; an attempt that was fenced out finds nothing.
NOTIFICATION = """
SELECT n.id, n.type, n.task_id, n.message_id, n.actor_kind, n.actor_id, n.status_from, n.caused_by_type, n.title, n.body,
    n.depth, n.state, n.reason, k.spent,
    a.id AS agent_id, a.slug, a.name, a.role, a.retired_at, s.key AS session_key, p.adapter, p.url AS profile_url,
    c.name AS account_name, c.settings::text AS settings, callboard_now() AS now,
    d.prompt, d.asks, d.silences, r.profile AS sent_by, r.request, r.sends, r.answer, r.answer_status, r.answer_type,
    (SELECT extract(epoch FROM t.lease_until - callboard_now())::float8 FROM tasks t
     WHERE t.account_id = $1 AND t.id = n.task_id AND t.lease_agent_id = n.recipient_id) AS lease_left
FROM notifications n
JOIN accounts c ON c.id = n.account_id
JOIN agents a ON a.account_id = n.account_id AND a.id = n.recipient_id
JOIN agent_sessions s ON s.account_id = n.account_id AND s.id = $3
JOIN runtime_commands k ON k.account_id = n.account_id AND k.id = $4 AND k.attempt = $5 AND k.state = 'running'
LEFT JOIN executor_profiles p ON p.account_id = a.account_id AND p.id = a.profile_id
LEFT JOIN deliveries d ON d.account_id = n.account_id AND d.notification_id = n.id
LEFT JOIN delivery_rounds r ON r.account_id = n.account_id AND r.notification_id = n.id AND r.ask = d.asks AND r.round = 0
WHERE n.account_id = $1 AND n.id = $2
FOR UPDATE OF n
"""
RUNS = "SELECT true FROM runtime_commands WHERE account_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'"
# Locked, so that it is not replayed while its notification is ended.
GIVEN_UP = """
SELECT spent, attempt = $3 AND state IN ('dead_lettered', 'failed_terminal', 'canceled') AS is_given_up FROM runtime_commands
WHERE account_id = $1 AND id = $2 FOR SHARE
"""
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
    (SELECT p.name FROM people p WHERE p.account_id = $1 AND p.removed_at IS NULL AND p.id = coalesce(
        (SELECT m.author_id FROM messages m WHERE m.account_id = $1 AND m.task_id = $2 AND m.author_kind = 'person'
         ORDER BY m.id DESC LIMIT 1),
        CASE WHEN t.created_by_kind = 'person' THEN t.created_by_id END)) AS person_to_ask,
    (SELECT count(*) FROM messages m WHERE m.account_id = $1 AND m.task_id = $2) AS messages,
    {BRIEFED_FIELDS}, {CRITERIA_FIELDS}
FROM tasks t WHERE t.account_id = $1 AND t.id = $2
"""
THREAD = """
SELECT id, author_kind, author_name, content, created_at FROM messages
WHERE account_id = $1 AND task_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4
"""
MESSAGE = "SELECT id, author_kind, author_name, content, created_at FROM messages WHERE account_id = $1 AND id = $2"
GROUND = """
SELECT (SELECT row_to_json(r) FROM repositories r WHERE r.account_id = $1 AND r.is_primary)::text AS repository,
    (SELECT d.content FROM documents d WHERE d.account_id = $1 AND d.slug = 'repository' AND d.deleted_at IS NULL) AS notes,
    (SELECT d.content FROM documents d WHERE d.account_id = $1 AND d.slug = 'briefing' AND d.deleted_at IS NULL) AS briefing
"""
FREEZE = Write(
    "delivery_frozen",
    """delivery_frozen AS (
        INSERT INTO deliveries (account_id, notification_id, session_id, prompt, template_version, template_source, digest, size,
            seen, asks, silences, rendered_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, callboard_now()) RETURNING 1
    )""",
)
# A call that is made again keeps its frozen request.
SEND = Write(
    "round_sent",
    """round_sent AS (
        INSERT INTO delivery_rounds AS r (account_id, notification_id, ask, round, profile, adapter, request, sends, sent_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 1, callboard_now())
        ON CONFLICT (account_id, notification_id, ask, round) DO UPDATE SET sends = r.sends + 1, sent_at = excluded.sent_at
        RETURNING 1
    )""",
)
# Only the latest send may answer, so that a worker that was taken for dead writes nothing.
KEEP_ANSWER = Write(
    "answer_kept",
    """answer_kept AS (
        UPDATE delivery_rounds SET answer = $6, answer_status = $7, answer_type = $8, usage = $9::text::jsonb, cost_usd = $10,
            seconds = $11, answered_at = callboard_now()
        WHERE account_id = $1 AND notification_id = $2 AND ask = $3 AND round = $4 AND sends = $5 AND answered_at IS NULL
        RETURNING 1
    )""",
)
# The next attempt asks anew; what was asked before and answered with nothing stays to be looked at.
COUNT_SILENCE = Write(
    "silence_counted",
    """silence_counted AS (
        UPDATE deliveries SET asks = asks + 1, silences = silences + 1
        WHERE account_id = $1 AND notification_id = $2 AND silences = $3 RETURNING 1
    )""",
)
SETTLE = Write(
    "delivery_settled",
    """delivery_settled AS (
        UPDATE deliveries SET settled_at = callboard_now(), outcome = $3
        WHERE account_id = $1 AND notification_id = $2 RETURNING 1
    )""",
)
# The silences of before count no more.
FORGET_SILENCE = Write(
    "silence_forgotten",
    """silence_forgotten AS (
        UPDATE deliveries SET silences = 0 WHERE account_id = $1 AND notification_id = ANY($2) AND silences > 0 RETURNING 1
    )""",
)

_SHOWN = """SELECT n.id, n.type, n.state, n.reason, n.recipient_id AS agent_id, a.slug AS agent_slug, n.task_id, t.title AS task_title,
    n.title, n.attempts, n.merged, n.depth, n.cause_id, n.command_id, n.created_at, n.taken_at, n.ended_at,
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
# What an operator moves: the command before its notification, which is the order in which a worker takes them.
STEERED = """
SELECT n.id, n.state, n.attempts, k.id AS command_id, k.state AS command_state, k.spent, l.id AS letter_id
FROM notifications n LEFT JOIN runtime_commands k ON k.account_id = $1 AND k.id = n.command_id
LEFT JOIN runtime_dead_letters l ON l.account_id = $1 AND l.command_id = n.command_id
WHERE n.account_id = $1 AND n.id = $2 AND n.recipient_kind = 'agent'
"""
GIVEN_UP_LETTERS = """
SELECT l.id FROM agents a CROSS JOIN unnest(ARRAY['dead', 'expired']) AS s (state)
JOIN notifications n ON n.account_id = $1 AND n.recipient_id = a.id AND n.state = s.state
JOIN runtime_dead_letters l ON l.account_id = $1 AND l.command_id = n.command_id AND l.state = 'open'
WHERE a.account_id = $1 AND ($2::uuid IS NULL OR a.id = $2) AND ($3::uuid IS NULL OR n.task_id = $3)
  AND ($4::text IS NULL OR l.reason_class = $4)
ORDER BY l.id LIMIT $5
"""
