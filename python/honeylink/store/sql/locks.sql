-- name: find_locked_rows
-- Rows that a session of some devices locks when it opens or ends and that others hold, each with every transaction that may be its holder: of the device, of its tenant, of the node. Each row is tried in the mode that is needed, and skipped where that would mean a wait; what is locked so is free again when this statement ends.
-- A skipped row shows who locked it last, and a transaction in progress holds the lock of its own id. Where several share it, it shows neither, and each that has locked rows of that table may be the one.
-- Rows of tenants and keys can't be tried by a role that may not change them. They are looked at only if one of them has been waited for.
WITH lock AS MATERIALIZED (
    SELECT virtualtransaction, locktype, transactionid, relation
    FROM pg_locks
    WHERE granted AND pid IS DISTINCT FROM pg_backend_pid()
      AND (locktype = 'transactionid' AND mode = 'ExclusiveLock'
           OR locktype = 'relation' AND mode IN ('RowShareLock', 'RowExclusiveLock')
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
),
requested AS MATERIALIZED (
    SELECT * FROM unnest(:tenant_ids::uuid[], :device_ids::text[]) AS requested (tenant_id, device_id)
),
pool_needed AS MATERIALIZED (
    SELECT tenant_id, level, pool_id, xmax AS locker
    FROM pools
    WHERE level = 0 AND (tenant_id, pool_id) IN (SELECT * FROM requested)
    UNION ALL
    SELECT tenant_id, level, pool_id, xmax FROM pools WHERE level = 1 AND tenant_id IN (SELECT tenant_id FROM requested)
    UNION ALL
    SELECT tenant_id, level, pool_id, xmax
    FROM pools
    WHERE level = 2 AND tenant_id = '00000000-0000-0000-0000-000000000000'
),
pool_free AS MATERIALIZED (
    SELECT tenant_id, level, pool_id
    FROM pools AS pool
    WHERE (tenant_id, level, pool_id) IN (SELECT tenant_id, level, pool_id FROM pool_needed)
    FOR NO KEY UPDATE OF pool SKIP LOCKED
),
device_needed AS MATERIALIZED (
    SELECT tenant_id, device_id, xmax AS locker FROM devices WHERE (tenant_id, device_id) IN (SELECT * FROM requested)
),
device_free AS MATERIALIZED (
    SELECT tenant_id, device_id
    FROM devices AS device
    WHERE (tenant_id, device_id) IN (SELECT tenant_id, device_id FROM device_needed)
    FOR KEY SHARE OF device SKIP LOCKED
),
skipped AS MATERIALIZED (
    SELECT tenant_id, CASE level WHEN 0 THEN pool_id END AS device_id, locker, 'pools'::regclass AS relation
    FROM pool_needed
    WHERE (tenant_id, level, pool_id) NOT IN (SELECT * FROM pool_free)
    UNION ALL
    SELECT tenant_id, device_id, locker, 'devices'::regclass
    FROM device_needed
    WHERE (tenant_id, device_id) NOT IN (SELECT * FROM device_free)
),
by_row AS (
    SELECT tenant_id, device_id, locker
    FROM skipped
    UNION ALL
    SELECT tenant_id, NULL, xmax
    FROM tenants
    WHERE :tenants_too::boolean AND tenant_id IN (SELECT tenant_id FROM requested)
    UNION ALL
    SELECT tenant_id, NULL, xmax
    FROM data_keys
    WHERE :tenants_too::boolean AND tenant_id IN (SELECT tenant_id FROM requested)
)
SELECT tenant_id, device_id, virtualtransaction AS holder
FROM by_row
JOIN lock ON lock.locktype = 'transactionid' AND lock.transactionid = by_row.locker
UNION
SELECT tenant_id, device_id, virtualtransaction
FROM skipped
JOIN lock ON lock.locktype = 'relation' AND lock.relation = skipped.relation
WHERE skipped.locker NOT IN (SELECT transactionid FROM lock WHERE locktype = 'transactionid');
