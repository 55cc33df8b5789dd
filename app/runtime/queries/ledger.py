"""SQL of claiming: due commands and ready lanes, in the order of their time or from accounts in turn."""

from app.runtime.queries.parts import CLAIMABLE, TELL

# A claim that meets a paused command holds it instead; while nothing is paused, nobody looks further.
_PAUSE = """CASE WHEN (SELECT EXISTS (SELECT FROM runtime_pauses)) THEN (
        SELECT 'pause:' || x.kind || ':' || x.name FROM runtime_pauses x
        WHERE x.account_id = c.account_id
          AND (x.kind = 'all' OR x.kind = 'queue' AND x.name = c.queue OR x.kind = 'type' AND x.name = c.type)
        ORDER BY x.kind LIMIT 1) END"""
_IS_REGISTERED = "EXISTS (SELECT FROM runtime_workers WHERE id = $1)"

_START = """claimed AS (
    UPDATE runtime_commands c SET
        state = CASE WHEN p.held_by IS NULL THEN 'running' ELSE 'held' END, held_by = p.held_by,
        attempt = c.attempt + (p.held_by IS NULL)::int,
        worker_id = CASE WHEN p.held_by IS NULL THEN $1 ELSE c.worker_id END,
        claimed_at = CASE WHEN p.held_by IS NULL THEN clock_timestamp() ELSE c.claimed_at END,
        first_started_at = CASE WHEN p.held_by IS NULL THEN coalesce(c.first_started_at, callboard_now())
                                ELSE c.first_started_at END,
        updated_at = callboard_now()
    FROM picked p WHERE c.account_id = p.account_id AND c.id = p.id
    RETURNING c.account_id, c.id, c.type, c.profile, c.prio, c.attempt, c.lost, c.released, c.waited, c.spent, c.payload,
        c.lane_id, c.lane_seq, c.request_id, c.correlation_id, c.cause_id, c.depth, c.expires_at, c.run_at, c.first_started_at,
        c.held_by, p.lane_epoch
), written AS (
    INSERT INTO runtime_command_attempts (account_id, command_id, attempt, worker_id, started_at, lane_epoch)
    SELECT account_id, id, attempt, $1, callboard_now(), lane_epoch FROM claimed WHERE held_by IS NULL RETURNING 1
), told AS (
    SELECT account_id, id, ($2::uuid[])[row_number() OVER ()] AS event_id, 'command' AS entity_kind,
           CASE WHEN held_by IS NULL THEN 'runtime:command:started' ELSE 'runtime:command:held' END AS kind,
           attempt * 2 - (held_by IS NULL)::int AS sequence, cause_id, depth, request_id, correlation_id,
           CASE WHEN held_by IS NULL
               THEN jsonb_build_object('type', type, 'profile', profile, 'state', 'running', 'attempt', attempt)
               ELSE jsonb_build_object('type', type, 'profile', profile, 'state', 'held', 'held_by', held_by) END AS payload
    FROM claimed
)"""

_CLAIM_FIELDS = """account_id, id, type, profile, prio, attempt, lost, released, waited, spent, payload::text AS payload,
       lane_id, lane_seq, lane_epoch, request_id, correlation_id, cause_id, depth, held_by,
       coalesce(expires_at <= callboard_now(), false) AS expired,
       extract(epoch FROM callboard_now() - run_at)::float8 AS late,
       extract(epoch FROM callboard_now() - first_started_at)::float8 AS elapsed"""

# $1 worker, $2 ids for the events, $3 priority classes, $4 how many of each.
CLAIM = f"""WITH picked AS (
    SELECT c.account_id, c.id, NULL::bigint AS lane_epoch, {_PAUSE} AS held_by
    FROM unnest($3::smallint[], $4::int[]) k (prio, many) CROSS JOIN LATERAL (
        SELECT account_id, id, queue, type FROM runtime_commands
        WHERE prio = k.prio AND lane_id IS NULL AND {CLAIMABLE} AND run_at <= callboard_now()
        ORDER BY run_at, id LIMIT k.many FOR UPDATE SKIP LOCKED
    ) c WHERE {_IS_REGISTERED}
), {_START}, {TELL} SELECT {_CLAIM_FIELDS} FROM claimed"""

