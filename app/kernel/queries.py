"""SQL of the idempotency records."""

from app.kernel.writes import Write

# A call that holds the key makes this wait for its end; an expired record is taken over.
CLAIM_KEY = """
INSERT INTO idempotency_records AS r (account_id, principal_id, verb, key, request_hash, hits, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, 0, callboard_now(), callboard_now() + make_interval(secs => $6))
ON CONFLICT (account_id, principal_id, verb, key) DO UPDATE SET
    request_hash = excluded.request_hash, status = NULL, answer = NULL, hits = 0,
    created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE r.expires_at < callboard_now()
RETURNING 1
"""

HIT_KEY = """
UPDATE idempotency_records SET hits = hits + 1
WHERE account_id = $1 AND principal_id = $2 AND verb = $3 AND key = $4
RETURNING request_hash, status, answer
"""

IS_ANSWERED = """
SELECT status IS NOT NULL FROM idempotency_records
WHERE account_id = $1 AND principal_id = $2 AND verb = $3 AND key = $4 AND expires_at >= callboard_now()
"""

STORE_ANSWER = Write(
    "answered",
    """answered AS (
        UPDATE idempotency_records SET status = $5, answer = $6
        WHERE account_id = $1 AND principal_id = $2 AND verb = $3 AND key = $4
        RETURNING 1
    )""",
)
