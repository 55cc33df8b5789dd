"""SQL of reading commands: pages, one command, its trace, and what waits and works now."""

COMMAND_FIELDS = """c.id, c.type AS command_type, c.state AS status, c.payload, c.result, c.profile AS policy_profile, c.queue,
    c.idempotency_key, c.attempt AS attempt_count, c.run_at, c.last_error_class, c.last_error_message, c.held_by,
    c.cancel_requested_at, c.trigger_source, c.actor_kind, c.actor_id, c.cause_id, c.schedule_id, c.request_id,
    c.correlation_id, c.created_at, c.updated_at, c.finished_at, c.retention_until,
    CASE WHEN c.state = 'running' THEN c.worker_id END AS lease_owner,
    CASE WHEN c.state = 'running' THEN
        (SELECT w.beat_at + interval '15 s' FROM runtime_workers w WHERE w.id = c.worker_id) END AS lease_until,
    (SELECT coalesce(sum(t.cost_usd), 0) FROM runtime_command_attempts t
     WHERE t.account_id = c.account_id AND t.command_id = c.id) AS cost_usd,
    (SELECT (v.changes ->> 'attempts')::int FROM runtime_profiles v
     WHERE v.account_id = c.account_id AND v.name = c.profile ORDER BY v.version DESC LIMIT 1) AS tuned_attempts"""

COMMAND = f"SELECT {COMMAND_FIELDS} FROM runtime_commands c WHERE c.account_id = $1 AND c.id = $2"

# $2 and $3 where the page starts, $4 its size, $5 states, $6 type, $7 queue, $8 profile, $9 schedule, $10 and $11 from when
# to when. The page is found with the keys alone, and only then the rows are fetched.
_FITS = """($7::text IS NULL OR c.queue = $7) AND ($8::text IS NULL OR c.profile = $8)
    AND ($10::timestamptz IS NULL OR c.created_at >= $10) AND ($11::timestamptz IS NULL OR c.created_at < $11)"""
_NEWEST_FIRST = "c.created_at <= $2 AND (c.created_at, c.id) < ($2, $3)", "DESC"
_OLDEST_FIRST = "c.created_at >= $2 AND (c.created_at, c.id) > ($2, $3)", "ASC"


def _by_state(behind: str, order: str) -> str:
    # One short walk of the index for each state, merged, is a page of all of them.
    return f"""
WITH page AS (
    SELECT k.id, k.created_at FROM unnest($5::text[]) AS s (state) CROSS JOIN LATERAL (
        SELECT c.id, c.created_at FROM runtime_commands c
        WHERE c.account_id = $1 AND c.state = s.state AND {behind} AND {_FITS}
          AND ($6::text IS NULL OR c.type = $6) AND ($9::uuid IS NULL OR c.schedule_id = $9)
        ORDER BY c.created_at {order}, c.id {order} LIMIT $4
    ) k ORDER BY k.created_at {order}, k.id {order} LIMIT $4
) {_shown(order)}"""


def _by(key: str, rest: str, behind: str, order: str) -> str:
    return f"""
WITH page AS (
    SELECT c.id, c.created_at FROM runtime_commands c
    WHERE c.account_id = $1 AND {key} AND {behind} AND {_FITS} AND c.state = ANY($5::text[]) AND {rest}
    ORDER BY c.created_at {order}, c.id {order} LIMIT $4
) {_shown(order)}"""


def _shown(order: str) -> str:
    return f"""SELECT {COMMAND_FIELDS} FROM page p JOIN runtime_commands c ON c.account_id = $1 AND c.id = p.id
ORDER BY p.created_at {order}, p.id {order}"""


_OF_TYPE = "c.type = $6", "($9::uuid IS NULL OR c.schedule_id = $9)"
_OF_SCHEDULE = "c.schedule_id = $9", "($6::text IS NULL OR c.type = $6)"
NEWEST_BY_STATE = _by_state(*_NEWEST_FIRST)
OLDEST_BY_STATE = _by_state(*_OLDEST_FIRST)
NEWEST_OF_TYPE = _by(*_OF_TYPE, *_NEWEST_FIRST)
OLDEST_OF_TYPE = _by(*_OF_TYPE, *_OLDEST_FIRST)
NEWEST_OF_SCHEDULE = _by(*_OF_SCHEDULE, *_NEWEST_FIRST)
OLDEST_OF_SCHEDULE = _by(*_OF_SCHEDULE, *_OLDEST_FIRST)

