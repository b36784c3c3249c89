-- name: check_pools
-- Each pool with what live sessions hold of it, and what it withholds and what its children claim; each two must be equal. Also reservations of pools that are gone and of sessions that have ended.
WITH held AS (
    SELECT reservation.pool_tenant_id AS tenant_id, reservation.level, reservation.pool_id,
           sum(reservation.reserved_kbps) FILTER (WHERE session.status = 'active') AS live_kbps,
           sum(reservation.reserved_kbps) FILTER (WHERE session.status <> 'active') AS stale_kbps
    FROM reservations AS reservation
    JOIN sessions AS session USING (tenant_id, session_id)
    GROUP BY reservation.pool_tenant_id, reservation.level, reservation.pool_id
),
claim AS (
    SELECT parent.tenant_id, parent.level, parent.pool_id,
           sum(claim_kbps(child)) AS kbps
    FROM pools AS child
    JOIN pools AS parent ON parent.level = child.level + 1 AND parent.charge = child.charge
        AND (parent.tenant_id = child.tenant_id OR parent.level = 2)
    GROUP BY parent.tenant_id, parent.level, parent.pool_id
)
SELECT tenant.name AS tenant, level, pool_id, pool.capacity_kbps,
       coalesce(pool.reserved_kbps, 0) AS reserved_kbps,
       coalesce(held.live_kbps, 0)::bigint AS live_kbps,
       coalesce(held.stale_kbps, 0)::bigint AS stale_kbps,
       coalesce(pool.withheld_kbps, 0) AS withheld_kbps,
       coalesce(claim.kbps, 0)::bigint AS claimed_kbps
FROM pools AS pool
FULL JOIN held USING (tenant_id, level, pool_id)
LEFT JOIN claim USING (tenant_id, level, pool_id)
JOIN tenants AS tenant USING (tenant_id)
ORDER BY level DESC, tenant.name, pool_id;

-- name: sum_pools
-- Capacity and reservations of each level.
SELECT level, sum(capacity_kbps)::bigint AS capacity_kbps, sum(reserved_kbps)::bigint AS reserved_kbps
FROM pools
GROUP BY level;

-- name: lock_pools
-- Lock pools for the rest of the transaction, and read them as they now are. From then on nobody can make the node's pool.
SELECT to_json(pool)::text AS pool
FROM (
    SELECT DISTINCT level, pool_id, tenant_id
    FROM unnest(:tenant_ids::uuid[], :levels::smallint[], :pool_ids::text[]) AS requested (tenant_id, level, pool_id)
    ORDER BY level, pool_id, tenant_id
) AS requested
CROSS JOIN LATERAL (
    SELECT *
    FROM pools AS pool
    WHERE pool.tenant_id = requested.tenant_id AND pool.level = requested.level AND pool.pool_id = requested.pool_id
    FOR NO KEY UPDATE OF pool
) AS pool;

-- name: withhold_in_tenants!
-- Withhold in tenants' pools what their devices' pools claim, after those or the tenants' own have changed. Their locks are held.
UPDATE pools AS tenant
SET withheld_kbps = claimed.kbps,
    draining_kbps = least(
        tenant.draining_kbps, greatest(tenant.reserved_kbps + claimed.kbps - ceiling_kbps(tenant), 0)
    )
FROM (
    SELECT tenant.tenant_id, coalesce(sum(claim_kbps(device)), 0)::bigint AS kbps
    FROM pools AS tenant
    LEFT JOIN pools AS device ON device.tenant_id = tenant.tenant_id AND device.level = 0
        AND device.guaranteed_kbps IS NOT NULL AND device.charge = tenant.charge
    WHERE tenant.tenant_id = ANY (:tenant_ids::uuid[]) AND tenant.level = 1
    GROUP BY tenant.tenant_id
) AS claimed
WHERE tenant.tenant_id = claimed.tenant_id AND tenant.level = 1;

-- name: withhold_in_node!
-- Withhold in the node's pool, if there is one, what tenants' pools claim, after some of those or its own have changed. Its lock is held.
UPDATE pools AS node
SET withheld_kbps = claimed.kbps,
    draining_kbps = least(node.draining_kbps, greatest(node.reserved_kbps + claimed.kbps - ceiling_kbps(node), 0))
FROM (
    SELECT coalesce(sum(claim_kbps(tenant)), 0)::bigint AS kbps
    FROM tenants
    JOIN pools AS tenant ON tenant.tenant_id = tenants.tenant_id AND tenant.level = 1
    WHERE tenant.charge = (SELECT charge FROM pools WHERE level = 2 AND tenant_id = '00000000-0000-0000-0000-000000000000')
) AS claimed
WHERE node.tenant_id = '00000000-0000-0000-0000-000000000000' AND node.level = 2;

