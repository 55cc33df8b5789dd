"""SQL of the settings of one account."""

from app.kernel.writes import Write

_FIELDS = "name, value::text AS value, version, reason, changed_by_kind, changed_by_id, changed_at"

SETTINGS_SET = f"SELECT {_FIELDS} FROM runtime_settings WHERE account_id = $1"

SETTING = f"SELECT {_FIELDS} FROM runtime_settings WHERE account_id = $1 AND name = $2 FOR UPDATE"

# A row whose value is null stands for the default, and keeps the count of its versions.
INSERT_SETTING = Write(
    "setting_inserted",
    """setting_inserted AS (
        INSERT INTO runtime_settings (account_id, name, value, version, reason, changed_by_kind, changed_by_id, changed_at)
        VALUES ($1, $2, $3::text::jsonb, 1, $4, $5, $6, callboard_now()) RETURNING 1
    )""",
)
CHANGE_SETTING = Write(
    "setting_changed",
    """setting_changed AS (
        UPDATE runtime_settings SET value = $3::text::jsonb, version = version + 1, reason = $4, changed_by_kind = $5,
            changed_by_id = $6, changed_at = callboard_now()
        WHERE account_id = $1 AND name = $2 RETURNING 1
    )""",
)

# $2 how the keys of these limits begin.
CHANGE_LIMITS = Write(
    "limits_changed",
    """limits_changed AS (
        UPDATE runtime_limits SET most = $3 WHERE account_id = $1 AND starts_with(key, $2) RETURNING 1
    )""",
)
