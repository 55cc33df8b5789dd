"""SQL of accounts, people and tokens."""

from app.kernel.writes import Write

AUTHENTICATE = "SELECT * FROM authenticate($1)"
FIND_ACCOUNT = "SELECT find_account($1)"

ACCOUNT = """
SELECT id, slug, name, settings::text AS settings, version, created_at, callboard_now() AS now FROM accounts WHERE id = $1
"""
ACCOUNT_LOCKED = ACCOUNT + " FOR UPDATE"
ACTIVE_AGENT = "SELECT id FROM agents WHERE account_id = $1 AND id = $2 AND retired_at IS NULL"
PEOPLE = "SELECT id, email, handle, name, role FROM people WHERE account_id = $1 AND removed_at IS NULL ORDER BY email"
TOKENS = """
SELECT id, prefix, name, person_id, agent_id, session_id, scopes, created_at, expires_at FROM api_tokens
WHERE account_id = $1 AND revoked_at IS NULL ORDER BY id LIMIT 200
"""
OPEN_SESSION_OF = "SELECT 1 FROM agent_sessions WHERE account_id = $1 AND id = $2 AND agent_id = $3 AND closed_at IS NULL"
PRINCIPAL = """
SELECT 'agent' AS kind, id, name, NULL::text AS role FROM agents WHERE account_id = $1 AND slug = $2 AND retired_at IS NULL
UNION ALL SELECT 'person', id, name, role FROM people WHERE account_id = $1 AND email = lower($2) AND removed_at IS NULL
"""

CHANGE_ACCOUNT = Write(
    "account_changed",
    """account_changed AS (
        UPDATE accounts SET name = $2, settings = $3::text::jsonb, version = version + 1 WHERE id = $1 RETURNING 1
    )""",
)
ISSUE_TOKEN = Write(
    "token_issued",
    """token_issued AS (
        INSERT INTO api_tokens (account_id, id, prefix, hash, person_id, agent_id, session_id, name, scopes, created_by_kind,
                                created_by_id, created_at, expires_at)
        SELECT $1, r.id, r.prefix, decode(r.hash, 'hex'), r.person_id, r.agent_id, r.session_id, r.name, r.scopes,
               r.created_by_kind, r.created_by_id, callboard_now(), r.expires_at
        FROM json_to_recordset($2::json) AS r (id uuid, prefix text, hash text, person_id uuid, agent_id uuid, session_id uuid,
             name text, scopes text[], created_by_kind text, created_by_id uuid, expires_at timestamptz)
        RETURNING 1
    )""",
)
REVOKE_TOKEN = Write(
    "token_revoked",
    """token_revoked AS (
        UPDATE api_tokens SET revoked_at = callboard_now()
        WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING 1
    )""",
)
