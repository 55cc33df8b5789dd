"""SQL of alerts."""

# Two who raise the same alert at once meet here: one makes the row, the other is counted on it.
RAISE = """
INSERT INTO runtime_alerts (account_id, id, fingerprint, kind, severity, message, entity_kind, entity_id, seen, opened_at,
                            last_seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, callboard_now(), callboard_now())
ON CONFLICT (account_id, fingerprint) WHERE cleared_at IS NULL DO UPDATE
SET seen = runtime_alerts.seen + 1, last_seen_at = callboard_now(), severity = excluded.severity, message = excluded.message
RETURNING id, seen = 1 AS is_new
"""
CLEAR = """
UPDATE runtime_alerts SET cleared_at = callboard_now()
WHERE account_id = $1 AND fingerprint = $2 AND cleared_at IS NULL RETURNING id, kind, severity
"""
LOCKED = """
SELECT id, fingerprint, kind, severity, message, entity_kind, entity_id, seen, opened_at, last_seen_at, cleared_at
FROM runtime_alerts WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE
"""
# Newest first; the page starts behind `$2` and `$3`.
PAGE = """
SELECT id, fingerprint, kind, severity, message, entity_kind, entity_id, seen, opened_at, last_seen_at, cleared_at
FROM runtime_alerts
WHERE account_id = $1 AND (opened_at, id) < ($2, $3) AND ($4::bool IS NULL OR (cleared_at IS NULL) = $4)
ORDER BY opened_at DESC, id DESC LIMIT $5
"""
