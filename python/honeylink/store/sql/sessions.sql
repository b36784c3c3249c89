-- name: find_session_context^
-- All that deciding on a session of one device takes: the device, its wrapped key, the tenant's data key and the pools on the device's path.
SELECT device.status,
       device.dmk_provider, device.dmk_key_id, device.dmk_key_version, device.dmk_ciphertext,
       dek.dek_id, dek.provider AS dek_provider, dek.key_id AS dek_key_id, dek.key_version AS dek_key_version,
       dek.ciphertext AS dek_ciphertext,
       path.tenant_ids, path.levels, path.pool_ids, path.capacities_kbps, path.reserved_kbps,
       now() AS now
FROM devices AS device
CROSS JOIN LATERAL (
    SELECT * FROM data_keys
    WHERE data_keys.tenant_id = device.tenant_id
    ORDER BY data_keys.created_at DESC, data_keys.dek_id DESC
    LIMIT 1
) AS dek
CROSS JOIN LATERAL (
    SELECT array_agg(pool.tenant_id ORDER BY pool.level) AS tenant_ids,
           array_agg(pool.level ORDER BY pool.level) AS levels,
           array_agg(pool.pool_id ORDER BY pool.level) AS pool_ids,
           array_agg(pool.capacity_kbps ORDER BY pool.level) AS capacities_kbps,
           array_agg(pool.reserved_kbps ORDER BY pool.level) AS reserved_kbps
    FROM pools AS pool
    WHERE (pool.tenant_id = device.tenant_id AND pool.level = 0 AND pool.pool_id = device.device_id)
       OR (pool.tenant_id = device.tenant_id AND pool.level = 1)
       OR (pool.tenant_id = '00000000-0000-0000-0000-000000000000' AND pool.level = 2)
) AS path
WHERE device.tenant_id = :tenant_id AND device.device_id = :device_id;

-- name: create_session^
-- Store a session with its streams, reservations and audit event, provided that each pool on its path still accepts sessions and has room and that the request's deadline has not passed. No row comes back if it was not stored; then nothing has changed.
WITH ask AS (
    SELECT *
    FROM unnest(:pool_tenant_ids::uuid[], :levels::smallint[], :pool_ids::text[])
        AS ask (tenant_id, level, pool_id)
),
room AS (
    -- The locks are taken in this order; a row that changed while its lock was awaited is judged as it is now.
    SELECT pool.level
    FROM pools AS pool
    JOIN ask USING (tenant_id, level, pool_id)
    WHERE pool.accepting AND pool.reserved_kbps + :total_kbps::bigint <= pool.capacity_kbps
    ORDER BY pool.level, pool.pool_id
    FOR NO KEY UPDATE OF pool
),
reserved AS (
    UPDATE pools AS pool
    SET reserved_kbps = pool.reserved_kbps + :total_kbps::bigint
    FROM ask
    WHERE pool.tenant_id = ask.tenant_id AND pool.level = ask.level AND pool.pool_id = ask.pool_id
      AND (SELECT count(*) FROM room) = cardinality(:levels::smallint[])
      AND clock_timestamp() < :deadline::timestamptz
    RETURNING pool.tenant_id, pool.level, pool.pool_id
),
session AS (
    INSERT INTO sessions (
        tenant_id, session_id, device_id, status, created_at, expires_at, session_endpoint,
        dek_id, key_nonce, key_ciphertext
    )
    SELECT :tenant_id::uuid, :session_id::uuid, :device_id::text, 'active', now(),
           now() + make_interval(secs => :ttl_seconds::integer), :session_endpoint::text,
           :dek_id::uuid, :key_nonce::bytea, :key_ciphertext::bytea
    WHERE (SELECT count(*) FROM reserved) = cardinality(:levels::smallint[])
    RETURNING tenant_id, session_id, created_at, expires_at
),
stream AS (
    INSERT INTO streams (
        tenant_id, session_id, position, stream_id, name, mode, priority, bandwidth_kbps, connection_id,
        data_shards, parity_shards
    )
    SELECT session.tenant_id, session.session_id, ask.position - 1, ask.stream_id, ask.name, ask.mode, ask.priority,
           ask.bandwidth_kbps, ask.connection_id, ask.data_shards, ask.parity_shards
    FROM session
    CROSS JOIN unnest(
        :stream_ids::uuid[], :names::text[], :modes::text[], :priorities::text[], :bandwidths_kbps::bigint[],
        :connection_ids::text[], :data_shards::smallint[], :parity_shards::smallint[]
    ) WITH ORDINALITY AS ask (
        stream_id, name, mode, priority, bandwidth_kbps, connection_id, data_shards, parity_shards, position
    )
),
reservation AS (
    INSERT INTO reservations (tenant_id, session_id, level, pool_tenant_id, pool_id, reserved_kbps)
    SELECT session.tenant_id, session.session_id, reserved.level, reserved.tenant_id, reserved.pool_id,
           :total_kbps::bigint
    FROM session
    CROSS JOIN reserved
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT session.tenant_id, :event_id::uuid, :category::text, :actor::text, :device_id::text, :outcome::text,
           :details::jsonb, :trace_id::text
    FROM session
)
SELECT created_at, expires_at FROM session;