_ATTEMPT_FIELDS = """t.command_id, t.attempt AS attempt_number, t.started_at, t.completed_at, t.outcome, t.error_class,
    t.error_message, t.result_summary, t.token_usage, t.cost_usd, t.worker_id, t.executor"""
IS_THERE = "SELECT 1 FROM runtime_commands WHERE account_id = $1 AND id = $2"
# The page starts behind attempt `$3`.
ATTEMPTS = f"""
SELECT {_ATTEMPT_FIELDS} FROM runtime_command_attempts t
WHERE t.account_id = $1 AND t.command_id = $2 AND t.attempt > $3 ORDER BY t.attempt LIMIT $4
"""
ATTEMPTS_OF = f"""
SELECT {_ATTEMPT_FIELDS} FROM unnest($2::uuid[]) AS of (id) CROSS JOIN LATERAL (
    SELECT * FROM runtime_command_attempts a WHERE a.account_id = $1 AND a.command_id = of.id ORDER BY a.attempt LIMIT $3
) t ORDER BY t.command_id, t.attempt
"""

# A command and what it caused, level by level; $3 how deep, $4 how many in all.
TREE = f"""
WITH RECURSIVE tree AS (
    SELECT $2::uuid AS id, NULL::uuid AS parent_id, 0 AS level
    UNION ALL
    SELECT k.id, tree.id, tree.level + 1 FROM tree CROSS JOIN LATERAL (
        SELECT c.id FROM runtime_commands c WHERE c.account_id = $1 AND c.cause_id = tree.id
        ORDER BY c.created_at, c.id LIMIT $4
    ) k WHERE tree.level < $3
), bounded AS (SELECT * FROM tree LIMIT $4)
SELECT {COMMAND_FIELDS}, b.parent_id, b.level FROM bounded b JOIN runtime_commands c ON c.account_id = $1 AND c.id = b.id
ORDER BY b.level, c.created_at, c.id
"""

DEAD_LETTER = """
SELECT id, reason_class, message, attempts, state AS status, eligible_for_replay, replay_count, created_at, replayed_at,
       resolved_at
FROM runtime_dead_letters WHERE account_id = $1 AND command_id = $2
"""
# The latest that was asked for; the room of approvals is above this one, its table is not.
APPROVAL = """
SELECT a.id, a.state AS status, a.summary, a.quorum, a.min_role, a.reason, a.created_at, a.expires_at, a.decided_at,
    (SELECT count(*) FROM approval_votes v WHERE v.account_id = $1 AND v.approval_id = a.id AND v.vote = 'approve') AS approvals,
    (SELECT count(*) FROM approval_votes v WHERE v.account_id = $1 AND v.approval_id = a.id AND v.vote = 'deny') AS denials
FROM approvals a WHERE a.account_id = $1 AND a.command_id = $2 ORDER BY a.created_at DESC, a.id DESC LIMIT 1
"""

# What has not ended, by queue and type; counting stops after $2 commands of a state.
LOADS = """
SELECT k.queue, k.type, k.kind, count(*) AS many, sum(count(*)) OVER (PARTITION BY k.state) AS of_state,
       extract(epoch FROM callboard_now() - min(k.run_at))::float8 AS oldest
FROM unnest(ARRAY['held', 'queued', 'running', 'retry_scheduled']) AS s (state) CROSS JOIN LATERAL (
    SELECT c.queue, c.type, c.run_at, s.state,
           CASE WHEN s.state IN ('held', 'running') THEN s.state WHEN c.run_at <= callboard_now() THEN 'due' ELSE 'waiting' END
               AS kind
    FROM runtime_commands c WHERE c.account_id = $1 AND c.state = s.state LIMIT $2
) k GROUP BY k.queue, k.type, k.kind, k.state
"""
PAUSES = "SELECT kind, name FROM runtime_pauses WHERE account_id = $1"

# Life is measured by the machine's clock. The runs of other accounts are behind the wall.
WORKERS = """
SELECT w.id, w.host, w.pid, w.version, w.slots, w.started_at, w.beat_at,
    (SELECT count(*) FROM runtime_commands c WHERE c.account_id = $1 AND c.worker_id = w.id AND c.state = 'running') AS running
FROM runtime_workers w WHERE w.beat_at > clock_timestamp() - interval '15 s' ORDER BY w.started_at, w.id LIMIT $2
"""
