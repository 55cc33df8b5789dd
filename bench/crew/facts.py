"""What the database must say when all is quiet: each of these counts something wrong."""

from app.kernel.wake import WORK

FACTS = {
    "notifications of agents without an end": """
        SELECT count(*) FROM notifications WHERE recipient_kind = 'agent' AND state = 'queued'""",
    "deliveries whose ends in the log do not fit": """
        SELECT count(*) FROM notifications n WHERE recipient_kind = 'agent' AND command_id IS NOT NULL
          AND (reason IS NULL OR reason NOT IN ('task_archived', 'agent_retired', 'quarantined')) AND 1 <> (
            SELECT count(*) FILTER (WHERE type = 'notify:notification:ended')
                 - count(*) FILTER (WHERE type = 'notify:notification:reopened')
            FROM events e WHERE e.account_id = n.account_id AND e.entity_kind = 'notification' AND e.entity_id = n.id)""",
    "ends that the log tells otherwise": """
        SELECT count(*) FROM notifications n CROSS JOIN LATERAL (
            SELECT e.payload ->> 'state' AS state FROM events e WHERE e.account_id = n.account_id
              AND e.entity_kind = 'notification' AND e.entity_id = n.id AND e.type = 'notify:notification:ended'
            ORDER BY e.seq DESC LIMIT 1) l WHERE n.recipient_kind = 'agent' AND l.state <> n.state""",
    "notifications that ended without a time": """
        SELECT count(*) FROM notifications WHERE recipient_kind = 'agent' AND (state = 'queued') <> (ended_at IS NULL)""",
    "runs that replied without exactly one message": """
        SELECT count(*) FROM deliveries d WHERE d.outcome = 'replied' AND 1 <> (
            SELECT count(*) FROM messages m
            WHERE m.account_id = d.account_id AND m.source_notification_id = d.notification_id)""",
    "answers of runs that did not reply": """
        SELECT count(*) FROM messages m JOIN deliveries d
          ON d.account_id = m.account_id AND d.notification_id = m.source_notification_id
        WHERE d.outcome IS DISTINCT FROM 'replied'""",
    "delivered runs that were not settled": """
        SELECT count(*) FROM notifications n JOIN deliveries d ON d.account_id = n.account_id AND d.notification_id = n.id
        WHERE (n.state IN ('delivered', 'no_response')) <> (d.settled_at IS NOT NULL) AND n.command_id IS NOT NULL""",
    "answered rounds without exactly one record of usage": """
        SELECT count(*) FROM delivery_rounds r WHERE (r.answered_at IS NOT NULL)::int <> (SELECT count(*) FROM usage_records u
            WHERE u.account_id = r.account_id AND u.run_id = r.notification_id AND u.ask = r.ask AND u.round = r.round)""",
    "records of usage without a round": """
        SELECT count(*) FROM usage_records u WHERE NOT EXISTS (SELECT FROM delivery_rounds r WHERE r.account_id = u.account_id
            AND r.notification_id = u.run_id AND r.ask = u.ask AND r.round = u.round AND r.answered_at IS NOT NULL)""",
    "rounds that began before the one before was answered": """
        SELECT count(*) FROM delivery_rounds r WHERE r.round > 0 AND NOT EXISTS (SELECT FROM delivery_rounds b
            WHERE b.account_id = r.account_id AND b.notification_id = r.notification_id AND b.ask = r.ask
              AND b.round = r.round - 1 AND b.answered_at <= r.sent_at)""",
    "budgets that are not what their records say": """
        SELECT count(*) FROM budgets b CROSS JOIN LATERAL (
            SELECT CASE b.unit WHEN 'usd' THEN coalesce(sum(u.cost_usd), 0) WHEN 'runs' THEN count(DISTINCT u.run_id)
                ELSE coalesce(sum(u.input_tokens + u.output_tokens), 0) END AS used
            FROM usage_records u WHERE u.account_id = b.account_id AND b.scope_id IS NOT DISTINCT FROM
                CASE b.scope WHEN 'agent' THEN u.agent_id WHEN 'task' THEN u.task_id END) k
        WHERE b.spent <> k.used OR b.assumed <> 0""",
    "budgets that still reserve": "SELECT count(*) FROM budgets WHERE reserved <> 0",
    "reservations that are open": "SELECT count(*) FROM budget_reservations WHERE closed_at IS NULL",
    "reservations that are not what their records say": """
        SELECT count(*) FROM budget_reservations v JOIN budgets b ON b.account_id = v.account_id AND b.id = v.budget_id
        CROSS JOIN LATERAL (
            SELECT CASE b.unit WHEN 'usd' THEN coalesce(sum(u.cost_usd), 0) WHEN 'runs' THEN least(count(*), 1)
                ELSE coalesce(sum(u.input_tokens + u.output_tokens), 0) END AS used
            FROM usage_records u WHERE u.account_id = v.account_id AND u.run_id = v.run_id) k
        WHERE v.spent <> k.used""",
    "positions beyond their thread": """
        SELECT count(*) FROM thread_positions p JOIN tasks t ON t.account_id = p.account_id AND t.id = p.task_id
        WHERE p.seen > t.message_count""",
    "threads whose positions have gaps": """
        SELECT count(*) FROM tasks t WHERE (t.message_count, t.message_count) <> (SELECT count(*), coalesce(max(m.position), 0)
            FROM messages m WHERE m.account_id = t.account_id AND m.task_id = t.id)""",
    "commands that did not end": """
        SELECT count(*) FROM runtime_commands WHERE state IN ('queued', 'running', 'retry_scheduled', 'replay_requested', 'held')
          AND type NOT IN ('tasks.expire_lease', 'usage.extend') AND schedule_id IS NULL""",
    "attempts that did not end": """
        SELECT count(*) FROM runtime_command_attempts t JOIN runtime_commands c
          ON c.account_id = t.account_id AND c.id = t.command_id
        WHERE t.completed_at IS NULL AND c.state <> 'running'""",
    "lanes that did not come to rest": "SELECT count(*) FROM runtime_lanes WHERE state <> 'idle' OR done_seq <> last_seq",
    "slots of limits that are held": "SELECT count(*) FROM runtime_limits WHERE used <> 0",
    # One that a person skipped or stopped meanwhile is nobody's to deliver any more.
    "dead letters": """
        SELECT count(*) FROM runtime_dead_letters d WHERE d.state IN ('open', 'replaying') AND NOT EXISTS (
            SELECT FROM notifications n
            WHERE n.account_id = d.account_id AND n.command_id = d.command_id AND n.state = 'skipped')""",
    "gaps in the log": "SELECT max(seq) - count(*) FROM events",
    "secrets in events": "SELECT count(*) FROM events WHERE payload::text ~ '{secret}'",
    "secrets in prompts": "SELECT count(*) FROM deliveries WHERE convert_from(prompt, 'UTF8') ~ '{secret}'",
    "secrets in tool calls": "SELECT count(*) FROM delivery_calls WHERE arguments ~ '{secret}' OR result ~ '{secret}'",
    "secrets in what was said": "SELECT count(*) FROM messages WHERE content ~ '{secret}'",
    "secrets in notifications": "SELECT count(*) FROM notifications WHERE title ~ '{secret}' OR body ~ '{secret}'",
    "secrets in commands": """
        SELECT count(*) FROM runtime_commands WHERE concat(payload, result, last_error_message) ~ '{secret}'""",
    "secrets in errors": """
        SELECT count(*) FROM runtime_command_attempts WHERE concat(error_message, result_summary) ~ '{secret}'""",
}
SECRET = r"cb_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{20,}|cbs_[A-Za-z0-9_-]{16,}"