# Steps from one account with something to the next, and from the last to the first; `{source}` says where it looks. An account
# that is there alone gives nothing: it needs no turn.
_NEXT = """SELECT coalesce(
            (SELECT account_id {source} AND account_id > {after} ORDER BY {order} LIMIT 1),
            (SELECT account_id {source} AND account_id >= '00000000-0000-0000-0000-000000000000' ORDER BY {order} LIMIT 1)
        ) AS account_id"""
_TURN = """turn AS (
    SELECT k.prio, k.many, n.account_id, n.account_id AS first, 1 AS nth
    FROM asked k CROSS JOIN LATERAL ({start} OFFSET 0) n WHERE n.account_id IS NOT NULL
    UNION ALL
    SELECT t.prio, t.many, n.account_id, t.first, t.nth + 1 FROM turn t CROSS JOIN LATERAL ({step} OFFSET 0) n
    WHERE t.nth < least(greatest(t.many, 2), 32) AND n.account_id <> t.first
), shared AS (
    SELECT prio, account_id, nth, accounts, greatest(many / accounts, 1) AS share
    FROM (SELECT *, (count(*) OVER (PARTITION BY prio))::int AS accounts FROM turn) t WHERE nth <= many
), served AS (
    SELECT prio, account_id, share FROM shared WHERE accounts > 1
)"""


def _turn(source: str, order: str) -> str:
    start, step = (_NEXT.format(source=source, order=order, after=after) for after in ("k.after", "t.account_id"))
    return _TURN.format(start=start, step=step)


# $1 worker, $2 ids for the events, $3 priority classes, $4 how many of each, $5 the accounts after which to begin. Each of the
# next accounts gives its share, looking at no more than its first commands; who was last is answered in any case.
CLAIM_IN_TURN = f"""WITH RECURSIVE asked AS (
    SELECT prio, many, after FROM unnest($3::smallint[], $4::int[], $5::uuid[]) AS k (prio, many, after)
), {_turn(f"FROM runtime_commands WHERE {CLAIMABLE}", "account_id, queue, run_at")}, picked AS (
    SELECT c.account_id, c.id, NULL::bigint AS lane_epoch, {_PAUSE} AS held_by
    FROM served t CROSS JOIN LATERAL (
        SELECT d.account_id, d.id, d.queue, d.type FROM (
            SELECT f.id FROM unnest('{{control,inbound,outbound,ticks}}'::text[]) AS q (queue) CROSS JOIN LATERAL (
                SELECT id, prio, lane_id FROM runtime_commands
                WHERE account_id = t.account_id AND queue = q.queue AND {CLAIMABLE} AND run_at <= callboard_now()
                ORDER BY run_at LIMIT 200
            ) f WHERE f.prio = t.prio AND f.lane_id IS NULL LIMIT t.share
        ) first JOIN runtime_commands d ON d.account_id = t.account_id AND d.id = first.id
        WHERE d.{CLAIMABLE} AND d.run_at <= callboard_now() FOR UPDATE OF d SKIP LOCKED
    ) c WHERE {_IS_REGISTERED}
), {_START}, {TELL}
SELECT c.*, t.prio AS of_prio, t.account_id AS last_account, t.accounts
FROM (SELECT DISTINCT ON (prio) prio, account_id, accounts FROM shared ORDER BY prio, nth DESC) t
LEFT JOIN (SELECT {_CLAIM_FIELDS} FROM claimed) c ON c.prio = t.prio"""