-- name: end_sessions
-- End those of the given sessions that are still live, give their bandwidth back and write an audit event for each. One that is past its end expires, whatever was asked for; without a reason only such ones end. Returns what ended.
WITH asked AS (
    SELECT * FROM unnest(:session_ids::uuid[], :event_ids::uuid[]) AS asked (session_id, event_id)
),
held AS (
    -- Pools before sessions, in the order of all pool locks: an end and a creation, a revocation or another end can't deadlock.
    SELECT pool.level
    FROM pools AS pool
    WHERE (pool.tenant_id, pool.level, pool.pool_id) IN (
        SELECT reservation.pool_tenant_id, reservation.level, reservation.pool_id
        FROM reservations AS reservation
        WHERE reservation.tenant_id = :tenant_id AND reservation.session_id = ANY (:session_ids::uuid[])
    )
    ORDER BY pool.level, pool.pool_id
    FOR NO KEY UPDATE OF pool
),
ended AS (
    UPDATE sessions AS session
    SET status = CASE WHEN session.expires_at <= now() THEN 'expired' ELSE 'terminated' END,
        ended_at = least(session.expires_at, now()),
        end_reason = CASE WHEN session.expires_at <= now() THEN 'expired' ELSE :reason::text END
    FROM asked
    WHERE session.tenant_id = :tenant_id AND session.session_id = asked.session_id AND session.status = 'active'
      AND (session.expires_at <= now() OR :reason::text IS NOT NULL)
      AND (SELECT count(*) FROM held) >= 0 -- the locks have to come first
    RETURNING session.tenant_id, session.session_id, session.device_id, session.status, session.end_reason, asked.event_id
),
freed AS (
    DELETE FROM reservations AS reservation
    USING ended
    WHERE reservation.tenant_id = ended.tenant_id AND reservation.session_id = ended.session_id
    RETURNING reservation.pool_tenant_id, reservation.level, reservation.pool_id, reservation.reserved_kbps
),
returned AS (
    UPDATE pools AS pool
    SET reserved_kbps = pool.reserved_kbps - total.reserved_kbps
    FROM (
        SELECT pool_tenant_id, level, pool_id, sum(reserved_kbps)::bigint AS reserved_kbps
        FROM freed
        GROUP BY pool_tenant_id, level, pool_id
    ) AS total
    WHERE pool.tenant_id = total.pool_tenant_id AND pool.level = total.level AND pool.pool_id = total.pool_id
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT ended.tenant_id, ended.event_id,
           CASE ended.status WHEN 'expired' THEN 'session-expiry' ELSE 'session-termination' END,
           CASE ended.status WHEN 'expired' THEN 'system' ELSE :actor::text END,
           ended.device_id, 'success',
           jsonb_build_object('session_id', ended.session_id, 'reason', ended.end_reason),
           :trace_id::text
    FROM ended
)
SELECT session_id, status FROM ended;

-- name: list_due_sessions
-- The longest overdue sessions that are still marked active, over all tenants.
SELECT tenant_id, session_id
FROM sessions
WHERE status = 'active' AND expires_at <= now()
ORDER BY expires_at
LIMIT :limit::integer;

-- name: list_live_session_ids
-- The sessions of one device that still hold bandwidth.
SELECT session_id
FROM sessions
WHERE tenant_id = :tenant_id AND device_id = :device_id AND status = 'active';

-- name: find_session^
-- One session with its streams.
SELECT session_id, device_id, status, created_at, expires_at, ended_at, end_reason, session_endpoint, streams
FROM session_details
WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: list_sessions
-- A page of sessions with their streams, newest first. Ids are UUIDv7, so their order is the order of creation.
SELECT session_id, device_id, status, created_at, expires_at, ended_at, end_reason, session_endpoint, streams
FROM session_details
WHERE tenant_id = :tenant_id
  AND (:device_id::text IS NULL OR device_id = :device_id)
  AND (:status::text IS NULL OR status = :status)
  AND (:before_id::uuid IS NULL OR session_id < :before_id)
ORDER BY session_id DESC
LIMIT :limit::integer;
