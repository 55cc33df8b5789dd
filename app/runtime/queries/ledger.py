"""SQL of the ledger: enqueueing and finishing in other transactions, claiming, closing and reaping in one statement each."""

from app.kernel.errors import Overloaded
from app.kernel.writes import LANES, Write

CLAIMABLE = "state IN ('queued', 'retry_scheduled')"

# A queue is full when as many commands of the account are due in it as its setting allows.
ENQUEUE = Write(
    "enqueued",
    f"""asked AS (
        SELECT r.*, row_number() OVER (PARTITION BY r.lane_id ORDER BY r.place) AS nth,
               count(*) OVER (PARTITION BY r.lane_id) AS many
        FROM ROWS FROM (json_to_recordset($2::json) AS (
            id uuid, type text, profile text, queue text, state text, prio smallint, delay_seconds float8,
            expires_seconds float8, idempotency_key text, payload jsonb, lane_id uuid, limit_keys json, held_by text,
            schedule_id uuid, actor_kind text, actor_id uuid, trigger_source text, cause_id uuid, depth smallint,
            request_id text, correlation_id text
        )) WITH ORDINALITY AS r (id, type, profile, queue, state, prio, delay_seconds, expires_seconds, idempotency_key,
                                 payload, lane_id, limit_keys, held_by, schedule_id, actor_kind, actor_id, trigger_source,
                                 cause_id, depth, request_id, correlation_id, place)
    ), crowded AS (
        SELECT FROM (
            SELECT queue, count(*) AS many, coalesce(
                (SELECT (value #>> '{{}}')::int FROM runtime_settings
                 WHERE account_id = $1 AND name = 'queue.' || queue || '.most'),
                CASE queue WHEN 'inbound' THEN 512 WHEN 'ticks' THEN 256 ELSE 10000 END) AS most
            FROM asked GROUP BY queue
        ) q CROSS JOIN LATERAL (
            SELECT count(*) AS due FROM (
                SELECT FROM runtime_commands
                WHERE account_id = $1 AND queue = q.queue AND {CLAIMABLE} AND run_at <= callboard_now() LIMIT q.most
            ) d
        ) waiting WHERE waiting.due + q.many > q.most
    ), laned AS (
        INSERT INTO runtime_lanes (account_id, id, state, ready_at, last_seq, done_seq, epoch)
        SELECT $1, lane_id, 'ready', callboard_now(), count(*), 0, 0 FROM asked
        WHERE lane_id IS NOT NULL{{after}} GROUP BY lane_id ORDER BY lane_id
        ON CONFLICT (account_id, id) DO UPDATE SET
            last_seq = runtime_lanes.last_seq + excluded.last_seq,
            ready_at = CASE runtime_lanes.state WHEN 'idle' THEN excluded.ready_at ELSE runtime_lanes.ready_at END,
            state = CASE runtime_lanes.state WHEN 'idle' THEN 'ready' ELSE runtime_lanes.state END
        RETURNING id, last_seq
    ), enqueued AS (
        INSERT INTO runtime_commands (account_id, id, type, profile, queue, state, prio, run_at, expires_at, idempotency_key,
            payload, attempt, lost, released, waited, lane_id, lane_seq, held_by, schedule_id, actor_kind, actor_id,
            trigger_source, cause_id, depth, request_id, correlation_id, created_at, updated_at)
        SELECT $1, a.id, a.type, a.profile, a.queue, a.state, a.prio,
            callboard_now() + make_interval(secs => a.delay_seconds),
            callboard_now() + make_interval(secs => a.expires_seconds), a.idempotency_key, a.payload, 0, 0, 0, 0, a.lane_id,
            l.last_seq - a.many + a.nth, a.held_by, a.schedule_id, a.actor_kind, a.actor_id, a.trigger_source, a.cause_id,
            a.depth, a.request_id, a.correlation_id, callboard_now(), callboard_now()
        FROM asked a LEFT JOIN laned l ON l.id = a.lane_id
        WHERE NOT EXISTS (SELECT FROM crowded)
        RETURNING 1
    )""",
    rank=LANES,
    short=Overloaded("a queue of this account is full: its workers do not keep up; try again later"),
)

