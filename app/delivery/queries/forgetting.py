"""SQL that deletes deliveries with their notifications."""

from app.kernel.writes import Write

FORGET = Write(
    "deliveries_forgotten",
    """deliveries_forgotten AS (
        DELETE FROM deliveries WHERE account_id = $1 AND notification_id = ANY($2::uuid[]) RETURNING 1
    )""",
)
FORGET_ROUNDS = Write(
    "rounds_forgotten",
    """rounds_forgotten AS (
        DELETE FROM delivery_rounds WHERE account_id = $1 AND notification_id = ANY($2::uuid[]) RETURNING 1
    )""",
)
FORGET_CALLS = Write(
    "calls_forgotten",
    """calls_forgotten AS (
        DELETE FROM delivery_calls WHERE account_id = $1 AND notification_id = ANY($2::uuid[]) RETURNING 1
    )""",
)
