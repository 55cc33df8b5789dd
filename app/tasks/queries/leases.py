"""SQL of leases."""

from app.kernel.writes import Write

HELD = """
SELECT t.status, t.version, t.lease_agent_id, t.lease_kind, t.lease_fence, t.lease_until, callboard_now() AS now,
    coalesce((c.settings ->> 'lease_seconds')::int, 900) AS lease_seconds,
    t.xmin = (SELECT o.xmin FROM tasks o WHERE o.account_id = $1 AND o.id = $2) AS is_fresh
FROM tasks t JOIN accounts c ON c.id = t.account_id WHERE t.account_id = $1 AND t.id = $2
FOR NO KEY UPDATE OF t
"""
# Nobody's view of the card changes when a lease is renewed, so its version stays.
RENEW = Write(
    "lease_renewed",
    """lease_renewed AS (
        UPDATE tasks SET lease_until = $4 WHERE account_id = $1 AND id = $2 AND lease_fence = $3 RETURNING 1
    )""",
)