# Counter rows are locked in the order of accounts and last, so nothing is awaited while they are held.
_TELL = """counted AS (
    SELECT account_id, count(*) AS many FROM told GROUP BY account_id
), counters AS (
    SELECT e.account_id FROM event_counters e
    WHERE e.account_id IN (SELECT account_id FROM counted) AND (SELECT count(*) FROM written) >= 0
    ORDER BY e.account_id FOR UPDATE
), numbered AS (
    UPDATE event_counters e SET last_seq = e.last_seq + n.many FROM counted n
    WHERE e.account_id = n.account_id AND (SELECT count(*) FROM counters) > 0
    RETURNING e.account_id, e.last_seq - n.many AS base
), recorded AS (
    INSERT INTO events (account_id, seq, event_id, type, entity_kind, entity_id, sequence, actor_kind, actor_id, source, cause_id,
                        depth, request_id, correlation_id, payload, schema_version, at)
    SELECT t.account_id, n.base + row_number() OVER (PARTITION BY t.account_id ORDER BY t.id), t.event_id, t.kind, 'command',
           t.id, t.sequence, 'system', NULL, 'worker', t.cause_id, t.depth, t.request_id, t.correlation_id, t.payload, 1,
           callboard_now()
    FROM told t JOIN numbered n ON n.account_id = t.account_id
)"""

_START = """claimed AS (
    UPDATE runtime_commands c SET state = 'running', attempt = c.attempt + 1, worker_id = $1, claimed_at = clock_timestamp(),
        updated_at = callboard_now()
    FROM picked p WHERE c.account_id = p.account_id AND c.id = p.id
    RETURNING c.account_id, c.id, c.type, c.profile, c.prio, c.attempt, c.lost, c.released, c.waited, c.spent, c.payload,
        c.lane_id, c.lane_seq, c.request_id, c.correlation_id, c.cause_id, c.depth, c.expires_at, p.lane_epoch
), written AS (
    INSERT INTO runtime_command_attempts (account_id, command_id, attempt, worker_id, started_at, lane_epoch)
    SELECT account_id, id, attempt, $1, callboard_now(), lane_epoch FROM claimed RETURNING 1
), told AS (
    SELECT account_id, id, ($2::uuid[])[row_number() OVER ()] AS event_id, 'runtime:command:started' AS kind,
           attempt * 2 - 1 AS sequence, cause_id, depth, request_id, correlation_id,
           jsonb_build_object('type', type, 'profile', profile, 'state', 'running', 'attempt', attempt) AS payload
    FROM claimed
)"""

_CLAIMED = """SELECT account_id, id, type, profile, prio, attempt, lost, released, waited, spent, payload::text AS payload,
       lane_id, lane_seq, lane_epoch, request_id, correlation_id, cause_id, depth,
       coalesce(expires_at <= callboard_now(), false) AS expired
FROM claimed"""

# $1 worker, $2 ids for the events, $3 priority classes, $4 how many of each.
CLAIM = f"""WITH picked AS (
    SELECT c.account_id, c.id, NULL::bigint AS lane_epoch
    FROM unnest($3::smallint[], $4::int[]) k (prio, many) CROSS JOIN LATERAL (
        SELECT account_id, id FROM runtime_commands
        WHERE prio = k.prio AND lane_id IS NULL AND state IN ('queued', 'retry_scheduled') AND run_at <= callboard_now()
        ORDER BY run_at, id LIMIT k.many FOR UPDATE SKIP LOCKED
    ) c WHERE EXISTS (SELECT FROM runtime_workers WHERE id = $1)
), {_START}, {_TELL} {_CLAIMED}"""

# $1 worker, $2 ids for the events, $3 how many lanes. `h` tells of the statement's snapshot even if the lane's row is newer:
# a command beyond `h.seen` may have come since. The head itself is locked or left, since a later one must not overtake it.
CLAIM_LANES = f"""WITH looked AS (
    SELECT l.account_id, l.id AS lane_id, h.*,
           coalesce(h.state IN ('queued', 'retry_scheduled') AND h.run_at <= callboard_now(), false) AS is_due
    FROM runtime_lanes l CROSS JOIN LATERAL (
        SELECT l.last_seq AS seen, c.id, c.state, c.run_at FROM (VALUES (1)) one LEFT JOIN LATERAL (
            SELECT id, state, run_at FROM runtime_commands
            WHERE account_id = l.account_id AND lane_id = l.id AND lane_seq > l.done_seq
              AND state NOT IN ('succeeded', 'failed_terminal', 'dead_lettered', 'canceled')
            ORDER BY lane_seq LIMIT 1
        ) c ON true OFFSET 0
    ) h
    WHERE l.state = 'ready' AND l.ready_at <= callboard_now() AND EXISTS (SELECT FROM runtime_workers WHERE id = $1)
    ORDER BY l.ready_at LIMIT $3 FOR UPDATE OF l SKIP LOCKED
), settled AS (
    UPDATE runtime_lanes l SET
        done_seq = CASE WHEN k.id IS NULL THEN greatest(l.done_seq, k.seen) ELSE l.done_seq END,
        state = CASE WHEN k.id IS NULL AND l.last_seq <= k.seen THEN 'idle' ELSE 'ready' END,
        ready_at = CASE WHEN k.id IS NULL THEN l.ready_at WHEN k.run_at > callboard_now() THEN k.run_at
                        ELSE callboard_now() + interval '1 s' END
    FROM looked k WHERE l.account_id = k.account_id AND l.id = k.lane_id AND NOT k.is_due
), heads AS (
    SELECT c.account_id, c.id, c.lane_id FROM looked k JOIN runtime_commands c ON c.account_id = k.account_id AND c.id = k.id
    WHERE k.is_due AND c.state IN ('queued', 'retry_scheduled') FOR UPDATE OF c SKIP LOCKED
), picked AS (
    UPDATE runtime_lanes l SET state = 'leased', epoch = l.epoch + 1, worker_id = $1
    FROM heads c WHERE l.account_id = c.account_id AND l.id = c.lane_id
    RETURNING c.account_id, c.id, l.epoch AS lane_epoch
), {_START}, {_TELL} {_CLAIMED}"""

