"""SQL of dead letters."""

from app.kernel.writes import LANES, Write

_FIELDS = """d.id, d.command_id, d.reason_class, d.message, d.attempts, d.eligible_for_replay, d.replay_count, d.state,
    d.created_at, d.retention_until, d.replayed_at, d.replayed_by_id, d.replay_request_id, d.resolved_at, d.discarded_by_id,
    d.discard_reason, c.type AS command_type, c.profile, c.state AS command_state, c.attempt, c.actor_id, c.lane_id, c.lane_seq"""
# Looked up by the key in each letter: a join might as well read every command of the account, whatever statistics say.
_OF_ACCOUNT = """FROM runtime_dead_letters d CROSS JOIN LATERAL (
    SELECT type, profile, state, attempt, actor_id, lane_id, lane_seq, payload FROM runtime_commands
    WHERE account_id = d.account_id AND id = d.command_id OFFSET 0
) c WHERE d.account_id = $1"""

# Newest first; the page starts behind `$2`.
PAGE = f"""
SELECT {_FIELDS} {_OF_ACCOUNT} AND d.id < $2 AND ($3::text IS NULL OR d.state = $3)
    AND ($4::text IS NULL OR d.reason_class = $4) AND ($5::text IS NULL OR c.type = $5)
    AND ($6::timestamptz IS NULL OR d.created_at >= $6) AND ($7::timestamptz IS NULL OR d.created_at < $7)
ORDER BY d.id DESC LIMIT $8
"""
ONE = f"""
SELECT {_FIELDS}, c.payload::text AS payload, coalesce(
    (SELECT json_agg(t ORDER BY t.attempt DESC) FROM (
        SELECT attempt, worker_id, started_at, completed_at, outcome, error_class, error_message FROM runtime_command_attempts
        WHERE account_id = $1 AND command_id = d.command_id AND outcome IS DISTINCT FROM 'succeeded'
        ORDER BY attempt DESC LIMIT $3) t), '[]')::text AS errors
{_OF_ACCOUNT} AND d.id = $2
"""
# The command before its letter, which is the order in which a worker takes them.
LOCKED = f"""
SELECT {_FIELDS}, c.payload::text AS payload, callboard_now() AS now
FROM runtime_dead_letters d JOIN runtime_commands c ON c.account_id = d.account_id AND c.id = d.command_id
WHERE d.account_id = $1 AND d.id = $2 FOR NO KEY UPDATE OF c, d
"""

LOCKED_THESE = f"""
SELECT {_FIELDS}, c.payload::text AS payload, callboard_now() AS now
FROM runtime_dead_letters d JOIN runtime_commands c ON c.account_id = d.account_id AND c.id = d.command_id
WHERE d.account_id = $1 AND d.id = ANY($2::uuid[]) ORDER BY c.id FOR NO KEY UPDATE OF c, d
"""

# `$2` a cause, `$3` a type, `$4` the types that can be run, `$5` profiles and `$6` causes to leave out.
_REPLAYABLE = f"""{_OF_ACCOUNT} AND d.state = 'open' AND d.eligible_for_replay AND c.state = 'dead_lettered'
    AND ($2::text IS NULL OR d.reason_class = $2) AND ($3::text IS NULL OR c.type = $3) AND c.type = ANY($4::text[])
    AND c.profile <> ALL($5::text[]) AND d.reason_class <> ALL($6::text[])"""
# What another call holds is left to it, so that two of them replay nothing twice and wait for nothing; that is why more are
# looked at than are wanted.
LOCKED_BY_CAUSE = f"""
WITH oldest AS MATERIALIZED (
    SELECT d.account_id, d.id, d.command_id {_REPLAYABLE} ORDER BY d.created_at, d.id LIMIT 4 * $7::int
)
SELECT {_FIELDS}, c.payload::text AS payload FROM oldest o
CROSS JOIN LATERAL (
    SELECT * FROM runtime_commands WHERE account_id = o.account_id AND id = o.command_id AND state || '' = 'dead_lettered'
    FOR NO KEY UPDATE SKIP LOCKED
) c CROSS JOIN LATERAL (
    SELECT * FROM runtime_dead_letters WHERE account_id = o.account_id AND id = o.id AND state || '' = 'open'
    FOR NO KEY UPDATE SKIP LOCKED
) d LIMIT $7
"""
COUNT_BY_CAUSE = f"SELECT count(*) {_REPLAYABLE}"

# A letter is shown with how often it was replayed; a replay that is under way is not judged yet.
CAUSES = f"""
SELECT d.reason_class, c.type AS command_type, count(*) AS count, count(*) FILTER (WHERE d.state = 'open') AS open,
    count(*) FILTER (WHERE d.state = 'replaying') AS replaying, count(*) FILTER (WHERE d.state = 'discarded') AS discarded,
    count(*) FILTER (WHERE d.state = 'resolved') AS resolved, count(*) FILTER (WHERE d.replay_count > 0) AS replayed,
    count(*) FILTER (WHERE d.replay_count > 0 AND d.state <> 'replaying') AS ended, sum(d.replay_count)::int8 AS replays,
    sum(d.attempts)::int8 AS attempts, min(d.created_at) AS oldest, max(d.created_at) AS newest
{_OF_ACCOUNT} AND ($2::timestamptz IS NULL OR d.created_at >= $2) AND ($3::timestamptz IS NULL OR d.created_at < $3)
GROUP BY d.reason_class, c.type ORDER BY count(*) DESC, d.reason_class, c.type
"""

