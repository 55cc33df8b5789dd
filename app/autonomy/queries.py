"""SQL of approvals, their votes, and delegations."""

from app.kernel.errors import InvalidTransition
from app.kernel.writes import Write

_FIELDS = """a.id, a.command_id, a.summary, a.state, a.quorum, a.min_role, a.requested_by_kind, a.requested_by_id, a.target_kind,
    a.target_id, a.target_version, a.reason, a.version, a.created_at, a.expires_at, a.escalated_at, a.decided_at"""
_COMMAND = """c.type AS command_type, c.profile AS command_profile, c.state AS command_state, c.attempt AS command_attempt,
    coalesce(c.state = 'held' AND c.held_by = 'approval', false) AS is_held,
    least(a.expires_at, c.expires_at) AS ends_at"""
_BALLOTS = """(SELECT coalesce(json_agg(json_build_object('voice_id', v.on_behalf_of_id, 'voter_id', v.voter_id, 'vote', v.vote,
        'role', CASE WHEN p.removed_at IS NULL THEN p.role END)), '[]')
     FROM approval_votes v JOIN people p ON p.account_id = v.account_id AND p.id = v.on_behalf_of_id
     WHERE v.account_id = $1 AND v.approval_id = a.id)::text AS ballots"""
_RANK = "array_position(ARRAY['viewer', 'member', 'admin', 'owner'], {})"

# An approval with the command that waits for it, both locked, the command first as those lock it who cancel it;
# `$3` is who would vote, with the voice of `$4`.
SCENE = f"""
WITH c AS MATERIALIZED (
    SELECT c.id, c.type, c.profile, c.state, c.held_by, c.attempt, c.expires_at, c.xmin AS locked FROM runtime_commands c
    WHERE c.account_id = $1 AND c.id = (SELECT command_id FROM approvals WHERE account_id = $1 AND id = $2)
    FOR NO KEY UPDATE
)
SELECT {_FIELDS}, {_COMMAND}, {_BALLOTS}, callboard_now() AS now,
    (SELECT role FROM people WHERE account_id = $1 AND id = $3 AND removed_at IS NULL) AS voter_role,
    (SELECT role FROM people WHERE account_id = $1 AND id = $4 AND removed_at IS NULL) AS voice_role,
    EXISTS (SELECT FROM people WHERE account_id = $1 AND id = $4 AND removed_at IS NULL) AS is_voice_there,
    EXISTS (SELECT FROM approval_delegations d WHERE d.account_id = $1 AND d.from_person_id = $4 AND d.to_person_id = $3
            AND d.until > callboard_now()) AS is_delegated,
    a.xmin = (SELECT o.xmin FROM approvals o WHERE o.account_id = $1 AND o.id = $2)
        AND c.locked = (SELECT o.xmin FROM runtime_commands o WHERE o.account_id = $1 AND o.id = c.id) AS is_fresh
FROM approvals a JOIN c ON c.id = a.command_id WHERE a.account_id = $1 AND a.id = $2
FOR NO KEY UPDATE OF a
"""
# The approval that a command waits for, whose row is locked by whoever ends it.
PENDING_OF_COMMAND = """
SELECT id, version, escalated_at FROM approvals WHERE account_id = $1 AND command_id = $2 AND state = 'pending' FOR NO KEY UPDATE
"""

_FROM = "FROM approvals a JOIN runtime_commands c ON c.account_id = a.account_id AND c.id = a.command_id"
_NEWEST_FIRST = "ORDER BY a.id DESC LIMIT $3"
ONE = f"SELECT {_FIELDS}, {_COMMAND}, c.payload::text AS payload, {_BALLOTS} {_FROM} WHERE a.account_id = $1 AND a.id = $2"
# Newest first; the page starts behind `$2`.
NEWEST = f"SELECT {_FIELDS}, {_COMMAND}, {_BALLOTS} {_FROM} WHERE a.account_id = $1 AND a.id < $2 {_NEWEST_FIRST}"
NEWEST_OF_STATE = f"""
SELECT {_FIELDS}, {_COMMAND}, {_BALLOTS} {_FROM} WHERE a.account_id = $1 AND a.id < $2 AND a.state = $4 {_NEWEST_FIRST}
"""
# Those that wait for a voice which `$4` may cast: their own, or one that was lent to them.
NEWEST_FOR_PERSON = f"""
WITH voices AS MATERIALIZED (
    SELECT p.id, {_RANK.format("p.role")} AS rank FROM people p
    WHERE p.account_id = $1 AND p.removed_at IS NULL AND (p.id = $4 OR EXISTS (
        SELECT FROM approval_delegations d WHERE d.account_id = $1 AND d.from_person_id = p.id AND d.to_person_id = $4
            AND d.until > callboard_now()))
)
SELECT {_FIELDS}, {_COMMAND}, {_BALLOTS} {_FROM}
WHERE a.account_id = $1 AND a.id < $2 AND a.state = 'pending' AND c.state = 'held' AND c.held_by = 'approval'
    AND least(a.expires_at, c.expires_at) > callboard_now() AND a.requested_by_id IS DISTINCT FROM $4
    AND EXISTS (SELECT FROM voices s WHERE s.rank >= {_RANK.format("a.min_role")} AND s.id IS DISTINCT FROM a.requested_by_id
        AND NOT EXISTS (SELECT FROM approval_votes v
                        WHERE v.account_id = $1 AND v.approval_id = a.id AND v.on_behalf_of_id = s.id))
{_NEWEST_FIRST}
"""
VOTES = """
SELECT voter_id, on_behalf_of_id, vote, note, created_at FROM approval_votes
WHERE account_id = $1 AND approval_id = $2 ORDER BY created_at, on_behalf_of_id
"""
# Every person, with whoever may vote in their place now.
PEOPLE = """
SELECT p.id, p.name, p.role, d.to_person_id AS delegate_id, q.role AS delegate_role
FROM people p
LEFT JOIN approval_delegations d ON d.account_id = p.account_id AND d.from_person_id = p.id AND d.until > callboard_now()
LEFT JOIN people q ON q.account_id = d.account_id AND q.id = d.to_person_id AND q.removed_at IS NULL
WHERE p.account_id = $1 AND p.removed_at IS NULL ORDER BY p.id
"""

