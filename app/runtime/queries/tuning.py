"""SQL of tuned profiles."""

from app.kernel.writes import Write

_FIELDS = """v.name, v.version, v.changes::text AS changes, v.reason, v.expected_effect, v.rollback_condition, v.restores_version,
    v.changed_by_kind, v.changed_by_id, v.created_at"""

# Of each profile in `$2` its last versions.
VERSIONS = f"""
SELECT {_FIELDS} FROM unnest($2::text[]) WITH ORDINALITY k (name, place) CROSS JOIN LATERAL (
    SELECT * FROM runtime_profiles p WHERE p.account_id = $1 AND p.name = k.name ORDER BY p.version DESC LIMIT 50
) v ORDER BY k.place, v.version DESC
"""

NEWEST = f"""
SELECT {_FIELDS} FROM runtime_profiles v WHERE v.account_id = $1 AND v.name = $2 ORDER BY v.version DESC LIMIT 1
"""

VERSION = f"SELECT {_FIELDS} FROM runtime_profiles v WHERE v.account_id = $1 AND v.name = $2 AND v.version = $3"

INSERT_VERSION = Write(
    "profile_tuned",
    """profile_tuned AS (
        INSERT INTO runtime_profiles (account_id, name, version, changes, reason, expected_effect, rollback_condition,
                                      restores_version, changed_by_kind, changed_by_id, created_at)
        VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8, $9, $10, callboard_now()) RETURNING 1
    )""",
)
