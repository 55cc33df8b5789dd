"""SQL of the ends of attempts: finished with their effects, closed in batches, or found lost."""

from app.kernel.writes import LANES, Write
from app.runtime.queries.parts import GIVE_BACK, TELL

# $1 account, $2 command, $3 attempt, $4 worker, $5 result, $6 lane, $7 epoch, $8 every lane that the transaction touches,
# $9 days to keep it, $10 a summary, $11 tokens, $12 cost, $13 executor.
FINISH_ONE = Write(
    "finished",
    f"""finishing AS (
        UPDATE runtime_commands
        SET state = 'succeeded', result = $5::jsonb, finished_at = callboard_now(), updated_at = callboard_now(),
            retention_until = callboard_now() + make_interval(days => $9)
        WHERE account_id = $1 AND id = $2 AND attempt = $3 AND worker_id = $4 AND state = 'running'{{after}}
        RETURNING lane_seq
    ), finished_attempt AS (
        UPDATE runtime_command_attempts
        SET completed_at = callboard_now(), outcome = 'succeeded', result_summary = $10, token_usage = $11::jsonb,
            cost_usd = $12::numeric, executor = $13
        WHERE account_id = $1 AND command_id = $2 AND attempt = $3 AND EXISTS (SELECT FROM finishing)
    ), lanes_in_order AS (
        SELECT id, held_keys FROM runtime_lanes
        WHERE account_id = $1 AND id = ANY($8::uuid[]) AND EXISTS (SELECT FROM finishing) ORDER BY id FOR UPDATE
    ), advanced AS (
        UPDATE runtime_lanes l SET done_seq = f.lane_seq, worker_id = NULL, ready_at = callboard_now(), held_keys = NULL,
            state = CASE WHEN l.last_seq > f.lane_seq THEN 'ready' ELSE 'idle' END
        FROM finishing f
        WHERE l.account_id = $1 AND l.id = $6::uuid AND l.epoch = $7::bigint AND (SELECT count(*) FROM lanes_in_order) > 0
        RETURNING l.id
    ), lanes_of_ended AS (
        SELECT $1 AS account_id, o.held_keys FROM advanced a JOIN lanes_in_order o ON o.id = a.id
    ), {GIVE_BACK}, finished AS (
        SELECT 1 FROM finishing
        WHERE ($6::uuid IS NULL OR EXISTS (SELECT FROM advanced)) AND (SELECT count(*) FROM lanes_woken) >= 0
    )""",
    rank=LANES,
)

# A replay that succeeded settles the dead letter; $3 days to keep it.
RESOLVE_LETTER = """
UPDATE runtime_dead_letters SET state = 'resolved', resolved_at = callboard_now(),
    retention_until = callboard_now() + make_interval(days => $3)
WHERE account_id = $1 AND command_id = $2 AND state = 'replaying' RETURNING id
"""

