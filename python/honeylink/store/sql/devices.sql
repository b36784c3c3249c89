-- name: lock_device^
-- Lock a device for the rest of the transaction, and tell where it stands; no row if there is none. A statement sees of other rows what was committed when it began, whatever it awaited since; so what changes a device comes after, as a statement of its own.
SELECT status FROM devices
WHERE tenant_id = :tenant_id AND device_id = :device_id
FOR NO KEY UPDATE;

-- name: register_device^
-- Store a device with its pool, its token and the audit event; or one that is pending anew, but for its pool, with a new token and code in place of the old. Its lock is held, if it was there. No row comes back if somebody has registered it since that was tried.
WITH device AS (
    INSERT INTO devices AS device (
        tenant_id, device_id, status, public_key, firmware_version, capabilities, metadata, registered_at,
        pairing_code_mac, pairing_expires_at
    )
    VALUES (
        :tenant_id::uuid, :device_id::text, 'pending', :public_key::bytea, :firmware_version::text,
        :capabilities::text[], :metadata::jsonb, statement_timestamp(), :pairing_code_mac::bytea,
        statement_timestamp() + make_interval(secs => :pairing_ttl_seconds::integer)
    )
    ON CONFLICT (tenant_id, device_id) DO UPDATE
    SET public_key = excluded.public_key, firmware_version = excluded.firmware_version,
        capabilities = excluded.capabilities, metadata = excluded.metadata, registered_at = excluded.registered_at,
        pairing_code_mac = excluded.pairing_code_mac, pairing_expires_at = excluded.pairing_expires_at,
        pairing_tries = 0
    WHERE :locked::boolean AND device.status = 'pending'
    RETURNING tenant_id, device_id, registered_at, pairing_expires_at
),
pool AS (
    INSERT INTO pools (tenant_id, level, pool_id, capacity_kbps, accepting)
    SELECT tenant_id, 0, device_id, :pool_kbps::bigint, false FROM device
    ON CONFLICT (tenant_id, level, pool_id) DO NOTHING
),
old_token AS (
    UPDATE tokens AS token
    SET revoked_at = statement_timestamp()
    FROM device
    WHERE token.tenant_id = device.tenant_id AND token.device_id = device.device_id AND token.revoked_at IS NULL
    RETURNING token.token_id
),
token AS (
    INSERT INTO tokens (tenant_id, token_id, name, role, device_id, sha256)
    SELECT tenant_id, :token_id::uuid, 'device ' || device_id, 'device', device_id, :token_sha256::bytea FROM device
    WHERE (SELECT count(*) FROM old_token) >= 0 -- the old one has to go first
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, :event_id::uuid, :category::text, :actor::text, device_id, :outcome::text, :details::jsonb,
           :trace_id::text
    FROM device
)
SELECT registered_at, pairing_expires_at,
       (SELECT count(pg_notify('honeylink_changes', token_id::text)) FROM old_token) AS told
FROM device;

-- name: attempt_pairing^
-- Count one try of a pending device, and pair it if the code is right and in time, and tries are left. The audit event says how it went. Returns the device as it now is. Its lock is held.
WITH device AS (
    UPDATE devices AS device
    SET pairing_tries = device.pairing_tries + 1,
        status = CASE WHEN attempt.paired THEN 'paired' ELSE device.status END,
        paired_at = CASE WHEN attempt.paired THEN statement_timestamp() END,
        dmk_provider = CASE WHEN attempt.paired THEN :dmk_provider::text END,
        dmk_key_id = CASE WHEN attempt.paired THEN :dmk_key_id::text END,
        dmk_key_version = CASE WHEN attempt.paired THEN :dmk_key_version::integer END,
        dmk_ciphertext = CASE WHEN attempt.paired THEN :dmk_ciphertext::bytea END
    FROM (
        SELECT tenant_id, device_id,
               pairing_code_mac = :pairing_code_mac::bytea
               AND pairing_expires_at > statement_timestamp()
               AND pairing_tries < :max_tries::integer AS paired
        FROM devices
        WHERE tenant_id = :tenant_id AND device_id = :device_id
    ) AS attempt
    WHERE device.tenant_id = attempt.tenant_id AND device.device_id = attempt.device_id AND device.status = 'pending'
    RETURNING device.*
),
pool AS (
    UPDATE pools AS pool
    SET accepting = true
    FROM device
    WHERE pool.tenant_id = device.tenant_id AND pool.level = 0 AND pool.pool_id = device.device_id
      AND device.status = 'paired'
    RETURNING pool.pool_id
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, :event_id::uuid, :category::text, :actor::text, device_id,
           CASE status WHEN 'paired' THEN 'success' ELSE 'refused' END,
           jsonb_build_object('try', pairing_tries), :trace_id::text
    FROM device
    WHERE (SELECT count(*) FROM pool) >= 0 -- it is dated once the pool is locked
)
SELECT status, paired_at, pairing_tries, pairing_expires_at > statement_timestamp() AS in_time FROM device;