INSERT = Write(
    "approval_inserted",
    """approval_inserted AS (
        INSERT INTO approvals (account_id, id, command_id, summary, state, quorum, min_role, requested_by_kind, requested_by_id,
                               target_kind, target_id, target_version, version, created_at, expires_at)
        SELECT $1, r.id, r.command_id, r.summary, 'pending', r.quorum, r.min_role, r.requested_by_kind, r.requested_by_id,
               r.target_kind, r.target_id, r.target_version, 1, callboard_now(),
               callboard_now() + make_interval(secs => r.expires_seconds)
        FROM json_to_recordset($2::json) AS r (id uuid, command_id uuid, summary text, quorum smallint, min_role text,
             requested_by_kind text, requested_by_id uuid, target_kind text, target_id uuid, target_version int,
             expires_seconds float8)
        RETURNING 1
    )""",
)
# Each is fenced by the version that was read under the lock, and ends at most once.
MOVE = Write(
    "approval_moved",
    """approval_moved AS (
        UPDATE approvals a SET state = r.state, version = r.version + 1, reason = r.reason,
            decided_at = CASE WHEN r.state <> 'pending' THEN callboard_now() END,
            escalated_at = CASE WHEN r.escalates THEN callboard_now() ELSE a.escalated_at END
        FROM json_to_recordset($2::json) AS r (id uuid, version int, state text, reason text, escalates boolean)
        WHERE a.account_id = $1 AND a.id = r.id AND a.version = r.version AND a.state = 'pending'
        RETURNING 1
    )""",
    short=InvalidTransition("the approval is decided already"),
)
CAST = Write(
    "vote_cast",
    """vote_cast AS (
        INSERT INTO approval_votes (account_id, approval_id, on_behalf_of_id, voter_id, vote, note, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, callboard_now()) RETURNING 1
    )""",
)

_DELEGATION = "d.from_person_id, d.to_person_id, d.reason, d.until, d.created_at"
# Whoever would be the delegate, and whether the time that was asked for is still to come.
DELEGATE = """
SELECT $3::timestamptz > callboard_now() AS is_ahead, callboard_now() AS now,
    (SELECT role FROM people WHERE account_id = $1 AND id = $2 AND removed_at IS NULL) AS role
"""
# What one person has lent, and what was lent to them.
DELEGATIONS = f"""
SELECT {_DELEGATION} FROM approval_delegations d
WHERE d.account_id = $1 AND (d.from_person_id = $2 OR d.to_person_id = $2) AND d.until > callboard_now()
ORDER BY d.created_at, d.from_person_id LIMIT 200
"""
DELEGATION_LOCKED = (
    f"SELECT {_DELEGATION} FROM approval_delegations d WHERE d.account_id = $1 AND d.from_person_id = $2 FOR UPDATE"
)
DELEGATE_TO = Write(
    "delegated",
    """delegated AS (
        INSERT INTO approval_delegations (account_id, from_person_id, to_person_id, reason, until, created_at)
        VALUES ($1, $2, $3, $4, $5, callboard_now())
        ON CONFLICT (account_id, from_person_id) DO UPDATE SET to_person_id = excluded.to_person_id, reason = excluded.reason,
            until = excluded.until, created_at = excluded.created_at
        RETURNING 1
    )""",
)
TAKE_BACK = Write(
    "delegation_ended",
    """delegation_ended AS (
        DELETE FROM approval_delegations WHERE account_id = $1 AND from_person_id = $2 RETURNING 1
    )""",
)