# The caller has locked commands and letters. A lane that waits for the verdict on one of them goes on with it; of every other
# lane the turn has passed, so the command takes a new place at its end.
REPLAY = Write(
    "replayed",
    """asked_again AS (
        SELECT c.account_id, c.id, c.lane_id, c.lane_seq, c.expires_at - coalesce(d.replayed_at, c.created_at) AS span
        FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
            SELECT account_id, id, lane_id, lane_seq, expires_at, created_at FROM runtime_commands
            WHERE account_id = $1 AND id = k.id AND state || '' = 'dead_lettered' OFFSET 0
        ) c CROSS JOIN LATERAL (
            SELECT replayed_at FROM runtime_dead_letters
            WHERE account_id = $1 AND command_id = k.id AND state || '' = 'open' OFFSET 0
        ) d WHERE true{after}
    ), lanes_of_replay AS (
        SELECT id, state, last_seq, done_seq FROM runtime_lanes
        WHERE account_id = $1 AND id IN (SELECT lane_id FROM asked_again) ORDER BY id FOR UPDATE
    ), standing AS (
        SELECT r.*, l.last_seq, coalesce(l.state = 'halted' AND r.lane_seq > l.done_seq, false) AS stays
        FROM asked_again r LEFT JOIN lanes_of_replay l ON l.id = r.lane_id
    ), placed AS (
        SELECT s.*, s.last_seq + row_number() OVER (PARTITION BY s.lane_id, s.stays ORDER BY s.lane_seq) AS at_the_end
        FROM standing s
    ), lanes_lengthened AS (
        UPDATE runtime_lanes l SET last_seq = l.last_seq + g.moved,
            state = CASE WHEN g.goes_on OR l.state = 'idle' THEN 'ready' ELSE l.state END,
            ready_at = CASE WHEN g.goes_on OR l.state = 'idle' THEN callboard_now() ELSE l.ready_at END
        FROM (SELECT lane_id, count(*) FILTER (WHERE NOT stays) AS moved, bool_or(stays) AS goes_on
              FROM placed WHERE lane_id IS NOT NULL GROUP BY lane_id) g
        WHERE l.account_id = $1 AND l.id = g.lane_id
    ), letters_replaying AS (
        UPDATE runtime_dead_letters d SET state = 'replaying', replay_count = d.replay_count + 1, replayed_at = callboard_now(),
            replayed_by_id = $3, replay_request_id = $4, retention_until = NULL
        FROM placed p WHERE d.account_id = p.account_id AND d.command_id = p.id
    ), replayed AS (
        UPDATE runtime_commands c SET state = 'queued', spent = c.attempt, lost = 0, released = 0, waited = 0, result = NULL,
            run_at = callboard_now(), expires_at = callboard_now() + p.span, first_started_at = NULL, finished_at = NULL,
            retention_until = NULL, cancel_requested_at = NULL, updated_at = callboard_now(),
            lane_seq = CASE WHEN p.stays THEN c.lane_seq ELSE p.at_the_end END
        FROM placed p WHERE c.account_id = p.account_id AND c.id = p.id RETURNING 1
    )""",
    rank=LANES,
)
# A lane that waited for this verdict goes on with what follows.
DISCARD = Write(
    "discarded",
    """lane_waiting AS (
        SELECT l.id, c.lane_seq FROM runtime_commands c JOIN runtime_lanes l ON l.account_id = c.account_id AND l.id = c.lane_id
        WHERE c.account_id = $1 AND c.id = $2 AND l.state = 'halted' AND c.lane_seq > l.done_seq{after} FOR UPDATE OF l
    ), lane_freed AS (
        UPDATE runtime_lanes l SET done_seq = k.lane_seq, ready_at = callboard_now(),
            state = CASE WHEN l.last_seq > k.lane_seq THEN 'ready' ELSE 'idle' END
        FROM lane_waiting k WHERE l.account_id = $1 AND l.id = k.id
    ), discarded AS (
        UPDATE runtime_dead_letters SET state = 'discarded', discarded_by_id = $3, discard_reason = $4,
            retention_until = $5
        WHERE account_id = $1 AND command_id = $2 AND state = 'open' RETURNING 1
    )""",
    rank=LANES,
)
# The replay was taken back before it could end.
TAKE_BACK = """
UPDATE runtime_dead_letters SET state = 'discarded', discarded_by_id = $3, discard_reason = $4,
    retention_until = callboard_now() + make_interval(days => $5)
WHERE account_id = $1 AND command_id = $2 AND state = 'replaying' RETURNING id
"""
