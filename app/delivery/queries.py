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