# `h` tells of the statement's snapshot even if the lane's row is newer: a command beyond `h.seen` may have come since. The head
# itself is locked or left, since a later one must not overtake it.
_LOOK = f"""SELECT l.account_id, l.id AS lane_id, l.limit_keys, l.ready_at, h.*, h.run_at <= callboard_now() AS is_due
    FROM {{lanes}} CROSS JOIN LATERAL (
        SELECT l.last_seq AS seen, c.id, c.state, c.run_at, {_PAUSE} AS paused FROM (VALUES (1)) one LEFT JOIN LATERAL (
            SELECT account_id, id, state, run_at, queue, type FROM runtime_commands
            WHERE account_id = l.account_id AND lane_id = l.id AND lane_seq > l.done_seq
              AND state NOT IN ('succeeded', 'failed_terminal', 'dead_lettered', 'canceled')
            ORDER BY lane_seq LIMIT 1
        ) c ON true OFFSET 0
    ) h
    WHERE l.state = 'ready' AND l.ready_at <= callboard_now() AND {_IS_REGISTERED}"""

# A lane without room under one of its limits waits for it; so does one whose limit somebody else is changing at this moment,
# since who frees a slot there wakes it. Limits are locked after lanes and in the order of their keys.
_LEASE = f"""settled AS (
    UPDATE runtime_lanes l SET
        done_seq = CASE WHEN k.id IS NULL THEN greatest(l.done_seq, k.seen) ELSE l.done_seq END,
        state = CASE WHEN k.id IS NULL AND l.last_seq <= k.seen THEN 'idle'
                     WHEN k.{CLAIMABLE} AND k.is_due THEN 'waiting' ELSE 'ready' END,
        waits_for = CASE WHEN k.{CLAIMABLE} AND k.is_due THEN k.paused END,
        ready_at = CASE WHEN k.id IS NULL THEN l.ready_at WHEN NOT k.is_due THEN k.run_at
                        WHEN k.{CLAIMABLE} THEN callboard_now() + interval '30 s'
                        ELSE callboard_now() + interval '1 s' END
    FROM looked k WHERE l.account_id = k.account_id AND l.id = k.lane_id
        AND (k.id IS NULL OR NOT k.is_due OR k.paused IS NOT NULL OR NOT k.{CLAIMABLE})
    RETURNING 1
), heads AS (
    SELECT c.account_id, c.id, c.lane_id, k.limit_keys, k.ready_at
    FROM looked k JOIN runtime_commands c ON c.account_id = k.account_id AND c.id = k.id
    WHERE k.is_due AND k.paused IS NULL AND k.{CLAIMABLE} AND c.{CLAIMABLE} FOR UPDATE OF c SKIP LOCKED
), wanting AS (
    SELECT h.account_id, h.lane_id, s.key,
           row_number() OVER (PARTITION BY h.account_id, s.key ORDER BY h.ready_at, h.lane_id) AS nth
    FROM heads h CROSS JOIN LATERAL unnest(h.limit_keys) AS s (key)
), rooms AS (
    SELECT r.account_id, r.key, r.most - r.used AS room
    FROM (SELECT DISTINCT account_id, key FROM wanting) w JOIN runtime_limits r ON r.account_id = w.account_id AND r.key = w.key
    ORDER BY r.account_id, r.key FOR UPDATE OF r SKIP LOCKED
), crowded AS (
    SELECT DISTINCT ON (w.account_id, w.lane_id) w.account_id, w.lane_id, w.key
    FROM wanting w LEFT JOIN rooms r ON r.account_id = w.account_id AND r.key = w.key
    WHERE r.key IS NULL OR w.nth > r.room ORDER BY w.account_id, w.lane_id, w.key
), parked AS (
    UPDATE runtime_lanes l SET state = 'waiting', waits_for = f.key FROM crowded f
    WHERE l.account_id = f.account_id AND l.id = f.lane_id
), picked AS (
    UPDATE runtime_lanes l SET state = 'leased', epoch = l.epoch + 1, worker_id = $1, held_keys = c.limit_keys
    FROM heads c WHERE l.account_id = c.account_id AND l.id = c.lane_id
        AND NOT EXISTS (SELECT FROM crowded f WHERE f.account_id = c.account_id AND f.lane_id = c.lane_id)
    RETURNING c.account_id, c.id, l.epoch AS lane_epoch, NULL::text AS held_by, c.limit_keys
), slots_taken AS (
    UPDATE runtime_limits r SET used = r.used + p.many FROM (
        SELECT p.account_id, s.key, count(*) AS many FROM picked p CROSS JOIN LATERAL unnest(p.limit_keys) AS s (key)
        GROUP BY p.account_id, s.key
    ) p WHERE r.account_id = p.account_id AND r.key = p.key
), {_START}, {TELL}
SELECT c.*, n.moved, n.last_account, n.accounts FROM (
    SELECT (SELECT count(*) FROM settled) + (SELECT count(*) FROM heads) AS moved, {{last}}
) n LEFT JOIN (SELECT {_CLAIM_FIELDS} FROM claimed) c ON true"""

