"""SQL that keeps limits and waiting lanes right: what a claim and an end that crossed each other left is put in order."""

from app.runtime.queries.parts import default_most

# Lanes that wait for a limit with room or for a pause that is over; $1 the lock of who looks. A lane that waits for a pause is
# looked at again after a while all the same, since its first command may have become another one.
WAKE_LANES = """
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock($1) AS is_mine WHERE EXISTS (SELECT FROM runtime_lanes WHERE state = 'waiting')
), chosen AS (
    SELECT w.account_id, w.id FROM turn CROSS JOIN runtime_limits r CROSS JOIN LATERAL (
        SELECT account_id, id FROM runtime_lanes
        WHERE account_id = r.account_id AND waits_for = r.key AND state = 'waiting'
        ORDER BY ready_at LIMIT r.most - r.used FOR UPDATE SKIP LOCKED
    ) w WHERE turn.is_mine AND r.used < r.most
    UNION ALL
    SELECT p.account_id, p.id FROM turn CROSS JOIN LATERAL (
        SELECT l.account_id, l.id FROM runtime_lanes l
        WHERE l.state = 'waiting' AND starts_with(l.waits_for, 'pause:') AND (l.ready_at <= callboard_now() OR NOT EXISTS (
            SELECT FROM runtime_pauses x WHERE x.account_id = l.account_id AND l.waits_for = 'pause:' || x.kind || ':' || x.name))
        LIMIT 1000 FOR UPDATE SKIP LOCKED
    ) p WHERE turn.is_mine
)
UPDATE runtime_lanes l SET state = 'ready', waits_for = NULL, ready_at = least(l.ready_at, callboard_now())
FROM chosen w WHERE l.account_id = w.account_id AND l.id = w.id
RETURNING 1
"""

# Limits take over what their accounts' settings say.
_MOST = default_most("split_part(r.key, ':', 1)", "limit")
REFRESH_LIMITS = f"""
WITH changed AS (
    SELECT r.account_id, r.key, (s.value #>> '{{}}')::int AS most
    FROM runtime_limits r JOIN runtime_settings s ON s.account_id = r.account_id
        AND s.name = 'limit.' || split_part(r.key, ':', 1) || '.most'
    WHERE r.most <> (s.value #>> '{{}}')::int
    UNION ALL
    SELECT r.account_id, r.key, d.most
    FROM runtime_limits r CROSS JOIN LATERAL (SELECT {_MOST} AS most) d
    WHERE r.most <> d.most AND NOT EXISTS (
        SELECT FROM runtime_settings s
        WHERE s.account_id = r.account_id AND s.name = 'limit.' || split_part(r.key, ':', 1) || '.most')
), locked AS (
    SELECT r.account_id, r.key, c.most FROM changed c JOIN runtime_limits r ON r.account_id = c.account_id AND r.key = c.key
    ORDER BY r.account_id, r.key FOR UPDATE OF r
)
UPDATE runtime_limits r SET most = k.most FROM locked k WHERE r.account_id = k.account_id AND r.key = k.key
"""

_HELD = """SELECT l.account_id, s.key, count(*) AS many FROM runtime_lanes l CROSS JOIN LATERAL unnest(l.held_keys) AS s (key)
    WHERE l.state = 'leased' AND l.held_keys IS NOT NULL GROUP BY l.account_id, s.key"""
# What seems wrong may be a claim under way, so it is locked first and counted again by a second statement.
LOCK_DOUBTFUL = f"""
WITH held AS MATERIALIZED ({_HELD}), doubtful AS (
    SELECT r.account_id, r.key FROM runtime_limits r LEFT JOIN held h ON h.account_id = r.account_id AND h.key = r.key
    WHERE r.used <> coalesce(h.many, 0)
)
SELECT r.account_id, r.key FROM doubtful d JOIN runtime_limits r ON r.account_id = d.account_id AND r.key = d.key
ORDER BY r.account_id, r.key LIMIT 500 FOR UPDATE OF r SKIP LOCKED
"""
RECOUNT = f"""
WITH held AS MATERIALIZED ({_HELD})
UPDATE runtime_limits r SET used = coalesce(h.many, 0)
FROM unnest($1::uuid[], $2::text[]) AS k (account_id, key) LEFT JOIN held h ON h.account_id = k.account_id AND h.key = k.key
WHERE r.account_id = k.account_id AND r.key = k.key AND r.used <> coalesce(h.many, 0)
RETURNING r.account_id, r.key
"""