WHERE_IS_WORK = """
SELECT EXISTS (SELECT FROM runtime_lanes WHERE state = 'ready' AND ready_at <= callboard_now()) AS is_in_lanes,
    ARRAY(SELECT k.prio FROM unnest($1::smallint[]) AS k (prio) CROSS JOIN LATERAL (
        SELECT FROM runtime_commands c
        WHERE c.prio = k.prio AND c.lane_id IS NULL AND c.state IN ('queued', 'retry_scheduled') AND c.run_at <= callboard_now()
        ORDER BY c.run_at, c.id LIMIT 1) c) AS prios
"""

# $1 account, $2 command, $3 attempt, $4 worker, $5 result, $6 lane, $7 epoch, $8 every lane that the transaction touches.
FINISH_ONE = Write(
    "finished",
    """finishing AS (
        UPDATE runtime_commands
        SET state = 'succeeded', result = $5::jsonb, finished_at = callboard_now(), updated_at = callboard_now()
        WHERE account_id = $1 AND id = $2 AND attempt = $3 AND worker_id = $4 AND state = 'running'{after}
        RETURNING lane_seq
    ), finished_attempt AS (
        UPDATE runtime_command_attempts SET completed_at = callboard_now(), outcome = 'succeeded'
        WHERE account_id = $1 AND command_id = $2 AND attempt = $3 AND EXISTS (SELECT FROM finishing)
    ), lanes_in_order AS (
        SELECT id FROM runtime_lanes
        WHERE account_id = $1 AND id = ANY($8::uuid[]) AND EXISTS (SELECT FROM finishing) ORDER BY id FOR UPDATE
    ), advanced AS (
        UPDATE runtime_lanes l SET done_seq = f.lane_seq, worker_id = NULL, ready_at = callboard_now(),
            state = CASE WHEN l.last_seq > f.lane_seq THEN 'ready' ELSE 'idle' END
        FROM finishing f
        WHERE l.account_id = $1 AND l.id = $6::uuid AND l.epoch = $7::bigint AND (SELECT count(*) FROM lanes_in_order) > 0
        RETURNING 1
    ), finished AS (
        SELECT 1 FROM finishing WHERE $6::uuid IS NULL OR EXISTS (SELECT FROM advanced)
    )""",
    rank=LANES,
)

