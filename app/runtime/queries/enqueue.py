"""SQL of enqueueing, in the transaction that makes the work necessary."""

from app.kernel.errors import Overloaded
from app.kernel.writes import LANES, Write
from app.runtime.queries.parts import CLAIMABLE, default_most

_MOST_DUE = default_most("queue", "queue")
_MOST_AT_ONCE = default_most("split_part(k.key, ':', 1)", "limit")

# A queue is full when as many commands of the account are due in it as its setting allows; 0 allows any number.
# A lane runs under the limits that the last of its orders named.
ENQUEUE = Write(
    "enqueued",
    f"""asked AS (
        SELECT r.*, row_number() OVER (PARTITION BY r.lane_id ORDER BY r.place) AS nth,
               count(*) OVER (PARTITION BY r.lane_id) AS many
        FROM ROWS FROM (json_to_recordset($2::json) AS (
            id uuid, type text, profile text, queue text, state text, prio smallint, delay_seconds float8,
            expires_seconds float8, idempotency_key text, payload jsonb, lane_id uuid, limit_keys text[], held_by text,
            schedule_id uuid, actor_kind text, actor_id uuid, trigger_source text, cause_id uuid, depth smallint,
            request_id text, correlation_id text, request_hash text
        )) WITH ORDINALITY AS r (id, type, profile, queue, state, prio, delay_seconds, expires_seconds, idempotency_key,
                                 payload, lane_id, limit_keys, held_by, schedule_id, actor_kind, actor_id, trigger_source,
                                 cause_id, depth, request_id, correlation_id, request_hash, place)
    ), crowded AS (
        SELECT FROM (
            SELECT queue, count(*) AS many, coalesce(
                (SELECT (value #>> '{{}}')::int FROM runtime_settings
                 WHERE account_id = $1 AND name = 'queue.' || queue || '.most'),
                {_MOST_DUE}) AS most
            FROM asked GROUP BY queue
        ) q CROSS JOIN LATERAL (
            SELECT count(*) AS due FROM (
                SELECT FROM runtime_commands
                WHERE account_id = $1 AND queue = q.queue AND {CLAIMABLE} AND run_at <= callboard_now() LIMIT q.most
            ) d
        ) waiting WHERE q.most > 0 AND waiting.due + q.many > q.most
    ), laned AS (
        INSERT INTO runtime_lanes (account_id, id, state, ready_at, last_seq, done_seq, epoch, limit_keys)
        SELECT $1, lane_id, 'ready', callboard_now(), many, 0, 0, limit_keys FROM asked
        WHERE lane_id IS NOT NULL AND nth = many{{after}} ORDER BY lane_id
        ON CONFLICT (account_id, id) DO UPDATE SET
            last_seq = runtime_lanes.last_seq + excluded.last_seq,
            limit_keys = coalesce(excluded.limit_keys, runtime_lanes.limit_keys),
            ready_at = CASE runtime_lanes.state WHEN 'idle' THEN excluded.ready_at ELSE runtime_lanes.ready_at END,
            state = CASE runtime_lanes.state WHEN 'idle' THEN 'ready' ELSE runtime_lanes.state END
        RETURNING id, last_seq
    ), limited AS (
        INSERT INTO runtime_limits (account_id, key, most, used)
        SELECT $1, k.key, coalesce(
            (SELECT (value #>> '{{}}')::int FROM runtime_settings
             WHERE account_id = $1 AND name = 'limit.' || split_part(k.key, ':', 1) || '.most'),
            {_MOST_AT_ONCE}), 0
        FROM (SELECT DISTINCT unnest(limit_keys) AS key FROM asked) k
        WHERE (SELECT count(*) FROM laned) >= 0 ORDER BY k.key
        ON CONFLICT (account_id, key) DO NOTHING
    ), enqueued AS (
        INSERT INTO runtime_commands (account_id, id, type, profile, queue, state, prio, run_at, expires_at, idempotency_key,
            payload, attempt, lost, released, waited, lane_id, lane_seq, held_by, schedule_id, actor_kind, actor_id,
            trigger_source, cause_id, depth, request_id, correlation_id, request_hash, created_at, updated_at)
        SELECT $1, a.id, a.type, a.profile, a.queue, a.state, a.prio,
            callboard_now() + make_interval(secs => a.delay_seconds),
            callboard_now() + make_interval(secs => a.expires_seconds), a.idempotency_key, a.payload, 0, 0, 0, 0, a.lane_id,
            l.last_seq - a.many + a.nth, a.held_by, a.schedule_id, a.actor_kind, a.actor_id, a.trigger_source, a.cause_id,
            a.depth, a.request_id, a.correlation_id, a.request_hash, callboard_now(), callboard_now()
        FROM asked a LEFT JOIN laned l ON l.id = a.lane_id
        WHERE NOT EXISTS (SELECT FROM crowded)
        RETURNING 1
    )""",
    rank=LANES,
    short=Overloaded("a queue of this account is full: its workers do not keep up; try again later"),
)
