-- name: find_session_contexts
-- All that deciding on sessions of some devices takes: each device with its wrapped key, its tenant's data key and the pools on its path. A device that does not exist has no row.
SELECT asked.tenant_id, asked.device_id, device.status,
       device.dmk_provider, device.dmk_key_id, device.dmk_key_version, device.dmk_ciphertext,
       dek.dek_id, dek.provider AS dek_provider, dek.key_id AS dek_key_id, dek.key_version AS dek_key_version,
       dek.ciphertext AS dek_ciphertext,
       path.tenant_ids, path.levels, path.pool_ids, path.capacities_kbps, path.reserved_kbps,
       now() AS now
FROM unnest(:tenant_ids::uuid[], :device_ids::text[]) AS asked (tenant_id, device_id)
JOIN devices AS device ON device.tenant_id = asked.tenant_id AND device.device_id = asked.device_id
CROSS JOIN LATERAL (
    SELECT * FROM data_keys
    WHERE data_keys.tenant_id = asked.tenant_id
    ORDER BY data_keys.created_at DESC, data_keys.dek_id DESC
    LIMIT 1
) AS dek
CROSS JOIN LATERAL (
    SELECT array_agg(pool.tenant_id) AS tenant_ids, array_agg(pool.level) AS levels, array_agg(pool.pool_id) AS pool_ids,
           array_agg(pool.capacity_kbps) AS capacities_kbps, array_agg(pool.reserved_kbps) AS reserved_kbps
    FROM (
        SELECT * FROM pools
        WHERE pools.tenant_id = asked.tenant_id AND pools.level = 0 AND pools.pool_id = asked.device_id
        UNION ALL
        SELECT * FROM pools WHERE pools.tenant_id = asked.tenant_id AND pools.level = 1
        UNION ALL
        SELECT * FROM pools WHERE pools.tenant_id = '00000000-0000-0000-0000-000000000000' AND pools.level = 2
    ) AS pool
) AS path;

