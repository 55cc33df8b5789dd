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
UNREGISTER = "DELETE FROM runtime_workers WHERE id = $1"
