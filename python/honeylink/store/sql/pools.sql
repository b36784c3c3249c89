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