# Somebody who asked for the command to be canceled gets that instead of another attempt.
_RUNS_AGAIN = "a.state IN ('queued', 'retry_scheduled') AND c.cancel_requested_at IS NULL"
_CLOSE = f"""closed AS (
    UPDATE runtime_commands c SET
        state = CASE WHEN a.state IN ('queued', 'retry_scheduled') AND c.cancel_requested_at IS NOT NULL THEN 'canceled'
                     ELSE a.state END,
        run_at = callboard_now() + CASE WHEN {_RUNS_AGAIN} THEN make_interval(secs => a.delay) ELSE interval '0' END,
        result = a.result, lost = c.lost + a.lost, released = c.released + a.released, waited = c.waited + a.waited,
        updated_at = callboard_now(), finished_at = CASE WHEN {_RUNS_AGAIN} THEN NULL ELSE callboard_now() END,
        retention_until = CASE WHEN {_RUNS_AGAIN} THEN NULL ELSE callboard_now() + make_interval(days => a.retention_days) END,
        last_error_class = coalesce(a.error_class, c.last_error_class),
        last_error_message = coalesce(a.error_message, c.last_error_message)
    FROM asked a WHERE c.account_id = a.account_id AND c.id = a.id AND c.attempt = a.attempt AND c.worker_id = a.worker_id
        AND c.state || '' = 'running' -- so that no index but the key's fits, whatever the statistics say
    RETURNING c.account_id, c.id, c.attempt, c.spent, c.state, c.run_at, c.expires_at, c.payload, c.lane_id, c.lane_seq,
        c.cause_id, c.depth, c.request_id, c.correlation_id, c.type, c.profile, c.actor_kind, c.actor_id, a.outcome,
        a.error_class, a.error_message, a.event_id, a.letter_id, a.alert_id, a.severity, a.delay, a.retention_days, a.summary,
        a.tokens, a.cost_usd, a.executor, a.replays, a.halts AND c.state = 'dead_lettered' AS halts,
        CASE WHEN c.state = 'canceled' THEN 'runtime:command:canceled' ELSE a.event END AS event
), closed_attempts AS (
    UPDATE runtime_command_attempts t
    SET completed_at = callboard_now(), outcome = c.outcome, error_class = c.error_class, error_message = c.error_message,
        result_summary = c.summary, token_usage = c.tokens, cost_usd = c.cost_usd, executor = c.executor
    FROM closed c WHERE t.account_id = c.account_id AND t.command_id = c.id AND t.attempt = c.attempt RETURNING 1
), buried AS (
    INSERT INTO runtime_dead_letters (account_id, id, command_id, reason_class, message, attempts, eligible_for_replay,
                                      replay_count, state, created_at, retention_until)
    SELECT account_id, letter_id, id, error_class, error_message, attempt, replays, 0, 'open', callboard_now(),
           callboard_now() + make_interval(days => retention_days)
    FROM closed WHERE state = 'dead_lettered'
    ON CONFLICT (account_id, command_id) DO UPDATE SET reason_class = excluded.reason_class, message = excluded.message,
        attempts = excluded.attempts, eligible_for_replay = excluded.eligible_for_replay, state = 'open', resolved_at = NULL,
        retention_until = excluded.retention_until
), alerted AS (
    INSERT INTO runtime_alerts AS o (account_id, id, fingerprint, kind, severity, message, entity_kind, entity_id, seen,
                                     opened_at, last_seen_at)
    SELECT account_id, alert_id, 'dead_letter:' || id, 'dead_letter', severity, type || ' was given up: ' || error_message,
           'command', id, 1, callboard_now(), callboard_now()
    FROM closed WHERE state = 'dead_lettered' AND alert_id IS NOT NULL
    ON CONFLICT (account_id, fingerprint) WHERE cleared_at IS NULL DO UPDATE SET seen = o.seen + 1,
        last_seen_at = callboard_now(), severity = excluded.severity, message = excluded.message
    RETURNING o.account_id, o.id, o.fingerprint, o.kind, o.severity, o.message, o.entity_id, o.seen
), settled AS (
    -- What became of a replay: a success resolves the letter, a cancel gives it up.
    UPDATE runtime_dead_letters d SET
        state = CASE c.state WHEN 'succeeded' THEN 'resolved' ELSE 'discarded' END,
        resolved_at = CASE c.state WHEN 'succeeded' THEN callboard_now() END,
        discard_reason = CASE c.state WHEN 'canceled' THEN 'its replay was canceled' END,
        retention_until = callboard_now() + make_interval(days => c.retention_days)
    FROM closed c WHERE c.spent > 0 AND c.state IN ('succeeded', 'canceled') AND d.account_id = c.account_id
        AND d.command_id = c.id AND d.state = 'replaying'
    RETURNING d.account_id, d.command_id
), cleared AS (
    UPDATE runtime_alerts o SET cleared_at = callboard_now() FROM settled s
    WHERE o.account_id = s.account_id AND o.fingerprint = 'dead_letter:' || s.command_id AND o.cleared_at IS NULL
    RETURNING o.account_id, o.id, o.fingerprint, o.kind, o.severity, o.entity_id
), lanes AS (
    SELECT l.account_id, l.id, l.held_keys, c.run_at, c.halts,
           c.lane_seq - (c.halts OR c.state IN ('queued', 'retry_scheduled'))::int AS done
    FROM closed c JOIN runtime_lanes l ON l.account_id = c.account_id AND l.id = c.lane_id
    ORDER BY l.account_id, l.id FOR UPDATE OF l
), laned AS (
    UPDATE runtime_lanes l SET worker_id = NULL, ready_at = k.run_at, done_seq = k.done, held_keys = NULL,
        state = CASE WHEN k.halts THEN 'halted' WHEN l.last_seq > k.done THEN 'ready' ELSE 'idle' END
    FROM lanes k WHERE l.account_id = k.account_id AND l.id = k.id RETURNING 1
), lanes_of_ended AS (
    SELECT account_id, held_keys FROM lanes WHERE held_keys IS NOT NULL AND (SELECT count(*) FROM laned) >= 0
), {GIVE_BACK}, written AS (
    SELECT FROM closed_attempts UNION ALL SELECT FROM laned UNION ALL SELECT FROM lanes_woken
), followed AS (
    -- Who asked for a command can name another that is to run when this one is given up, whoever gives it up. It takes the id
    -- of the event that it follows: one that was drawn here would not keep its place in the order of ids.
    INSERT INTO runtime_commands (account_id, id, type, profile, queue, state, prio, run_at, idempotency_key, payload, attempt,
        lost, released, waited, actor_kind, actor_id, trigger_source, cause_id, depth, request_id, correlation_id, created_at,
        updated_at)
    SELECT account_id, event_id, payload ->> 'on_give_up', 'standard_async', 'control', 'queued', 2, callboard_now(),
        id || ':' || attempt, jsonb_build_object('payload', payload, 'error_class', coalesce(error_class, state),
            'attempts', attempt, 'is_expired', coalesce(expires_at <= callboard_now(), false)),
        0, 0, 0, 0, actor_kind, actor_id, 'give_up', id, depth, request_id, correlation_id, callboard_now(), callboard_now()
    FROM closed WHERE state IN ('failed_terminal', 'dead_lettered', 'canceled') AND payload ? 'on_give_up'
    RETURNING account_id, id, type, profile, cause_id, depth, request_id, correlation_id
), told AS (
    SELECT account_id, id, gen_random_uuid() AS event_id, 'runtime:command:created' AS kind, 'command' AS entity_kind,
           0 AS sequence, cause_id, depth, request_id, correlation_id,
           jsonb_build_object('type', type, 'profile', profile, 'state', 'queued') AS payload
    FROM followed
    UNION ALL
    SELECT account_id, id, event_id, event AS kind, 'command' AS entity_kind, attempt * 2 AS sequence, cause_id, depth,
           request_id, correlation_id,
           jsonb_strip_nulls(jsonb_build_object('type', type, 'profile', profile, 'state', state, 'attempt', attempt,
               'error_class', error_class, 'message', error_message,
               'retry_in', CASE state WHEN 'retry_scheduled' THEN nullif(delay, 0) END)) AS payload
    FROM closed
    UNION ALL
    SELECT o.account_id, o.id, gen_random_uuid(), 'ops:alert:raised', 'alert', 1, c.cause_id, c.depth, c.request_id,
           c.correlation_id, jsonb_build_object('fingerprint', o.fingerprint, 'kind', o.kind, 'severity', o.severity,
               'message', o.message, 'entity_kind', 'command', 'entity_id', o.entity_id)
    FROM alerted o JOIN closed c ON c.account_id = o.account_id AND c.id = o.entity_id WHERE o.seen = 1
    UNION ALL
    SELECT o.account_id, o.id, gen_random_uuid(), 'ops:alert:cleared', 'alert', 2, c.cause_id, c.depth, c.request_id,
           c.correlation_id, jsonb_build_object('fingerprint', o.fingerprint, 'kind', o.kind, 'severity', o.severity,
               'reason', 'the replay ' || c.state)
    FROM cleared o JOIN closed c ON c.account_id = o.account_id AND c.id = o.entity_id
), """

