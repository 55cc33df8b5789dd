"""SQL of runs: what is frozen, sent, heard, called and settled."""

from app.kernel.errors import Unavailable
from app.kernel.writes import Write

ENDED = Unavailable("this turn was ended meanwhile; nothing of it counts")

# The notification is locked, so that one attempt settles it; an attempt that was fenced out finds nothing. The profiles are the
# agent's own and those to try after it; the directories are the task's worktree and the agent's workspace, where these are there.
NOTIFICATION = """
SELECT n.id, n.type, n.task_id, n.message_id, n.actor_kind, n.actor_id, n.status_from, n.caused_by_type, n.title, n.body,
    n.depth, n.state, n.reason, n.taken_at, k.spent, a.id AS agent_id, a.slug, a.name, a.role, a.retired_at, s.id AS session_id,
    s.key AS session_key, c.name AS account_name, c.settings::text AS settings, callboard_now() AS now,
    d.prompt, d.asks, d.silences, d.seen,
    (SELECT json_agg(json_build_object('name', x.name, 'adapter', x.adapter, 'url', x.url, 'settings', x.settings,
            'timeout_seconds', x.timeout_seconds) ORDER BY x.id <> p.id, array_position(p.failover, x.name))
        FROM executor_profiles p
        JOIN executor_profiles x ON x.account_id = $1 AND (x.id = p.id OR x.name = ANY(p.failover))
        WHERE p.account_id = $1 AND p.id = a.profile_id)::text AS profiles,
    (SELECT extract(epoch FROM t.lease_until - callboard_now())::float8 FROM tasks t
     WHERE t.account_id = $1 AND t.id = n.task_id AND t.lease_agent_id = n.recipient_id) AS lease_left,
    array_remove(ARRAY[
        (SELECT w.path FROM task_worktrees w WHERE w.account_id = $1 AND w.task_id = n.task_id AND w.removed_at IS NULL
            AND w.state IN ('ready', 'kept') ORDER BY w.id DESC LIMIT 1),
        (SELECT w.path FROM agent_workspaces w WHERE w.account_id = $1 AND w.agent_id = a.id AND w.state <> 'removed')
    ], NULL) AS directories,
    coalesce((SELECT w.gateway_id FROM agent_workspaces w WHERE w.account_id = $1 AND w.agent_id = a.id), a.slug) AS gateway_id
FROM notifications n
JOIN accounts c ON c.id = n.account_id
JOIN agents a ON a.account_id = n.account_id AND a.id = n.recipient_id
JOIN agent_sessions s ON s.account_id = n.account_id AND s.id = $3
JOIN runtime_commands k ON k.account_id = n.account_id AND k.id = $4 AND k.attempt = $5 AND k.state = 'running'
LEFT JOIN deliveries d ON d.account_id = n.account_id AND d.notification_id = n.id
WHERE n.account_id = $1 AND n.id = $2
FOR UPDATE OF n
"""
# The rounds of one asking, each with what its calls gave; the request of one that was answered is needed no more.
ROUNDS = """
SELECT r.round, r.profile, r.adapter, CASE WHEN r.answered_at IS NULL THEN r.request END AS request, r.sends,
    r.failed_over::text AS failed_over, r.answer, r.answer_status, r.answer_type,
    (SELECT coalesce(json_agg(json_build_object('status', c.status, 'output', c.result) ORDER BY c.index), '[]')
        FROM delivery_calls c WHERE c.account_id = $1 AND c.notification_id = $2 AND c.ask = $3 AND c.round = r.round
    )::text AS results
FROM delivery_rounds r WHERE r.account_id = $1 AND r.notification_id = $2 AND r.ask = $3 ORDER BY r.round
"""
RUNS = "SELECT true FROM runtime_commands WHERE account_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'"
# Locked, so that it is not replayed while its notification is ended.
GIVEN_UP = """
SELECT spent, attempt = $3 AND state IN ('dead_lettered', 'failed_terminal', 'canceled') AS is_given_up FROM runtime_commands
WHERE account_id = $1 AND id = $2 FOR SHARE
"""
# Of several that would end it only the first does.
WAITING = "SELECT true FROM notifications WHERE account_id = $1 AND id = $2 AND state = 'queued' FOR UPDATE"
# From now on nothing merges into it; `$3` is why it is delivered, where that is not known.
TAKE = Write(
    "notification_taken",
    """notification_taken AS (
        UPDATE notifications SET taken_at = coalesce(taken_at, callboard_now()), reason = coalesce($3, reason)
        WHERE account_id = $1 AND id = $2 AND state = 'queued' RETURNING 1
    )""",
)
# What an attempt does counts only as long as it runs: one that was taken for dead does nothing any more.
STILL_RUNS = Write(
    "still_runs",
    """still_runs AS (
        SELECT 1 FROM runtime_commands WHERE account_id = $1 AND id = $2 AND attempt = $3 AND state = 'running' FOR SHARE
    )""",
    rank=-1,
    short=ENDED,
)
FREEZE = Write(
    "delivery_frozen",
    """delivery_frozen AS (
        INSERT INTO deliveries (account_id, notification_id, session_id, prompt, template_version, template_source, digest, size,
            seen, asks, silences, rendered_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, callboard_now()) RETURNING 1
    )""",
)
# A call outside that is made again keeps its frozen request; only the attempt that runs may make one.
SEND = Write(
    "round_sent",
    """round_sent AS (
        INSERT INTO delivery_rounds AS r (account_id, notification_id, ask, round, profile, adapter, request, sends, sent_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, 1, callboard_now() FROM runtime_commands k
        WHERE k.account_id = $1 AND k.id = $8 AND k.attempt = $9 AND k.state = 'running'
        ON CONFLICT (account_id, notification_id, ask, round) DO UPDATE SET sends = r.sends + 1, sent_at = excluded.sent_at
        RETURNING 1
    )""",
    short=ENDED,
)
# Another profile is asked instead; what was answered stays.
FAIL_OVER = Write(
    "round_failed_over",
    """round_failed_over AS (
        UPDATE delivery_rounds SET profile = $6, adapter = $7, request = $8, failed_over = $9::text::jsonb, sends = sends + 1,
            sent_at = callboard_now()
        WHERE account_id = $1 AND notification_id = $2 AND ask = $3 AND round = $4 AND sends = $5 AND answered_at IS NULL
        RETURNING 1
    )""",
    short=ENDED,
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
# Each call has one result, written by the attempt that runs.
KEEP_RESULTS = Write(
    "results_kept",
    """results_kept AS (
        INSERT INTO delivery_calls (account_id, notification_id, ask, round, index, call_id, name, arguments, status, result,
            called_at)
        SELECT $1, r.notification_id, r.ask, r.round, r.index, r.call_id, r.name, r.arguments, r.status, r.result, callboard_now()
        FROM json_to_recordset($2::json) AS r (notification_id uuid, ask smallint, round smallint, index smallint, call_id text,
            name text, arguments text, status smallint, result text, command_id uuid, attempt int)
        JOIN runtime_commands k ON k.account_id = $1 AND k.id = r.command_id AND k.attempt = r.attempt AND k.state = 'running'
        ON CONFLICT DO NOTHING RETURNING 1
    )""",
    short=ENDED,
)
# The next attempt asks anew; what was asked before and answered with nothing stays to be looked at.
ASK_ANEW = Write(
    "asked_anew",
    """asked_anew AS (
        UPDATE deliveries SET asks = asks + 1, silences = silences + 1
        WHERE account_id = $1 AND notification_id = $2 AND asks = $3 RETURNING 1
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
