-- name: record_event!
-- Write an event of its own: a refused attempt, which changes nothing else.
INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
VALUES (
    :tenant_id::uuid, :event_id::uuid, :category::text, :actor::text, :device_id::text, :outcome::text,
    :details::jsonb, :trace_id::text
);

-- name: list_events
-- A page of events, newest first.
SELECT event_id, at, category, actor, device_id, outcome, details, trace_id
FROM audit_events
WHERE tenant_id = :tenant_id
  AND (:device_id::text IS NULL OR device_id = :device_id)
  AND (:category::text IS NULL OR category = :category)
  AND (:since::timestamptz IS NULL OR at >= :since)
  AND (:until::timestamptz IS NULL OR at < :until)
  AND (:before_at::timestamptz IS NULL OR (at, event_id) < (:before_at, :before_id::uuid))
ORDER BY at DESC, event_id DESC
LIMIT :limit::integer;