-- name: list_pools
-- A page of a tenant's pools and of the one that all tenants share, newest first.
SELECT to_json(pool)::text AS pool, pool.created_at
FROM (
    (
        SELECT *
        FROM pools
        WHERE tenant_id = :tenant_id
          AND (created_at, level, pool_id)
              < (coalesce(:before_at::timestamptz, 'infinity'), coalesce(:before_level::smallint, 0), coalesce(:before_id::text, ''))
        ORDER BY created_at DESC, level DESC, pool_id DESC
        LIMIT :limit::integer
    )
    UNION ALL
    SELECT *
    FROM pools
    WHERE tenant_id = '00000000-0000-0000-0000-000000000000' AND level = 2
      AND (created_at, level, pool_id)
          < (coalesce(:before_at::timestamptz, 'infinity'), coalesce(:before_level::smallint, 0), coalesce(:before_id::text, ''))
) AS pool
ORDER BY created_at DESC, level DESC, pool_id DESC
LIMIT :limit::integer;

-- name: find_path
-- The pools of a device's path, or without a device those of its tenant's, from the device up.
SELECT to_json(pool)::text AS pool
FROM pools AS pool
WHERE (tenant_id = :tenant_id AND (level = 1 OR level = 0 AND pool_id = :device_id::text))
   OR (tenant_id = '00000000-0000-0000-0000-000000000000' AND level = 2)
ORDER BY level;

-- name: find_shares^
-- What is guaranteed to siblings of a pool, and to siblings of its parent; and to its children. A tenant's pool is guaranteed its share, or what its devices' pools are if that is more. A tenant's pool keeps something too if its devices' do.
WITH share AS (
    SELECT pool.tenant_id, pool.level, pool.pool_id, share_kbps(pool) AS kbps,
           kept_kbps(pool) AS kept_kbps
    FROM pools AS pool
    WHERE pool.guaranteed_kbps IS NOT NULL AND pool.level < 2
),
tenant AS (
    SELECT tenant_id, greatest(sum(kbps) FILTER (WHERE level = 1), sum(kbps) FILTER (WHERE level = 0)) AS kbps
    FROM share
    GROUP BY tenant_id
),
total AS (
    SELECT (SELECT sum(kbps) FROM share WHERE level = 0 AND tenant_id = :tenant_id) AS of_devices_kbps,
           (SELECT sum(kbps) FROM share WHERE level = 0 AND tenant_id = :tenant_id AND pool_id = :pool_id) AS own_kbps,
           (SELECT sum(kbps) FROM tenant) AS of_tenants_kbps,
           (SELECT sum(kbps) FROM tenant WHERE tenant_id = :tenant_id) AS of_tenant_kbps
)
SELECT CASE :level::smallint WHEN 0 THEN coalesce(of_devices_kbps, 0) - coalesce(own_kbps, 0) END::bigint AS other_devices_kbps,
       CASE WHEN :level < 2 THEN coalesce(of_tenants_kbps, 0) - coalesce(of_tenant_kbps, 0) END::bigint AS other_tenants_kbps,
       coalesce(CASE :level WHEN 1 THEN of_devices_kbps WHEN 2 THEN of_tenants_kbps END, 0)::bigint AS children_kbps,
       EXISTS (
           SELECT FROM share WHERE level < :level AND kept_kbps > 0 AND (:level = 2 OR tenant_id = :tenant_id)
       ) AS children_keep
FROM total;

-- name: change_pool^
-- Make a pool what it shall be, tell every process and write the audit event. Its lock is held; what it claims is withheld after.
WITH pool AS (
    UPDATE pools AS pool
    SET capacity_kbps = :capacity_kbps, charge = :charge::text, guaranteed_kbps = :guaranteed_kbps::bigint,
        borrow_limit_kbps = :borrow_limit_kbps::bigint, lend_limit_kbps = :lend_limit_kbps::bigint,
        preemption = :preemption, min_hold_ms = :min_hold_ms::bigint,
        draining_kbps = CASE
            WHEN :drain::boolean THEN greatest(
                pool.reserved_kbps + pool.withheld_kbps
                    - ceiling_kbps(:capacity_kbps::bigint, :guaranteed_kbps::bigint, :borrow_limit_kbps::bigint),
                0
            )
            ELSE 0
        END
    WHERE pool.tenant_id = :tenant_id AND pool.level = :level AND pool.pool_id = :pool_id
    RETURNING pool.level
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT :tenant_id, :event_id::uuid, :category::text, :actor::text, :event_device_id::text, :outcome::text,
           :details::jsonb, :trace_id::text
    FROM pool
)
SELECT pg_notify('honeylink_changes', 'pools') FROM pool;

-- name: close_pools!
-- Let no statement touch any pool for the rest of the transaction: there is no lock on a row that is still to come.
LOCK TABLE pools IN EXCLUSIVE MODE;

-- name: make_node_pool!
-- Make the pool that all tenants share, empty, if there is none.
INSERT INTO pools (tenant_id, level, pool_id, capacity_kbps, accepting)
VALUES ('00000000-0000-0000-0000-000000000000', 2, 'node', 0, true)
ON CONFLICT (tenant_id, level, pool_id) DO NOTHING;