_ASKED = """SELECT account_id, id, attempt, worker_id, state, outcome, event, event_id, coalesce(delay, 0) AS delay, error_class,
        error_message, result, coalesce(lost, 0) AS lost, coalesce(released, 0) AS released, coalesce(waited, 0) AS waited,
        letter_id, alert_id, severity, coalesce(halts, false) AS halts,
        coalesce(replays, true) AS replays, retention_days, summary, tokens, cost_usd, executor
    FROM json_to_recordset($1::json) AS a (
        account_id uuid, id uuid, attempt int, worker_id uuid, state text, outcome text, delay float8, error_class text,
        error_message text, result jsonb, lost int, released int, waited int, event_id uuid, event text, letter_id uuid,
        alert_id uuid, severity text, halts bool, replays bool, retention_days int, summary text, tokens jsonb, cost_usd numeric,
        executor text
    )"""

_CLOSED = f"{_CLOSE}{TELL} SELECT account_id, id, state FROM closed"

# $1 the rows to close: attempts that ended without effects of their own.
CLOSE = f"WITH asked AS ({_ASKED}), {_CLOSED}"

# The same for what most attempts come to: a success without effects, outside of lanes and replays. $6 the worker.
CLOSE_DONE = f"""WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::uuid[], $5::int[])
        AS a (account_id, id, attempt, event_id, retention_days)
), closed AS (
    UPDATE runtime_commands c SET state = 'succeeded', updated_at = callboard_now(), finished_at = callboard_now(),
        retention_until = callboard_now() + make_interval(days => a.retention_days)
    FROM asked a WHERE c.account_id = a.account_id AND c.id = a.id AND c.attempt = a.attempt AND c.worker_id = $6
        AND c.state || '' = 'running' -- so that no index but the key's fits, whatever the statistics say
    RETURNING c.account_id, c.id, c.attempt, c.type, c.profile, c.cause_id, c.depth, c.request_id, c.correlation_id, a.event_id
), written AS (
    UPDATE runtime_command_attempts t SET completed_at = callboard_now(), outcome = 'succeeded'
    FROM closed c WHERE t.account_id = c.account_id AND t.command_id = c.id AND t.attempt = c.attempt RETURNING 1
), told AS (
    SELECT account_id, id, event_id, 'runtime:command:succeeded' AS kind, 'command' AS entity_kind, attempt * 2 AS sequence,
           cause_id, depth, request_id, correlation_id,
           jsonb_build_object('type', type, 'profile', profile, 'state', 'succeeded', 'attempt', attempt) AS payload
    FROM closed
), {TELL} SELECT account_id, id, 'succeeded' AS state FROM closed"""