-- name: revoke_device^
-- Revoke a device and its token, close its pool, tell every process and write the audit event. Its lock is held. Its live sessions are ended by later statements; the closed pool lets no new ones in. So the event is dated under the pool's lock, after all that came in before.
WITH device AS (
    UPDATE devices
    SET status = 'revoked', revoked_at = statement_timestamp(), revoke_reason = :reason::text
    WHERE tenant_id = :tenant_id AND device_id = :device_id AND status <> 'revoked'
    RETURNING tenant_id, device_id
),
pool AS (
    UPDATE pools AS pool
    SET accepting = false
    FROM device
    WHERE pool.tenant_id = device.tenant_id AND pool.level = 0 AND pool.pool_id = device.device_id
    RETURNING pool.pool_id
),
token AS (
    UPDATE tokens AS token
    SET revoked_at = statement_timestamp()
    FROM device
    WHERE token.tenant_id = device.tenant_id AND token.device_id = device.device_id AND token.revoked_at IS NULL
    RETURNING token.token_id
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, :event_id::uuid, :category::text, :actor::text, device_id, :outcome::text, :details::jsonb,
           :trace_id::text
    FROM device
    WHERE (SELECT count(*) FROM pool) >= 0 -- it is dated once the pool is locked
)
SELECT device_id, (SELECT count(pg_notify('honeylink_changes', token_id::text)) FROM token) AS told FROM device;

-- name: list_draining_devices
-- Revoked devices whose sessions have not all been ended yet, of whichever tenant, but some devices and some tenants'.
SELECT tenant_id, device_id
FROM devices
WHERE status = 'revoked' AND drained_at IS NULL
  AND tenant_id <> ALL (:without_tenants::uuid[])
  AND (tenant_id, device_id) NOT IN (SELECT * FROM unnest(:without_device_tenants::uuid[], :without_devices::text[]))
ORDER BY revoked_at
LIMIT :limit::integer;

-- name: mark_device_drained!
-- Note that no session of a revoked device is live any more.
UPDATE devices SET drained_at = now()
WHERE tenant_id = :tenant_id AND device_id = :device_id AND status = 'revoked'
  AND (SELECT set_config('lock_timeout', :lock_wait::text, true)) IS NOT NULL; -- gone with this transaction

-- name: find_device^
-- One device with the capacity of its pool.
SELECT device.device_id, device.status, device.public_key, device.firmware_version, device.capabilities,
       device.metadata, device.registered_at, device.paired_at, pool.capacity_kbps AS pool_kbps
FROM devices AS device
JOIN pools AS pool ON pool.tenant_id = device.tenant_id AND pool.level = 0 AND pool.pool_id = device.device_id
WHERE device.tenant_id = :tenant_id AND device.device_id = :device_id;

-- name: list_devices
-- A page of devices, newest first, each with the bytes of metadata up to it. It is walked row by row, so that nothing is read past the row with which it has grown too large; the first two are read whatever they hold. The pools of the page alone are read, each by its key.
WITH RECURSIVE page AS (
    SELECT newest.*, octet_length(newest.metadata)::bigint AS bytes, 1 AS place
    FROM (
        SELECT device_id, status, public_key, firmware_version, capabilities, metadata::text AS metadata,
               registered_at, paired_at
        FROM devices
        WHERE tenant_id = :tenant_id
          AND (registered_at, device_id)
              < (coalesce(:before_at::timestamptz, 'infinity'), coalesce(:before_id::text, ''))
        ORDER BY registered_at DESC, device_id DESC
        LIMIT 1
    ) AS newest
    UNION ALL
    SELECT next.*, page.bytes + octet_length(next.metadata), page.place + 1
    FROM page
    CROSS JOIN LATERAL (
        SELECT device_id, status, public_key, firmware_version, capabilities, metadata::text AS metadata,
               registered_at, paired_at
        FROM devices
        WHERE tenant_id = :tenant_id AND (registered_at, device_id) < (page.registered_at, page.device_id)
        ORDER BY registered_at DESC, device_id DESC
        LIMIT 1
    ) AS next
    WHERE page.place < :limit::integer AND (page.place = 1 OR page.bytes < :max_bytes::bigint)
)
SELECT page.device_id, page.status, page.public_key, page.firmware_version, page.capabilities, page.metadata,
       page.registered_at, page.paired_at, page.bytes, pool.capacity_kbps AS pool_kbps
FROM page
CROSS JOIN LATERAL (
    SELECT pool.capacity_kbps
    FROM pools AS pool
    WHERE pool.tenant_id = :tenant_id AND pool.level = 0 AND pool.pool_id = page.device_id
    LIMIT 1
) AS pool
ORDER BY page.place;
