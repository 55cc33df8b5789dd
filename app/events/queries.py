"""SQL of the log."""

from app.kernel.writes import EVENTS, Write

RECORD = Write(
    "recorded",
    """numbered AS (
        UPDATE event_counters SET last_seq = last_seq + json_array_length($2::json)
        WHERE account_id = $1{after}
        RETURNING last_seq - json_array_length($2::json) AS base
    ), recorded AS (
        INSERT INTO events (account_id, seq, event_id, type, entity_kind, entity_id, sequence, actor_kind, actor_id, source,
                            cause_id, depth, request_id, correlation_id, payload, schema_version, at)
        SELECT $1, numbered.base + r.place, r.event_id, r.type, r.entity_kind, r.entity_id, r.sequence, r.actor_kind,
            r.actor_id,
               r.source, r.cause_id, r.depth, r.request_id, r.correlation_id, r.payload, 1, callboard_now()
        FROM numbered, ROWS FROM (json_to_recordset($2::json) AS (
            event_id uuid, type text, entity_kind text, entity_id uuid, sequence bigint, actor_kind text, actor_id uuid,
            source text, cause_id uuid, depth smallint, request_id text, correlation_id text, payload jsonb
        )) WITH ORDINALITY AS r (event_id, type, entity_kind, entity_id, sequence, actor_kind, actor_id, source, cause_id,
                                 depth, request_id, correlation_id, payload, place)
        RETURNING 1
    )""",
    rank=EVENTS,
)

AFTER = """
SELECT seq, event_id, type, entity_kind, entity_id, sequence, actor_kind, actor_id, source, cause_id, depth, request_id,
       correlation_id, payload, schema_version, at
FROM events
WHERE account_id = $1 AND seq > $2 AND ($3::text IS NULL OR starts_with(type, $3))
ORDER BY seq LIMIT $4
"""

OF_ENTITY = """
SELECT seq, event_id, type, entity_kind, entity_id, sequence, actor_kind, actor_id, source, cause_id, depth, request_id,
       correlation_id, payload, schema_version, at
FROM events
WHERE account_id = $1 AND entity_kind = $2 AND entity_id = $3 AND seq > $4
ORDER BY seq LIMIT $5
"""

PULSES = "SELECT account_id, last_seq FROM event_counters WHERE account_id = ANY($1)"