-- name: create_sessions
-- Store a group of sessions with their streams, reservations and audit events. Each is stored whole, provided that every pool on its path accepts sessions and has room for it after those before it in the group, and that its deadline has not passed; or nothing of it is. Returns those that were stored.
WITH ask AS (
    SELECT *
    FROM unnest(
        :tenant_ids::uuid[], :session_ids::uuid[], :device_ids::text[], :ttls_seconds::integer[], :dek_ids::uuid[],
        :key_nonces::bytea[], :key_ciphertexts::bytea[], :totals_kbps::bigint[], :deadlines::timestamptz[],
        :event_ids::uuid[], :actors::text[], :details::text[], :trace_ids::text[]
    ) WITH ORDINALITY AS ask (
        tenant_id, session_id, device_id, ttl_seconds, dek_id, key_nonce, key_ciphertext, total_kbps, deadline,
        event_id, actor, details, trace_id, position
    )
),
hop AS (
    -- One row for each session and each pool on its path.
    SELECT *
    FROM unnest(:hop_positions::bigint[], :hop_tenant_ids::uuid[], :hop_levels::smallint[], :hop_pool_ids::text[])
        AS hop (position, tenant_id, level, pool_id)
),
held AS MATERIALIZED (
    -- The locks, in the order of all pool locks. A row that changed while its lock was awaited shows what it is now.
    SELECT pool.tenant_id, pool.level, pool.pool_id, pool.accepting, pool.capacity_kbps - pool.reserved_kbps AS room_kbps
    FROM pools AS pool
    WHERE (pool.tenant_id, pool.level, pool.pool_id) IN (SELECT hop.tenant_id, hop.level, hop.pool_id FROM hop)
    ORDER BY pool.level, pool.pool_id, pool.tenant_id
    FOR NO KEY UPDATE OF pool
),
fit AS (
    -- The sum counts those before it in the group whether they fit or not: at worst one that would fit is asked again.
    SELECT each.position
    FROM (
        SELECT hop.position,
               held.accepting AND held.room_kbps >= sum(ask.total_kbps) OVER (
                   PARTITION BY hop.tenant_id, hop.level, hop.pool_id ORDER BY hop.position
               ) AS fits
        FROM hop
        JOIN ask ON ask.position = hop.position
        LEFT JOIN held
            ON held.tenant_id = hop.tenant_id AND held.level = hop.level AND held.pool_id = hop.pool_id
    ) AS each
    GROUP BY each.position
    HAVING bool_and(coalesce(each.fits, false))
),
locked AS MATERIALIZED (
    -- The time when the last lock had been taken: an aggregate ends after all it counts.
    SELECT count(*) AS pools, clock_timestamp() AS at FROM held
),
admitted AS MATERIALIZED (
    SELECT ask.*
    FROM ask
    JOIN fit ON fit.position = ask.position
    JOIN locked ON locked.at < ask.deadline
),
reserved AS (
    UPDATE pools AS pool
    SET reserved_kbps = pool.reserved_kbps + total.kbps
    FROM (
        SELECT hop.tenant_id, hop.level, hop.pool_id, sum(admitted.total_kbps)::bigint AS kbps
        FROM hop
        JOIN admitted ON admitted.position = hop.position
        GROUP BY hop.tenant_id, hop.level, hop.pool_id
    ) AS total
    WHERE pool.tenant_id = total.tenant_id AND pool.level = total.level AND pool.pool_id = total.pool_id
),
session AS (
    INSERT INTO sessions (
        tenant_id, session_id, device_id, status, created_at, expires_at, session_endpoint,
        dek_id, key_nonce, key_ciphertext
    )
    SELECT tenant_id, session_id, device_id, 'active', now(), now() + make_interval(secs => ttl_seconds),
           :session_endpoint::text, dek_id, key_nonce, key_ciphertext
    FROM admitted
    RETURNING session_id, created_at, expires_at
),
stream AS (
    INSERT INTO streams (
        tenant_id, session_id, position, stream_id, name, mode, priority, bandwidth_kbps, connection_id,
        data_shards, parity_shards, loss_rate, loss_burst, recovery_target
    )
    SELECT admitted.tenant_id, admitted.session_id, stream.place, stream.stream_id, stream.name, stream.mode,
           stream.priority, stream.bandwidth_kbps, stream.connection_id, stream.data_shards, stream.parity_shards,
           stream.loss_rate, stream.loss_burst, stream.recovery_target
    FROM unnest(
        :stream_positions::bigint[], :places::smallint[], :stream_ids::uuid[], :names::text[], :modes::text[],
        :priorities::text[], :bandwidths_kbps::bigint[], :connection_ids::text[], :data_shards::smallint[],
        :parity_shards::smallint[], :loss_rates::double precision[], :loss_bursts::double precision[],
        :recovery_targets::double precision[]
    ) AS stream (
        position, place, stream_id, name, mode, priority, bandwidth_kbps, connection_id, data_shards, parity_shards,
        loss_rate, loss_burst, recovery_target
    )
    JOIN admitted ON admitted.position = stream.position
),
reservation AS (
    INSERT INTO reservations (tenant_id, session_id, level, pool_tenant_id, pool_id, reserved_kbps)
    SELECT admitted.tenant_id, admitted.session_id, hop.level, hop.tenant_id, hop.pool_id, admitted.total_kbps
    FROM hop
    JOIN admitted ON admitted.position = hop.position
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, event_id, 'session-creation', actor, device_id, 'success', details::jsonb, trace_id
    FROM admitted
)
SELECT session_id, created_at, expires_at FROM session;