# The same for rows of another worker, which may be alive after all: what it is about to finish is left to it.
CLOSE_LOST = f"""WITH asked AS (
    SELECT a.* FROM ({_ASKED}) a JOIN runtime_commands held ON held.account_id = a.account_id AND held.id = a.id
    WHERE held.attempt = a.attempt AND held.state = 'running' FOR UPDATE OF held SKIP LOCKED
), {_CLOSED}"""

# A worker lives while it holds its lock and beats; $1 the lock of who looks, so that a fleet does not look all at once.
FIND_LOST = """
WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS is_mine), held AS MATERIALIZED (
    SELECT classid::bigint << 32 | objid::bigint AS lock_key FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), dead AS MATERIALIZED (
    SELECT w.id FROM turn, runtime_workers w
    WHERE turn.is_mine AND (w.beat_at < clock_timestamp() - interval '15 s' OR w.lock_key NOT IN (SELECT lock_key FROM held))
)
SELECT c.account_id, c.id, c.type, c.attempt, c.worker_id, c.profile, c.lost, c.released, c.waited, c.spent,
       extract(epoch FROM callboard_now() - coalesce(c.first_started_at, callboard_now()))::float8 AS elapsed,
       coalesce(c.expires_at <= callboard_now(), false) AS expired, pg_postmaster_start_time() > c.claimed_at AS is_restart
FROM dead JOIN runtime_commands c ON c.worker_id = dead.id WHERE c.state = 'running' LIMIT 200
"""