# Where the marks of tool calls and of people turn up, and how often.
EFFECTS = """
SELECT mark, count(*) FROM (
    SELECT substring(m.content FROM '(?:mark|word)[0-9a-f]{16}') AS mark FROM messages m
    UNION ALL SELECT substring(v.content FROM 'mark[0-9a-f]{16}') FROM document_versions v
    UNION ALL SELECT mark FROM (SELECT substring(e.payload::text FROM 'mark[0-9a-f]{16}') AS mark FROM events e
        WHERE e.type LIKE 'board:task:%') o
    UNION ALL SELECT mark FROM (SELECT DISTINCT n.event_id, substring(n.body FROM 'mark[0-9a-f]{16}') AS mark
        FROM notifications n WHERE n.type = 'response_request') r
) f WHERE mark IS NOT NULL GROUP BY mark
"""
CALLED = "SELECT arguments, status, name FROM delivery_calls"
ROUNDS = """
SELECT r.notification_id, r.ask, r.round, convert_from(r.answer, 'UTF8') AS answer, r.cost_usd, r.usage::text AS usage, u.model,
    u.input_tokens, u.output_tokens, u.cost_usd AS charged,
    (SELECT count(*) FROM delivery_calls c WHERE c.account_id = r.account_id AND c.notification_id = r.notification_id
        AND c.ask = r.ask AND c.round = r.round) AS made, d.outcome
FROM delivery_rounds r
JOIN usage_records u ON u.account_id = r.account_id AND u.run_id = r.notification_id AND u.ask = r.ask AND u.round = r.round
JOIN deliveries d ON d.account_id = r.account_id AND d.notification_id = r.notification_id
WHERE r.answered_at IS NOT NULL
"""
# Each message of a person, with each agent that was to hear it, what this was shown of the task, and why it was not.
HEARD = """
SELECT m.id, m.task_id, a.slug, substring(m.content FROM 'word[0-9a-f]{16}') AS mark, m.created_at,
    coalesce((SELECT bool_or(position(convert_to(substring(m.content FROM 'word[0-9a-f]{16}'), 'UTF8') IN d.prompt) > 0)
        FROM notifications n JOIN deliveries d ON d.account_id = n.account_id AND d.notification_id = n.id
        WHERE n.account_id = m.account_id AND n.task_id = m.task_id AND n.recipient_id = a.id), false) AS is_shown,
    EXISTS (SELECT FROM notifications n WHERE n.account_id = m.account_id AND n.task_id = m.task_id AND n.recipient_id = a.id
        AND n.state IN ('skipped', 'expired', 'dead') AND n.reason IS NOT NULL AND (n.message_id = m.id
        OR n.merged > 0 AND n.created_at <= m.created_at + interval '2 s' AND n.ended_at >= m.created_at - interval '2 s')
    ) AS is_excused
FROM messages m JOIN agents a ON a.account_id = m.account_id AND a.reach = 'gateway'
WHERE m.author_kind = 'person' AND m.content ~ 'word[0-9a-f]{16}' AND (
    EXISTS (SELECT FROM task_subscribers s WHERE s.account_id = m.account_id AND s.task_id = m.task_id AND s.principal_id = a.id
        AND s.created_at < m.created_at - interval '2 s')
    OR EXISTS (SELECT FROM notifications n WHERE n.account_id = m.account_id AND n.message_id = m.id AND n.recipient_id = a.id))
"""
LETTERS = """
SELECT c.type, d.reason_class, left(d.message, 120) AS message, count(*) FROM runtime_dead_letters d
JOIN runtime_commands c ON c.account_id = d.account_id AND c.id = d.command_id
WHERE d.state IN ('open', 'replaying') GROUP BY 1, 2, 3
"""
# Budgets that nobody edits: at no moment may more than one reservation lie beyond their amount.
OVERDRAWN = """
SELECT scope, unit, amount, spent, reserved FROM budgets
WHERE id = ANY($1) AND (spent + reserved > amount + CASE unit WHEN 'runs' THEN 0 ELSE estimate END)
"""
ADVISORY = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"