-- name: end_sessions
-- End those of the given sessions, of whichever tenants, that are still live, give their bandwidth back and write an audit event for each. One that is past its end expires, whatever was asked for; without a reason only such ones end, for one caller at a time. Returns each of them with what it became, if it ended now; no row if another caller is at it.
WITH asked AS (
    SELECT *
    FROM unnest(:tenant_ids::uuid[], :session_ids::uuid[], :event_ids::uuid[]) AS asked (tenant_id, session_id, event_id)
    WHERE :reason::text IS NOT NULL
       OR (SELECT pg_try_advisory_xact_lock(hashtextextended('honeylink.expiry', 0))) -- gone with this statement
),
held AS (
    -- Pools before sessions, in the order of all pool locks: an end and a creation, a revocation or another end can't deadlock.
    SELECT pool.level
    FROM pools AS pool
    WHERE (pool.tenant_id, pool.level, pool.pool_id) IN (
        SELECT reservation.pool_tenant_id, reservation.level, reservation.pool_id
        FROM asked
        JOIN reservations AS reservation
            ON reservation.tenant_id = asked.tenant_id AND reservation.session_id = asked.session_id
    )
    ORDER BY pool.level, pool.pool_id, pool.tenant_id
    FOR NO KEY UPDATE OF pool
),
ended AS (
    UPDATE sessions AS session
    SET status = CASE WHEN session.expires_at <= now() THEN 'expired' ELSE 'terminated' END,
        ended_at = least(session.expires_at, now()),
        end_reason = CASE WHEN session.expires_at <= now() THEN 'expired' ELSE :reason::text END
    FROM asked
    WHERE session.tenant_id = asked.tenant_id AND session.session_id = asked.session_id
      AND session.ended_at IS NULL -- says the same as its status, but no index is on it: by that of the status a plan might read all that is due
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
SELECT asked.session_id, ended.status
FROM asked
LEFT JOIN ended ON ended.tenant_id = asked.tenant_id AND ended.session_id = asked.session_id;

-- name: list_due_sessions
-- The longest overdue sessions that are still marked active, over all tenants.
SELECT tenant_id, session_id
FROM sessions
WHERE status = 'active' AND expires_at <= now()
ORDER BY expires_at
LIMIT :limit::integer;

-- name: list_live_session_ids
-- Some of the sessions of one device that still hold bandwidth. None is older than the tenant's oldest live one.
SELECT session_id
FROM sessions
WHERE tenant_id = :tenant_id AND device_id = :device_id AND status = 'active'
  AND session_id >= (SELECT session_id FROM reservations WHERE tenant_id = :tenant_id ORDER BY session_id LIMIT 1)
ORDER BY session_id
LIMIT :limit::integer;

-- name: find_session^
-- One session with its streams.
SELECT session_id, device_id, status, created_at, expires_at, ended_at, end_reason, session_endpoint, streams
FROM session_details
WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: list_sessions
-- A page of a tenant's sessions with their streams, newest first. Ids are UUIDv7, so their order is the order of creation. For live ones alone there is list_live_sessions. Ended ones are most of what is stored; where those of a status are few, they are looked for row by row, since an index of them would make each end dearer.
-- One plan serves all parameters, so a bound that is not given has a value too: the walk of the index begins there. The filter is a CASE, which the planner takes for even odds; of an OR it expects so few rows that it would rather sort all of the tenant's.
SELECT session_id, device_id, status, created_at, expires_at, ended_at, end_reason, session_endpoint, streams
FROM session_details
WHERE tenant_id = :tenant_id
  AND session_id < coalesce(:before_id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND CASE WHEN :status::text IS NULL THEN true ELSE status = :status END
ORDER BY session_id DESC
LIMIT :limit::integer;

-- name: list_live_sessions
-- The same of live sessions alone, however few they are among those that have ended: each has one reservation from its device.
SELECT session.*
FROM reservations AS reservation
CROSS JOIN LATERAL (
    SELECT session_id, device_id, status, created_at, expires_at, ended_at, end_reason, session_endpoint, streams
    FROM session_details
    WHERE tenant_id = reservation.tenant_id AND session_id = reservation.session_id
      AND device_id = reservation.pool_id -- so that whichever index a plan takes leads straight to it
      AND status = 'active' -- past its end it holds its bandwidth until the sweep comes by
    LIMIT 1 -- one by one, since to merge the two would be to read all that ended in between
) AS session
WHERE reservation.tenant_id = :tenant_id
  AND reservation.level = 0
  AND reservation.session_id < coalesce(:before_id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY reservation.session_id DESC
LIMIT :limit::integer;

-- name: list_device_sessions
-- The same of one device. A status that few have is looked for row by row; for live ones no further than back to the tenant's oldest.
SELECT session_id, device_id, status, created_at, expires_at, ended_at, end_reason, session_endpoint, streams
FROM session_details
WHERE tenant_id = :tenant_id
  AND device_id = :device_id
  AND session_id < coalesce(:before_id::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND session_id >= CASE
      WHEN :status::text = 'active' THEN (
          SELECT session_id FROM reservations WHERE tenant_id = :tenant_id ORDER BY session_id LIMIT 1
      )
      ELSE '00000000-0000-0000-0000-000000000000'
  END
  AND CASE WHEN :status::text IS NULL THEN true ELSE status = :status END
ORDER BY session_id DESC
LIMIT :limit::integer;
