-- name: check_pools
-- Each pool beside what live sessions hold of it, and what it withholds beside what the pools inside it claim; each two must be equal. Also reservations of pools that are gone and of sessions that have ended.
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

-- name: find_schema_revision^
-- The revision of the schema.
SELECT version_num FROM alembic_version;

-- name: lock_pools
-- Lock pools for the rest of the transaction, and read them as they now are.
SELECT to_json(pool)::text AS pool
FROM pools AS pool
WHERE (pool.tenant_id, pool.level, pool.pool_id) IN (
    SELECT * FROM unnest(:tenant_ids::uuid[], :levels::smallint[], :pool_ids::text[])
)
ORDER BY pool.level, pool.pool_id, pool.tenant_id
FOR NO KEY UPDATE OF pool;

-- name: limit_idle_time
-- Give the rest of a transaction up, and its locks, should its owner fall silent in the middle of it.
SELECT set_config('idle_in_transaction_session_timeout', :milliseconds::text, true);

-- name: settle_tenants
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

-- name: settle_node
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
