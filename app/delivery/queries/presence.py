"""SQL of the presence of gateways, each by its profile's name."""

_USED = """EXISTS (SELECT FROM agents a WHERE a.account_id = $1 AND a.profile_id = x.id AND a.reach = 'gateway'
        AND a.retired_at IS NULL)"""
# The profiles that agents are reached through; one that gave a sign less than `$2` seconds ago is left alone.
TO_PROBE = f"""
SELECT x.name, x.adapter, x.url, x.settings::text AS settings,
    coalesce(g.seen_at > callboard_now() - make_interval(secs => $2), false) AS is_fresh
FROM executor_profiles x LEFT JOIN gateway_presence g ON g.account_id = $1 AND g.profile_id = x.id
WHERE x.account_id = $1 AND {_USED} ORDER BY x.name
"""
_WRITTEN = f"""
WITH profile AS (
    SELECT x.id, x.name, x.version FROM executor_profiles x WHERE x.account_id = $1 AND x.name = $2 AND {_USED}
), before AS (
    SELECT g.state FROM gateway_presence g JOIN profile x ON g.profile_id = x.id WHERE g.account_id = $1 FOR UPDATE OF g
), written AS (
    INSERT INTO gateway_presence AS g (account_id, profile_id, state, interval_seconds, seen_at, until, changed_at, error)
    SELECT $1, x.id, 'online', $3, {{seen}}, callboard_now() + make_interval(secs => $4), callboard_now(), {{error}}
    FROM profile x, (SELECT count(*) FROM before) f
    ON CONFLICT (account_id, profile_id) DO UPDATE SET {{change}}
    RETURNING g.state
)
SELECT x.id, x.name, x.version, w.state, coalesce(b.state, 'online') AS before
FROM written w CROSS JOIN profile x LEFT JOIN before b ON true
"""
# A sign of life renews the lease for `$4` seconds.
HEARD = _WRITTEN.format(
    seen="callboard_now()",
    error="NULL",
    change="""state = 'online', seen_at = excluded.seen_at, until = excluded.until, interval_seconds = excluded.interval_seconds,
        error = NULL, changed_at = CASE g.state WHEN 'online' THEN g.changed_at ELSE callboard_now() END""",
)
# No sign; `$5` says why. Once the lease has run out it is offline, and nobody knows of one that was never seen before that.
MISSED = _WRITTEN.format(
    seen="NULL",
    error="$5",
    change="""state = CASE WHEN g.until <= callboard_now() THEN 'offline' ELSE g.state END, error = excluded.error,
        interval_seconds = excluded.interval_seconds,
        changed_at = CASE WHEN g.state = 'online' AND g.until <= callboard_now() THEN callboard_now() ELSE g.changed_at END""",
)
# By name; what waits for a gateway is found through its agents.
GATEWAYS = f"""
SELECT x.id, x.name, x.adapter, x.url, x.settings::text AS settings, g.state, g.seen_at, g.until, g.changed_at, g.error,
    g.interval_seconds,
    (SELECT count(*) FROM agents a JOIN notifications n ON n.account_id = $1 AND n.recipient_id = a.id AND n.state = 'queued'
     WHERE a.account_id = $1 AND a.profile_id = x.id AND n.command_id IS NOT NULL) AS queued_deliveries,
    (SELECT count(*) FROM agents a WHERE a.account_id = $1 AND a.profile_id = x.id AND a.retired_at IS NULL) AS agents
FROM executor_profiles x LEFT JOIN gateway_presence g ON g.account_id = $1 AND g.profile_id = x.id
WHERE x.account_id = $1 AND x.name > $2 AND {_USED} ORDER BY x.name LIMIT $3
"""
# What was put off while the gateway of the profile `$2` was away.
PUT_OFF = """
SELECT k.id FROM agents a JOIN notifications n ON n.account_id = $1 AND n.recipient_id = a.id AND n.state = 'queued'
JOIN runtime_commands k ON k.account_id = $1 AND k.id = n.command_id AND k.state = 'retry_scheduled'
WHERE a.account_id = $1 AND a.profile_id = $2 ORDER BY k.id
"""
BREAKERS = "SELECT dependency, state FROM runtime_breakers WHERE account_id = $1 AND dependency = ANY($2)"
