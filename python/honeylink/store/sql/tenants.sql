-- name: create_tenant^
-- Make a tenant with its pool, its first data key and the audit event, if there is none of that name.
WITH tenant AS (
    INSERT INTO tenants (tenant_id, name) VALUES (:tenant_id::uuid, :name::text)
    ON CONFLICT (name) DO NOTHING
    RETURNING tenant_id, name
),
pool AS (
    INSERT INTO pools (tenant_id, level, pool_id, capacity_kbps, accepting)
    SELECT tenant_id, 1, name, :pool_kbps::bigint, true FROM tenant
),
data_key AS (
    INSERT INTO data_keys (tenant_id, dek_id, provider, key_id, key_version, ciphertext)
    SELECT tenant_id, :dek_id::uuid, :provider::text, :key_id::text, :key_version::integer, :ciphertext::bytea
    FROM tenant
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, :event_id::uuid, :category::text, :actor::text, NULL, :outcome::text, :details::jsonb,
           :trace_id::text
    FROM tenant
)
SELECT tenant_id FROM tenant;

-- name: find_tenant_by_name^
-- The tenant of that name.
SELECT tenant_id FROM tenants WHERE name = :name;

-- name: list_tenants
-- All tenants, by name.
SELECT tenant_id, name, created_at FROM tenants ORDER BY name;

-- name: find_data_key^
-- The tenant's newest data key, wrapped.
SELECT dek_id, provider, key_id, key_version, ciphertext
FROM data_keys
WHERE tenant_id = :tenant_id
ORDER BY created_at DESC, dek_id DESC
LIMIT 1;

-- name: list_sample_data_keys
-- For each key that wraps data keys one of those, of whichever tenant: to try the key provider on.
SELECT DISTINCT ON (provider, key_id, key_version) tenant_id, dek_id, provider, key_id, key_version, ciphertext
FROM data_keys
ORDER BY provider, key_id, key_version;
