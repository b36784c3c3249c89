-- name: record_event!
-- Write an event of its own: a refused attempt, which changes nothing else.
INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
VALUES (
    :tenant_id::uuid, :event_id::uuid, :category::text, :actor::text, :device_id::text, :outcome::text,
    :details::jsonb, :trace_id::text
);

-- name: find_event_writers^
-- The time, and the transactions that may have written events before it and not committed yet: each holds this lock from before it reads the clock for an event until its commit can be seen.
SELECT statement_timestamp() AS at, coalesce(array_agg(DISTINCT virtualtransaction), '{}') AS writers
FROM pg_locks
WHERE locktype = 'relation' AND relation = 'audit_events'::regclass AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: list_events
-- A page of events, newest first. A category that few have is looked for row by row: an index of it would make each change dearer, and the trail is written far more than read.
SELECT event_id, at, category, actor, device_id, outcome, details, trace_id
FROM audit_events
WHERE tenant_id = :tenant_id
  AND at >= coalesce(:since::timestamptz, '-infinity')
  AND (at, event_id) < (coalesce(:before_at::timestamptz, 'infinity'), :before_id::uuid)
  AND CASE WHEN :category::text IS NULL THEN true ELSE category = :category END
ORDER BY at DESC, event_id DESC
LIMIT :limit::integer;

-- name: list_device_events
-- The same of one device.
SELECT event_id, at, category, actor, device_id, outcome, details, trace_id
FROM audit_events
WHERE tenant_id = :tenant_id
  AND device_id = :device_id
  AND at >= coalesce(:since::timestamptz, '-infinity')
  AND (at, event_id) < (coalesce(:before_at::timestamptz, 'infinity'), :before_id::uuid)
  AND CASE WHEN :category::text IS NULL THEN true ELSE category = :category END
ORDER BY at DESC, event_id DESC
LIMIT :limit::integer;