_CLOSE = """closed AS (
    UPDATE runtime_commands c SET state = a.state, run_at = callboard_now() + make_interval(secs => a.delay), result = a.result,
        lost = c.lost + a.lost, released = c.released + a.released, waited = c.waited + a.waited, updated_at = callboard_now(),
        finished_at = CASE WHEN a.state IN ('queued', 'retry_scheduled') THEN NULL ELSE callboard_now() END,
        last_error_class = coalesce(a.error_class, c.last_error_class),
        last_error_message = coalesce(a.error_message, c.last_error_message)
    FROM asked a WHERE c.account_id = a.account_id AND c.id = a.id AND c.attempt = a.attempt AND c.worker_id = a.worker_id
        AND c.state || '' = 'running' -- so that no index but the key's fits, whatever the statistics say
    RETURNING c.account_id, c.id, c.attempt, c.state, c.run_at, c.expires_at, c.payload, c.lane_id, c.lane_seq, c.cause_id,
        c.depth, c.request_id, c.correlation_id, c.type, c.profile, c.actor_kind, c.actor_id, a.outcome, a.error_class,
        a.error_message, a.event_id, a.event, a.letter_id, a.delay
), closed_attempts AS (
    UPDATE runtime_command_attempts t
    SET completed_at = callboard_now(), outcome = c.outcome, error_class = c.error_class, error_message = c.error_message
    FROM closed c WHERE t.account_id = c.account_id AND t.command_id = c.id AND t.attempt = c.attempt RETURNING 1
), buried AS (
    INSERT INTO runtime_dead_letters (account_id, id, command_id, reason_class, message, attempts, eligible_for_replay,
                                      replay_count, state, created_at)
    SELECT account_id, letter_id, id, error_class, error_message, attempt, true, 0, 'open', callboard_now()
    FROM closed WHERE state = 'dead_lettered'
    ON CONFLICT (account_id, command_id) DO UPDATE SET reason_class = excluded.reason_class, message = excluded.message,
        attempts = excluded.attempts, state = 'open'
), lanes AS (
    SELECT l.account_id, l.id, c.run_at, c.lane_seq - (c.state IN ('queued', 'retry_scheduled'))::int AS done
    FROM closed c JOIN runtime_lanes l ON l.account_id = c.account_id AND l.id = c.lane_id
    ORDER BY l.account_id, l.id FOR UPDATE OF l
), laned AS (
    UPDATE runtime_lanes l SET worker_id = NULL, ready_at = k.run_at, done_seq = k.done,
        state = CASE WHEN l.last_seq > k.done THEN 'ready' ELSE 'idle' END
    FROM lanes k WHERE l.account_id = k.account_id AND l.id = k.id RETURNING 1
), written AS (
    SELECT FROM closed_attempts UNION ALL SELECT FROM laned
), followed AS (
    -- Who asked for a command can name another that is to run when this one is given up, whoever gives it up.
    INSERT INTO runtime_commands (account_id, id, type, profile, state, prio, run_at, idempotency_key, payload, attempt, lost,
        released, waited, actor_kind, actor_id, trigger_source, cause_id, depth, request_id, correlation_id, created_at,
        updated_at)
    SELECT account_id, gen_random_uuid(), payload ->> 'on_give_up', 'standard_async', 'queued', 2, callboard_now(),
        id || ':' || attempt, jsonb_build_object('payload', payload, 'error_class', error_class, 'attempts', attempt,
            'is_expired', coalesce(expires_at <= callboard_now(), false)),
        0, 0, 0, 0, actor_kind, actor_id, 'give_up', id, depth, request_id, correlation_id, callboard_now(), callboard_now()
    FROM closed WHERE state IN ('failed_terminal', 'dead_lettered') AND payload ? 'on_give_up'
    RETURNING account_id, id, type, profile, cause_id, depth, request_id, correlation_id
), told AS (
    SELECT account_id, id, gen_random_uuid() AS event_id, 'runtime:command:created' AS kind, 0 AS sequence, cause_id, depth,
           request_id, correlation_id, jsonb_build_object('type', type, 'profile', profile, 'state', 'queued') AS payload
    FROM followed
    UNION ALL
    SELECT account_id, id, event_id, event AS kind, attempt * 2 AS sequence, cause_id, depth, request_id, correlation_id,
           jsonb_strip_nulls(jsonb_build_object('type', type, 'profile', profile, 'state', state, 'attempt', attempt,
               'error_class', error_class, 'message', error_message, 'retry_in', nullif(delay, 0))) AS payload
    FROM closed
), """

_ASKED = """json_to_recordset($1::json) AS a (
        account_id uuid, id uuid, attempt int, worker_id uuid, state text, outcome text, delay float8, error_class text,
        error_message text, result jsonb, lost int, released int, waited int, event_id uuid, event text, letter_id uuid
    )"""

_CLOSED = f"{_CLOSE}{_TELL} SELECT account_id, id FROM closed"

# $1 the rows to close: attempts that ended without effects of their own.
CLOSE = f"WITH asked AS (SELECT * FROM {_ASKED}), {_CLOSED}"

# The same for rows of another worker, which may be alive after all: what it is about to finish is left to it.
CLOSE_LOST = f"""WITH asked AS (
    SELECT a.* FROM {_ASKED} JOIN runtime_commands held ON held.account_id = a.account_id AND held.id = a.id
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
SELECT c.account_id, c.id, c.attempt, c.worker_id, c.profile, c.lost, c.released, c.waited, c.spent,
       coalesce(c.expires_at <= callboard_now(), false) AS expired, pg_postmaster_start_time() > c.claimed_at AS is_restart
FROM dead JOIN runtime_commands c ON c.worker_id = dead.id WHERE c.state = 'running' LIMIT 200
"""