# Makes due what waits for a later attempt.
HURRY = (
    "UPDATE runtime_breakers SET retry_at = now() WHERE state = 'open'",
    "UPDATE runtime_commands SET run_at = now() WHERE state IN ('retry_scheduled', 'queued') AND type <> 'tasks.expire_lease'",
    "UPDATE notifications SET offered_at = NULL WHERE state = 'queued' AND command_id IS NULL AND offered_at IS NOT NULL",
    "UPDATE runtime_lanes SET ready_at = now() WHERE state = 'ready'",
    f"SELECT pg_notify('{WORK}', '*')",
)
WAITING = """SELECT (SELECT count(*) FROM notifications WHERE state = 'queued' AND recipient_kind = 'agent')
    + (SELECT count(*) FROM runtime_commands WHERE state IN ('queued', 'running', 'retry_scheduled', 'replay_requested')
       AND type <> 'tasks.expire_lease' AND schedule_id IS NULL)"""
COUNTS = {
    "notifications": "SELECT count(*) FROM notifications WHERE recipient_kind = 'agent'",
    "runs": "SELECT count(*) FROM deliveries",
    "calls outside": "SELECT sum(sends) FROM delivery_rounds",
    "answers kept": "SELECT count(*) FROM delivery_rounds WHERE answered_at IS NOT NULL",
    "tool calls": "SELECT count(*) FROM delivery_calls",
    "of them done": "SELECT count(*) FROM delivery_calls WHERE status < 400",
    "messages": "SELECT count(*) FROM messages",
    "merged messages": "SELECT sum(merged) FROM notifications",
    "attempts lost": "SELECT count(*) FROM runtime_command_attempts WHERE outcome = 'lost'",
    "runs that waited for a budget": "SELECT count(DISTINCT run_id) FROM budget_reservations WHERE amount = 0",
    "quarantines": "SELECT count(*) FROM events WHERE type = 'board:task:quarantined'",
    "stops": "SELECT count(*) FROM events WHERE type = 'board:task:stopped'",
    "replays": "SELECT count(*) FROM events WHERE type = 'notify:notification:reopened'",
    "events": "SELECT count(*) FROM events",
}
ENDS = """SELECT state || coalesce(' ' || CASE WHEN state IN ('skipped', 'dead') THEN reason END, '') AS ended, count(*)
    FROM notifications WHERE recipient_kind = 'agent' GROUP BY 1 ORDER BY 2 DESC"""
