"""SQL of breakers in one account; the read before each call is the runtime's."""

from app.kernel.writes import Write

_FIELDS = "dependency, state, failures, first_failure_at, opened_at, retry_at, last_error, version, updated_at"

# $2 behind which one the page begins.
BREAKERS = f"SELECT {_FIELDS} FROM runtime_breakers WHERE account_id = $1 AND dependency > $2 ORDER BY dependency LIMIT $3"

LOCKED = f"""
SELECT {_FIELDS}, callboard_now() AS now FROM runtime_breakers WHERE account_id = $1 AND dependency = $2 FOR UPDATE
"""

NOW = "SELECT callboard_now()"

INSERT_BREAKER = Write(
    "breaker_inserted",
    """breaker_inserted AS (
        INSERT INTO runtime_breakers (account_id, dependency, state, failures, first_failure_at, opened_at, retry_at, last_error,
                                      version, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, callboard_now()) RETURNING 1
    )""",
)
CHANGE_BREAKER = Write(
    "breaker_changed",
    """breaker_changed AS (
        UPDATE runtime_breakers SET state = $3, failures = $4, first_failure_at = $5, opened_at = $6, retry_at = $7,
            last_error = coalesce($8, last_error), version = version + 1, updated_at = callboard_now()
        WHERE account_id = $1 AND dependency = $2 RETURNING 1
    )""",
)