# $1 worker, $2 ids for the events, $3 how many lanes; how many were moved, leased or not, is answered in any case.
CLAIM_LANES = f"""WITH looked AS (
    {_LOOK.format(lanes="runtime_lanes l")} ORDER BY l.ready_at LIMIT $3 FOR UPDATE OF l SKIP LOCKED
), {_LEASE.format(last="NULL::uuid AS last_account, 0 AS accounts")}"""

_LAST_LOOKED_AT = """(SELECT account_id FROM shared ORDER BY nth DESC LIMIT 1) AS last_account,
           (SELECT max(accounts) FROM shared) AS accounts"""
# $4 the account after which to begin.
CLAIM_LANES_IN_TURN = f"""WITH RECURSIVE asked AS (
    SELECT 0 AS prio, $3::int AS many, $4::uuid AS after
), {_turn("FROM runtime_lanes WHERE state = 'ready'", "account_id, ready_at")}, near AS (
    SELECT n.account_id, n.id FROM served t CROSS JOIN LATERAL (
        SELECT account_id, id FROM runtime_lanes
        WHERE account_id = t.account_id AND state = 'ready' AND ready_at <= callboard_now() ORDER BY ready_at LIMIT t.share
    ) n
), looked AS (
    {_LOOK.format(lanes="near n JOIN runtime_lanes l ON l.account_id = n.account_id AND l.id = n.id")}
    FOR UPDATE OF l SKIP LOCKED
), {_LEASE.format(last=_LAST_LOOKED_AT)}"""

# Two looks that cost a tenth of a claim: is a lane ready, and has more than one account something to do?
IS_A_LANE_READY = "SELECT EXISTS (SELECT FROM runtime_lanes WHERE state = 'ready' AND ready_at <= callboard_now())"
ARE_SEVERAL = f"""
SELECT EXISTS (SELECT FROM (
    SELECT account_id FROM runtime_commands
    WHERE {CLAIMABLE} AND account_id >= '00000000-0000-0000-0000-000000000000' ORDER BY account_id LIMIT 1
) first CROSS JOIN LATERAL (
    SELECT FROM runtime_commands WHERE {CLAIMABLE} AND account_id > first.account_id ORDER BY account_id LIMIT 1
) second)
"""

WHERE_IS_WORK = f"""
SELECT EXISTS (SELECT FROM runtime_lanes WHERE state = 'ready' AND ready_at <= callboard_now()) AS is_in_lanes,
    ARRAY(SELECT k.prio FROM unnest($1::smallint[]) AS k (prio) CROSS JOIN LATERAL (
        SELECT FROM runtime_commands c
        WHERE c.prio = k.prio AND c.lane_id IS NULL AND c.{CLAIMABLE} AND c.run_at <= callboard_now()
        ORDER BY c.run_at, c.id LIMIT 1) c) AS prios
"""
