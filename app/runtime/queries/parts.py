"""Parts of which the statements of the ledger are made."""

from app.runtime.rules.settings import SETTINGS

CLAIMABLE = "state IN ('queued', 'retry_scheduled')"

# Takes `told` and `written`. Counter rows are locked in the order of accounts and last, so nothing is awaited meanwhile.
TELL = """counted AS (
    SELECT account_id, count(*) AS many FROM told GROUP BY account_id
), counters AS (
    SELECT e.account_id FROM event_counters e
    WHERE e.account_id IN (SELECT account_id FROM counted) AND (SELECT count(*) FROM written) >= 0
    ORDER BY e.account_id FOR UPDATE
), numbered AS (
    UPDATE event_counters e SET last_seq = e.last_seq + n.many FROM counted n
    WHERE e.account_id = n.account_id AND (SELECT count(*) FROM counters) > 0
    RETURNING e.account_id, e.last_seq - n.many AS base
), recorded AS (
    INSERT INTO events (account_id, seq, event_id, type, entity_kind, entity_id, sequence, actor_kind, actor_id, source, cause_id,
                        depth, request_id, correlation_id, payload, schema_version, at)
    SELECT t.account_id, n.base + row_number() OVER (PARTITION BY t.account_id ORDER BY t.id), t.event_id, t.kind, t.entity_kind,
           t.id, t.sequence, 'system', NULL, 'worker', t.cause_id, t.depth, t.request_id, t.correlation_id, t.payload, 1,
           callboard_now()
    FROM told t JOIN numbered n ON n.account_id = t.account_id
)"""

# Takes `lanes_of_ended (account_id, held_keys)`, the locked lanes of what ended: their slots are free, and of the lanes that
# wait for one, as many go on. Limits are locked after lanes and in the order of their keys.
GIVE_BACK = """slots_freed AS (
    SELECT k.account_id, s.key, count(*) AS many FROM lanes_of_ended k CROSS JOIN LATERAL unnest(k.held_keys) AS s (key)
    GROUP BY k.account_id, s.key
), limits_locked AS (
    SELECT r.account_id, r.key, f.many FROM slots_freed f JOIN runtime_limits r ON r.account_id = f.account_id AND r.key = f.key
    ORDER BY r.account_id, r.key FOR UPDATE OF r
), slots_given_back AS (
    UPDATE runtime_limits r SET used = greatest(r.used - k.many, 0) FROM limits_locked k
    WHERE r.account_id = k.account_id AND r.key = k.key RETURNING 1
), lanes_next AS (
    SELECT w.account_id, w.id FROM slots_freed f CROSS JOIN LATERAL (
        SELECT account_id, id FROM runtime_lanes
        WHERE account_id = f.account_id AND waits_for = f.key AND state = 'waiting'
        ORDER BY ready_at LIMIT f.many FOR UPDATE SKIP LOCKED
    ) w WHERE (SELECT count(*) FROM slots_given_back) >= 0
), lanes_woken AS (
    UPDATE runtime_lanes l SET state = 'ready', waits_for = NULL FROM lanes_next w
    WHERE l.account_id = w.account_id AND l.id = w.id RETURNING 1
)"""


def default_most(of: str, group: str) -> str:
    """What the registry of settings allows where an account set nothing: `<group>.<of>.most`, else the most of its kind."""
    known = {name.split(".")[1]: one.default for name, one in SETTINGS.items() if name.startswith(f"{group}.")}
    cases = " ".join(f"WHEN '{name}' THEN {most}" for name, most in known.items())
    return f"CASE {of} {cases} ELSE {max(known.values())} END"
