"""SQL of the log."""

from app.kernel.writes import EVENTS, Write

# The batch is numbered while the transaction commits, by a deferred trigger: nothing waits while the counter is held.
RECORD = Write(
    "recorded",
    """batched AS (
        INSERT INTO event_batches (account_id, id, rows) VALUES ($1, gen_random_uuid(), $2::json) RETURNING 1
    ), recorded AS (
        SELECT FROM batched, json_array_elements($2::json)
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

NEWEST_OF_ENTITY = """
SELECT seq, event_id, type, entity_kind, entity_id, sequence, actor_kind, actor_id, source, cause_id, depth, request_id,
       correlation_id, payload, schema_version, at
FROM events
WHERE account_id = $1 AND entity_kind = $2 AND entity_id = $3
ORDER BY seq DESC LIMIT $4
"""

HEAD = "SELECT last_seq FROM event_counters WHERE account_id = $1"

FOLLOW = """
SELECT seq, event_id, type, entity_kind, entity_id, sequence, actor_kind, actor_id, source, cause_id, depth, request_id,
       correlation_id, payload, schema_version, at
FROM events
WHERE account_id = $1 AND seq > $2 AND seq <= $3 AND ($4::text IS NULL OR starts_with(type, $4))
  AND ($5::text IS NULL OR entity_kind = $5) AND ($6::uuid IS NULL OR entity_id = $6)
ORDER BY seq LIMIT $7
"""

PULSES = "SELECT account_id, last_seq FROM event_counters WHERE account_id = ANY($1)"
