-- name: find_locked_rows
-- Rows that a session of some devices locks when it opens or ends and that another transaction holds, each with that transaction: of the device, of its tenant, of the node. Nothing is locked, or waited for, to find out.
-- A row shows who locked it last, and a transaction in progress holds the lock of its own id. Several who share one lock are not found.
WITH holder AS MATERIALIZED (
    SELECT transactionid FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted
),
asked AS (
    SELECT * FROM unnest(:tenant_ids::uuid[], :device_ids::text[]) AS asked (tenant_id, device_id)
),
lockable AS (
    SELECT tenant_id, device_id, pool.xmax
    FROM asked
    JOIN pools AS pool USING (tenant_id)
    WHERE pool.level = 0 AND pool.pool_id = asked.device_id
    UNION ALL
    SELECT tenant_id, device_id, device.xmax FROM asked JOIN devices AS device USING (tenant_id, device_id)
    UNION ALL
    SELECT tenant_id, NULL, xmax FROM pools WHERE level = 1 AND tenant_id IN (SELECT tenant_id FROM asked)
    UNION ALL
    SELECT tenant_id, NULL, xmax FROM tenants WHERE tenant_id IN (SELECT tenant_id FROM asked)
    UNION ALL
    SELECT tenant_id, NULL, xmax FROM data_keys WHERE tenant_id IN (SELECT tenant_id FROM asked)
    UNION ALL
    SELECT tenant_id, NULL, xmax FROM pools WHERE level = 2 AND tenant_id = '00000000-0000-0000-0000-000000000000'
)
SELECT tenant_id, device_id, xmax::text AS holder
FROM lockable
WHERE xmax IN (SELECT transactionid FROM holder);
