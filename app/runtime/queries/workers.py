"""SQL of a worker's life signs."""

# Long after any claim of a dead worker could still be under way.
FORGET_DEAD = """
DELETE FROM runtime_workers w WHERE w.beat_at < clock_timestamp() - interval '60 s'
    AND NOT EXISTS (SELECT FROM runtime_commands c WHERE c.worker_id = w.id AND c.state = 'running')
"""

LOCK = "SELECT pg_advisory_lock($1)"
REGISTER = """INSERT INTO runtime_workers (id, lock_key, host, pid, version, slots, started_at, beat_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), clock_timestamp())"""
BEAT = "UPDATE runtime_workers SET beat_at = clock_timestamp() WHERE id = $1 RETURNING id"
# What this worker runs and somebody wants canceled.
UNWANTED = """
SELECT account_id, id, attempt FROM runtime_commands
WHERE worker_id = $1 AND state = 'running' AND cancel_requested_at IS NOT NULL
"""
UNREGISTER = "DELETE FROM runtime_workers WHERE id = $1"
