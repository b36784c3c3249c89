session AS (
    INSERT INTO sessions ({session_columns}, status, created_at, expires_at, session_endpoint)
    SELECT {session_columns}, 'active', now(), now() + make_interval(secs => ttl_seconds), :session_endpoint::text
    FROM admitted
    RETURNING session_id, created_at, expires_at
),
reservation AS (
    INSERT INTO reservations (tenant_id, session_id, level, pool_tenant_id, pool_id, reserved_kbps)
    SELECT tenant_id, session_id, level, pool_tenant_id, pool_id, kbps FROM taken
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, event_id, 'session-creation', actor, device_id, 'success',
           jsonb_build_object(
               'session_id', session_id, 'stream_count', stream_count, 'total_bandwidth_kbps', payload_kbps,
               'ttl_seconds', ttl_seconds
           ),
           trace_id
    FROM admitted
)
SELECT session_id, created_at, expires_at FROM session;
