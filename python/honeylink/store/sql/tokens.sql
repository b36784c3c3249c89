-- name: find_token^
-- A token by its id, live or revoked. Also says whether the tenant exists, so that a refused attempt can be recorded with it.
SELECT token.name, token.role, token.device_id, token.sha256, token.revoked_at
FROM tenants AS tenant
LEFT JOIN tokens AS token ON token.tenant_id = tenant.tenant_id AND token.token_id = :token_id
WHERE tenant.tenant_id = :tenant_id;

-- name: create_token^
-- Store a token and its audit event. No row comes back if a live token has that name.
WITH token AS (
    INSERT INTO tokens (tenant_id, token_id, name, role, sha256)
    VALUES (:tenant_id::uuid, :token_id::uuid, :name::text, :role::text, :sha256::bytea)
    ON CONFLICT (tenant_id, name) WHERE revoked_at IS NULL AND role <> 'device' DO NOTHING
    RETURNING tenant_id, token_id
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, :event_id::uuid, :category::text, :actor::text, NULL, :outcome::text, :details::jsonb,
           :trace_id::text
    FROM token
)
SELECT token_id FROM token;

-- name: revoke_token^
-- Revoke a token by its name, write the audit event and tell every process. No row comes back if no live token has that name.
WITH token AS (
    UPDATE tokens
    SET revoked_at = now()
    WHERE tenant_id = :tenant_id AND name = :name AND role <> 'device' AND revoked_at IS NULL
    RETURNING tenant_id, token_id
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, :event_id::uuid, :category::text, :actor::text, NULL, :outcome::text, :details::jsonb,
           :trace_id::text
    FROM token
)
SELECT token_id, pg_notify('honeylink_changes', token_id::text) FROM token;


-- name: notify^
-- Tell every process that listens.
SELECT pg_notify(:channel::text, :payload::text);
