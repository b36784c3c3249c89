-- name: find_session_contexts
-- All that deciding on sessions of some devices takes: each device with its wrapped key, its tenant's data key and the pools on its path. A device that does not exist has no row.
SELECT requested.tenant_id, requested.device_id, device.status,
       device.dmk_provider, device.dmk_key_id, device.dmk_key_version, device.dmk_ciphertext,
       dek.dek_id, dek.provider AS dek_provider, dek.key_id AS dek_key_id, dek.key_version AS dek_key_version,
       dek.ciphertext AS dek_ciphertext,
       path.pools, now() AS now
FROM unnest(:tenant_ids::uuid[], :device_ids::text[]) AS requested (tenant_id, device_id)
JOIN devices AS device ON device.tenant_id = requested.tenant_id AND device.device_id = requested.device_id
CROSS JOIN LATERAL (
    SELECT * FROM data_keys
    WHERE data_keys.tenant_id = requested.tenant_id
    ORDER BY data_keys.created_at DESC, data_keys.dek_id DESC
    LIMIT 1
) AS dek
CROSS JOIN LATERAL (
    SELECT json_agg(pool) AS pools
    FROM (
        SELECT * FROM pools
        WHERE pools.tenant_id = requested.tenant_id AND pools.level = 0 AND pools.pool_id = requested.device_id
        UNION ALL
        SELECT * FROM pools WHERE pools.tenant_id = requested.tenant_id AND pools.level = 1
        UNION ALL
        SELECT * FROM pools WHERE pools.tenant_id = '00000000-0000-0000-0000-000000000000' AND pools.level = 2
    ) AS pool
) AS path;

-- name: create_sessions
-- Store a group of sessions with their streams, reservations and audit events. Each is stored whole, provided that every pool on its path accepts sessions and has room for it after those before it in the group, that its deadline has not passed, and if it has less than it requested for that all before it are stored; or nothing of it is. Returns those that were stored.
-- What a session takes of a pool's kept share the parent has withheld for it. So at each level a session adds to what is committed, and charges the next level what that adds beyond the kept share; where nothing is kept that is all of it.
WITH ask AS (
    SELECT {ask_fields}, position
    FROM (
        SELECT line::text[] AS field, position
        FROM unnest(:asks::text[]) WITH ORDINALITY AS ask (line, position)
        OFFSET 0 -- else each field would have its line read again
    ) AS ask
),
stream_ask AS MATERIALIZED (
    SELECT field[1]::bigint AS session_position, field[2]::smallint AS position, {stream_fields}
    FROM (SELECT line::text[] AS field FROM unnest(:streams::text[]) AS stream_ask (line) OFFSET 0) AS stream_ask
),
hop AS MATERIALIZED (
    -- Each pool once, in the order of all pool locks.
    SELECT 0::smallint AS level, ask.device_id AS pool_id, ask.tenant_id
    FROM ask
    WHERE (SELECT set_config('lock_timeout', :lock_wait::text, true)) IS NOT NULL -- gone with this transaction
    UNION
    SELECT 1::smallint, ask.tenant_pool_id, ask.tenant_id FROM ask
    UNION
    SELECT 2::smallint, 'node', '00000000-0000-0000-0000-000000000000'
    ORDER BY level, pool_id, tenant_id
),
held AS MATERIALIZED (
    -- The locks. Each in a lateral, so that they are taken one by one in the order above, and each row is found by its key
    -- however few there are. A row that changed while its lock was awaited shows what it is now.
    SELECT pool.tenant_id, pool.level, pool.pool_id, pool.accepting, pool.charge::text AS charge,
           kept_kbps(pool) AS kept_kbps, ceiling_kbps(pool) AS ceiling_kbps, pool.reserved_kbps, pool.withheld_kbps,
           pool.reserved_kbps + pool.withheld_kbps AS committed_kbps,
           kept_kbps(pool) + pool.withheld_kbps > 0 AS keeps
    FROM hop
    CROSS JOIN LATERAL (
        SELECT *
        FROM pools AS pool
        WHERE pool.tenant_id = hop.tenant_id AND pool.level = hop.level AND pool.pool_id = hop.pool_id
        FOR NO KEY UPDATE OF pool
    ) AS pool
),
locked AS MATERIALIZED (
    -- The time when the last lock had been taken: an aggregate ends after all it counts.
    SELECT count(*) AS pools, clock_timestamp() AS at FROM held
),
in_device AS (
    SELECT ask.position, ask.tenant_id, ask.payload_kbps, ask.wire_kbps, requested.kbps AS device_kbps, requested.kbps AS more_kbps,
           pool.accepting, pool.charge, pool.kept_kbps, pool.ceiling_kbps, pool.keeps,
           pool.committed_kbps + sum(requested.kbps) OVER (
               PARTITION BY ask.tenant_id, ask.device_id ORDER BY ask.position
           )::bigint AS after_kbps
    FROM ask
    JOIN locked ON locked.at < ask.deadline
    JOIN held AS pool ON pool.level = 0 AND pool.tenant_id = ask.tenant_id AND pool.pool_id = ask.device_id
    CROSS JOIN LATERAL (
        SELECT charge_kbps(pool.charge, ask.payload_kbps, ask.wire_kbps) AS kbps
    ) AS requested
),
in_tenant AS (
    SELECT step.*,
           step.committed_kbps + sum(step.more_kbps) OVER (
               PARTITION BY step.tenant_id ORDER BY step.position
           )::bigint AS after_kbps
    FROM (
        SELECT device.position, device.tenant_id, device.payload_kbps, device.wire_kbps, device.device_kbps,
               device.accepting AND device.after_kbps <= device.ceiling_kbps AND pool.accepting AS fits,
               device.keeps OR pool.keeps AS keeps,
               pool.charge, pool.kept_kbps, pool.ceiling_kbps, pool.committed_kbps,
               charge_kbps(pool.charge, device.payload_kbps, device.wire_kbps) AS tenant_kbps,
               parent_charge_kbps(
                   pool.charge, device.charge, device.kept_kbps, device.after_kbps - device.more_kbps, device.after_kbps,
                   device.payload_kbps, device.wire_kbps
               ) AS more_kbps
        FROM in_device AS device
        JOIN held AS pool ON pool.level = 1 AND pool.tenant_id = device.tenant_id
    ) AS step
),
in_node AS (
    -- The node's pool may be missing; then it is null all the way.
    SELECT step.*,
           step.committed_kbps + sum(step.node_more_kbps) OVER (ORDER BY step.position)::bigint AS after_kbps
    FROM (
        SELECT tenant.position, tenant.device_kbps, tenant.tenant_kbps, tenant.more_kbps AS tenant_more_kbps,
               tenant.fits AND tenant.after_kbps <= tenant.ceiling_kbps AND coalesce(pool.accepting, true) AS fits,
               tenant.keeps OR coalesce(pool.keeps, false) AS keeps,
               pool.ceiling_kbps, pool.committed_kbps,
               charge_kbps(pool.charge, tenant.payload_kbps, tenant.wire_kbps) AS node_kbps,
               parent_charge_kbps(
                   pool.charge, tenant.charge, tenant.kept_kbps, tenant.after_kbps - tenant.more_kbps, tenant.after_kbps,
                   tenant.payload_kbps, tenant.wire_kbps
               ) AS node_more_kbps
        FROM in_tenant AS tenant
        LEFT JOIN held AS pool ON pool.level = 2
    ) AS step
),
placed AS (
    -- The sums count those before in the group whether they fit or not. Where nothing is kept that is too much at worst,
    -- and one that would fit is requested again; else what a session charges the next level is right only if all before it came in. So is
    -- what a session has that has less than it requested for.
    SELECT node.*, room.enough,
           count(*) FILTER (WHERE room.enough) OVER (ORDER BY node.position) = node.position AS all_in
    FROM in_node AS node
    CROSS JOIN LATERAL (
        SELECT node.fits AND coalesce(node.after_kbps <= node.ceiling_kbps, true) AS enough
    ) AS room
),
admitted AS MATERIALIZED (
    SELECT ask.*, placed.device_kbps, placed.tenant_kbps, placed.tenant_more_kbps, placed.node_kbps, placed.node_more_kbps
    FROM placed
    JOIN ask ON ask.position = placed.position
    WHERE placed.enough AND (placed.all_in OR NOT (placed.keeps OR ask.is_short))
),
taken AS MATERIALIZED (
    SELECT admitted.tenant_id, admitted.session_id, pool.*
    FROM admitted
    CROSS JOIN LATERAL (
        VALUES
            (0::smallint, admitted.tenant_id, admitted.device_id, admitted.device_kbps, 0),
            (1::smallint, admitted.tenant_id, admitted.tenant_pool_id, admitted.tenant_kbps,
             admitted.tenant_kbps - admitted.tenant_more_kbps),
            (2::smallint, '00000000-0000-0000-0000-000000000000', 'node', admitted.node_kbps,
             admitted.node_kbps - admitted.node_more_kbps)
    ) AS pool (level, pool_tenant_id, pool_id, kbps, unclaimed_kbps)
    WHERE pool.kbps IS NOT NULL
),
reserved AS (
    -- From what the lock shows. The row that the update finds first may be an older one, and the table's checks would be
    -- made with that before it is told so.
    UPDATE pools AS pool
    SET reserved_kbps = held.reserved_kbps + total.kbps, withheld_kbps = held.withheld_kbps - total.unclaimed_kbps
    FROM (
        SELECT pool_tenant_id, level, pool_id, sum(kbps)::bigint AS kbps, sum(unclaimed_kbps)::bigint AS unclaimed_kbps
        FROM taken
        GROUP BY pool_tenant_id, level, pool_id
    ) AS total
    JOIN held
        ON held.tenant_id = total.pool_tenant_id AND held.level = total.level AND held.pool_id = total.pool_id
    WHERE pool.tenant_id = total.pool_tenant_id AND pool.level = total.level AND pool.pool_id = total.pool_id
),
stream AS (
    INSERT INTO streams (tenant_id, session_id, position, {stream_columns})
    SELECT admitted.tenant_id, admitted.session_id, stream.position, {stream_values}
    FROM stream_ask AS stream
    JOIN admitted ON admitted.position = stream.session_position
),
{stored_sessions}

-- name: create_session
-- Store one session as create_sessions stores a group of one, without its sums over the group: to set those up takes longer than all that they compute. Returns the session if it was stored.
WITH ask AS (
    SELECT {ask_fields}
    FROM (SELECT (:asks::text[])[1]::text[] AS field OFFSET 0) AS ask
),
held AS MATERIALIZED (
    -- The locks, in the order of all pool locks. Found one by one, as in create_sessions.
    SELECT pool.tenant_id, pool.level, pool.pool_id, pool.accepting, pool.charge::text AS charge,
           kept_kbps(pool) AS kept_kbps, ceiling_kbps(pool) AS ceiling_kbps, pool.reserved_kbps, pool.withheld_kbps,
           pool.reserved_kbps + pool.withheld_kbps AS committed_kbps,
           charge_kbps(pool.charge, ask.payload_kbps, ask.wire_kbps) AS kbps
    FROM ask
    CROSS JOIN LATERAL (
        VALUES
            (0::smallint, ask.device_id, ask.tenant_id),
            (1::smallint, ask.tenant_pool_id, ask.tenant_id),
            (2::smallint, 'node', '00000000-0000-0000-0000-000000000000')
    ) AS hop (level, pool_id, tenant_id)
    CROSS JOIN LATERAL (
        SELECT *
        FROM pools AS pool
        WHERE pool.tenant_id = hop.tenant_id AND pool.level = hop.level AND pool.pool_id = hop.pool_id
        FOR NO KEY UPDATE OF pool
    ) AS pool
    WHERE (SELECT set_config('lock_timeout', :lock_wait::text, true)) IS NOT NULL -- gone with this transaction
),
admitted AS MATERIALIZED (
    -- The pool of the node may be missing, then it is null all the way.
    SELECT ask.*, tenant.kbps - in_tenant.kbps AS tenant_unclaimed_kbps, node.kbps - in_node.kbps AS node_unclaimed_kbps
    FROM ask
    JOIN held AS device ON device.level = 0
    JOIN held AS tenant ON tenant.level = 1
    LEFT JOIN held AS node ON node.level = 2
    CROSS JOIN LATERAL (
        SELECT parent_charge_kbps(
            tenant.charge, device.charge, device.kept_kbps, device.committed_kbps, device.committed_kbps + device.kbps,
            ask.payload_kbps, ask.wire_kbps
        ) AS kbps
    ) AS in_tenant
    CROSS JOIN LATERAL (
        SELECT parent_charge_kbps(
            node.charge, tenant.charge, tenant.kept_kbps, tenant.committed_kbps, tenant.committed_kbps + in_tenant.kbps,
            ask.payload_kbps, ask.wire_kbps
        ) AS kbps
    ) AS in_node
    WHERE ask.deadline > (SELECT max(clock_timestamp()) FROM held) -- when the last lock had been taken
      AND device.accepting AND device.committed_kbps + device.kbps <= device.ceiling_kbps
      AND tenant.accepting AND tenant.committed_kbps + in_tenant.kbps <= tenant.ceiling_kbps
      AND coalesce(node.accepting AND node.committed_kbps + in_node.kbps <= node.ceiling_kbps, true)
),
taken AS MATERIALIZED (
    SELECT admitted.tenant_id, admitted.session_id, held.level, held.tenant_id AS pool_tenant_id, held.pool_id, held.kbps,
           held.reserved_kbps + held.kbps AS reserved_kbps,
           held.withheld_kbps - CASE held.level
               WHEN 1 THEN admitted.tenant_unclaimed_kbps WHEN 2 THEN admitted.node_unclaimed_kbps ELSE 0
           END AS withheld_kbps
    FROM held
    CROSS JOIN admitted
),
reserved AS (
    -- From what the lock shows, as in create_sessions.
    UPDATE pools AS pool
    SET reserved_kbps = taken.reserved_kbps, withheld_kbps = taken.withheld_kbps
    FROM taken
    WHERE pool.tenant_id = taken.pool_tenant_id AND pool.level = taken.level AND pool.pool_id = taken.pool_id
),
stream AS (
    INSERT INTO streams (tenant_id, session_id, position, {stream_columns})
    SELECT admitted.tenant_id, admitted.session_id, field[2]::smallint, {stream_fields}
    FROM admitted
    CROSS JOIN (SELECT line::text[] AS field FROM unnest(:streams::text[]) AS stream (line) OFFSET 0) AS stream
),
{stored_sessions}

-- name: end_sessions
-- End those of the given sessions, of whichever tenants, that are still live, give their bandwidth back and write an audit event for each. One that is past its end expires, whatever was requested for; without a reason only such ones end, for one caller at a time. Returns each of them with what it became, if it ended now; no row if another caller is at it.
WITH requested AS (
    SELECT *
    FROM unnest(:tenant_ids::uuid[], :session_ids::uuid[], :event_ids::uuid[]) AS requested (tenant_id, session_id, event_id)
    WHERE :reason::text IS NOT NULL
       OR (SELECT pg_try_advisory_xact_lock(hashtextextended('honeylink.expiry', 0))) -- gone with this statement
),
hop AS MATERIALIZED (
    -- Each pool once, in the order of all pool locks. The node's pool is always among them, since the tenant's share of it
    -- may be claimed again.
    SELECT reservation.level, reservation.pool_id, reservation.pool_tenant_id AS tenant_id
    FROM requested
    JOIN reservations AS reservation
        ON reservation.tenant_id = requested.tenant_id AND reservation.session_id = requested.session_id
    WHERE (SELECT set_config('lock_timeout', :lock_wait::text, true)) IS NOT NULL -- gone with this transaction
    UNION
    SELECT 2::smallint, 'node', '00000000-0000-0000-0000-000000000000' FROM requested
    ORDER BY level, pool_id, tenant_id
),
held AS MATERIALIZED (
    -- Pools before sessions, in the order of all pool locks: an end and a creation, a revocation or another end can't deadlock.
    SELECT pool.tenant_id, pool.level, pool.pool_id, pool.charge::text AS charge, kept_kbps(pool) AS kept_kbps,
           ceiling_kbps(pool) AS ceiling_kbps, pool.reserved_kbps, pool.withheld_kbps
    FROM hop
    CROSS JOIN LATERAL (
        SELECT *
        FROM pools AS pool
        WHERE pool.tenant_id = hop.tenant_id AND pool.level = hop.level AND pool.pool_id = hop.pool_id
        FOR NO KEY UPDATE OF pool
    ) AS pool
),
live AS MATERIALIZED (
    -- Who holds their pools meets no other end here. A row that somebody holds all the same is left as it is, since to wait
    -- for it would make all wait who need the pools.
    SELECT session.tenant_id, session.session_id, requested.event_id
    FROM requested
    JOIN sessions AS session ON session.tenant_id = requested.tenant_id AND session.session_id = requested.session_id
    WHERE session.ended_at IS NULL -- says the same as its status, but no index is on it: by that of the status a plan might read all that is due
      AND (session.expires_at <= now() OR :reason::text IS NOT NULL)
      AND (SELECT count(*) FROM held) >= 0 -- the locks of the pools have to come first
    FOR NO KEY UPDATE OF session SKIP LOCKED
),
ended AS (
    UPDATE sessions AS session
    SET status = CASE WHEN session.expires_at <= now() THEN 'expired' ELSE 'terminated' END,
        ended_at = least(session.expires_at, clock_timestamp()), -- its transaction may be older than the session
        end_reason = CASE WHEN session.expires_at <= now() THEN 'expired' ELSE :reason::text END
    FROM live
    WHERE session.tenant_id = live.tenant_id AND session.session_id = live.session_id AND session.ended_at IS NULL
    RETURNING session.tenant_id, session.session_id, session.device_id, session.status, session.end_reason, live.event_id
),
freed AS (
    DELETE FROM reservations AS reservation
    USING ended
    WHERE reservation.tenant_id = ended.tenant_id AND reservation.session_id = ended.session_id
    RETURNING reservation.pool_tenant_id, reservation.level, reservation.pool_id, reservation.reserved_kbps
),
given AS MATERIALIZED (
    SELECT pool_tenant_id AS tenant_id, level, pool_id, sum(reserved_kbps)::bigint AS kbps
    FROM freed
    GROUP BY pool_tenant_id, level, pool_id
),
tenant_claimed AS (
    -- What devices keep, and have given back, their tenant withholds again.
    SELECT tenant.tenant_id, tenant.level, tenant.pool_id,
           sum(
               claim_kbps(device.kept_kbps, device.reserved_kbps - given.kbps, device.withheld_kbps)
               - claim_kbps(device.kept_kbps, device.reserved_kbps, device.withheld_kbps)
           )::bigint AS kbps
    FROM given
    JOIN held AS device USING (tenant_id, level, pool_id)
    JOIN held AS tenant ON tenant.tenant_id = device.tenant_id AND tenant.level = 1 AND tenant.charge = device.charge
    WHERE device.level = 0 AND device.kept_kbps > 0
    GROUP BY tenant.tenant_id, tenant.level, tenant.pool_id
),
node_claimed AS (
    SELECT node.tenant_id, node.level, node.pool_id,
           sum(
               claim_kbps(
                   tenant.kept_kbps, tenant.reserved_kbps - given.kbps, tenant.withheld_kbps + coalesce(claimed.kbps, 0)
               ) - claim_kbps(tenant.kept_kbps, tenant.reserved_kbps, tenant.withheld_kbps)
           )::bigint AS kbps
    FROM given
    JOIN held AS tenant USING (tenant_id, level, pool_id)
    JOIN held AS node ON node.level = 2 AND node.charge = tenant.charge
    LEFT JOIN tenant_claimed AS claimed ON claimed.tenant_id = tenant.tenant_id
    WHERE tenant.level = 1 AND (tenant.kept_kbps > 0 OR claimed.kbps > 0)
    GROUP BY node.tenant_id, node.level, node.pool_id
),
returned AS (
    -- From what the lock shows, as in create_sessions.
    UPDATE pools AS pool
    SET reserved_kbps = held.reserved_kbps - total.given_kbps,
        withheld_kbps = held.withheld_kbps + total.claimed_kbps,
        draining_kbps = greatest(
            held.reserved_kbps - total.given_kbps + held.withheld_kbps + total.claimed_kbps - held.ceiling_kbps, 0
        )
    FROM (
        SELECT change.tenant_id, change.level, change.pool_id, sum(change.given_kbps)::bigint AS given_kbps,
               sum(change.claimed_kbps)::bigint AS claimed_kbps
        FROM (
            SELECT tenant_id, level, pool_id, kbps AS given_kbps, 0 AS claimed_kbps FROM given
            UNION ALL
            SELECT tenant_id, level, pool_id, 0, kbps FROM tenant_claimed
            UNION ALL
            SELECT tenant_id, level, pool_id, 0, kbps FROM node_claimed
        ) AS change
        GROUP BY change.tenant_id, change.level, change.pool_id
    ) AS total
    JOIN held USING (tenant_id, level, pool_id)
    WHERE pool.tenant_id = total.tenant_id AND pool.level = total.level AND pool.pool_id = total.pool_id
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
SELECT requested.session_id, ended.status
FROM requested
LEFT JOIN ended ON ended.tenant_id = requested.tenant_id AND ended.session_id = requested.session_id;

-- name: shrink_sessions
-- Leave live sessions with less of what they had, and write an audit event for each; the locks of their pools are held, and what those withhold is recomputed after. Returns each session that was live and still had that; the others stay as they are.
WITH requested AS (
    SELECT *
    FROM unnest(:tenant_ids::uuid[], :session_ids::uuid[], :were_kbps::bigint[], :event_ids::uuid[])
        AS requested (tenant_id, session_id, was_kbps, event_id)
),
live AS MATERIALIZED (
    SELECT session.tenant_id, session.session_id, session.device_id, requested.event_id, requested.was_kbps
    FROM requested
    JOIN sessions AS session ON session.tenant_id = requested.tenant_id AND session.session_id = requested.session_id
    WHERE session.ended_at IS NULL
      AND requested.was_kbps = (
          SELECT sum(stream.bandwidth_kbps) FROM streams AS stream
          WHERE stream.tenant_id = requested.tenant_id AND stream.session_id = requested.session_id
      )
),
stream AS (
    UPDATE streams AS stream
    SET bandwidth_kbps = new.kbps,
        asked_bandwidth_kbps = coalesce(stream.asked_bandwidth_kbps, nullif(stream.bandwidth_kbps, new.kbps))
    FROM live
    CROSS JOIN unnest(:stream_session_ids::uuid[], :positions::smallint[], :bandwidths_kbps::bigint[])
        AS new (session_id, position, kbps)
    WHERE new.session_id = live.session_id
      AND stream.tenant_id = live.tenant_id AND stream.session_id = live.session_id AND stream.position = new.position
    RETURNING stream.tenant_id, stream.session_id, stream.bandwidth_kbps, stream.data_shards, stream.parity_shards
),
total AS (
    SELECT tenant_id, session_id, sum(bandwidth_kbps)::bigint AS payload_kbps,
           sum(wire_kbps(bandwidth_kbps, data_shards, parity_shards))::bigint AS wire_kbps
    FROM stream
    GROUP BY tenant_id, session_id
),
freed AS (
    UPDATE reservations AS reservation
    SET reserved_kbps = held.now_kbps
    FROM (
        SELECT was.*, charge_kbps(pool.charge, total.payload_kbps, total.wire_kbps) AS now_kbps
        FROM total
        JOIN reservations AS was ON was.tenant_id = total.tenant_id AND was.session_id = total.session_id
        JOIN pools AS pool
            ON pool.tenant_id = was.pool_tenant_id AND pool.level = was.level AND pool.pool_id = was.pool_id
    ) AS held
    WHERE reservation.tenant_id = held.tenant_id AND reservation.session_id = held.session_id
      AND reservation.level = held.level
    RETURNING held.pool_tenant_id, held.level, held.pool_id, held.reserved_kbps - held.now_kbps AS kbps
),
returned AS (
    UPDATE pools AS pool
    SET reserved_kbps = pool.reserved_kbps - given.kbps,
        -- In a device's ancestors it follows from what is withheld, once that is recomputed.
        draining_kbps = CASE pool.level
            WHEN 0 THEN least(pool.draining_kbps, greatest(pool.reserved_kbps - given.kbps - ceiling_kbps(pool), 0))
            ELSE pool.draining_kbps
        END
    FROM (
        SELECT pool_tenant_id, level, pool_id, sum(kbps)::bigint AS kbps
        FROM freed
        GROUP BY pool_tenant_id, level, pool_id
    ) AS given
    WHERE pool.tenant_id = given.pool_tenant_id AND pool.level = given.level AND pool.pool_id = given.pool_id
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT live.tenant_id, live.event_id, 'session-shrink', :actor::text, live.device_id, 'success',
           jsonb_build_object(
               'session_id', live.session_id, 'reason', :reason::text,
               'from_bandwidth_kbps', live.was_kbps, 'to_bandwidth_kbps', total.payload_kbps
           ),
           :trace_id::text
    FROM live
    JOIN total ON total.tenant_id = live.tenant_id AND total.session_id = live.session_id
)
SELECT session_id FROM live;

-- name: find_contenders^
-- Live sessions that hold bandwidth of the pools of a device's path, with all pools that they or the path are in: of the device, of its tenant, and where there is a node's pool of all tenants. However many there are, this looks at some: at the device's newest, at the tenant's oldest, at those that end soonest, and where it is given at the weakest below a priority that are old enough to be taken from, in the tenant and in all others, of each of which a tenth of them may come.
-- How many is a parameter, and the planner takes one for a tenth of all rows. So what was chosen is looked up one by one, in laterals with a limit; joined, it would be looked for in whole tables.
WITH node AS (
    SELECT FROM pools WHERE tenant_id = '00000000-0000-0000-0000-000000000000' AND level = 2
),
oldest AS (
    SELECT session_id FROM reservations WHERE tenant_id = :tenant_id ORDER BY session_id LIMIT 1
),
chosen AS MATERIALIZED (
    (
        SELECT tenant_id, session_id
        FROM sessions
        WHERE tenant_id = :tenant_id::uuid AND device_id = :device_id::text AND status = 'active'
          AND session_id >= (SELECT session_id FROM oldest)
        ORDER BY session_id DESC
        LIMIT :limit::integer
    )
    UNION
    (
        -- Of a tenant that has few these are all, however many others have that end before them.
        SELECT tenant_id, session_id
        FROM reservations
        WHERE tenant_id = :tenant_id AND level = 1
        ORDER BY session_id
        LIMIT :limit::integer
    )
    UNION
    SELECT tenant_id, session_id
    FROM (
        SELECT tenant_id, session_id FROM sessions WHERE status = 'active' ORDER BY expires_at LIMIT :limit::integer
    ) AS soonest
    WHERE tenant_id = :tenant_id OR EXISTS (SELECT FROM node)
    UNION
    (
        SELECT tenant_id, session_id
        FROM sessions
        WHERE :weaker_than::integer IS NOT NULL AND tenant_id = :tenant_id
          AND status = 'active' AND hold_priority < :weaker_than::integer
          AND created_at <= now() - make_interval(secs => :min_hold_ms::bigint / 1000.0)
        ORDER BY hold_priority, session_id DESC
        LIMIT :limit::integer
    )
    UNION
    (
        SELECT weakest.tenant_id, weakest.session_id
        FROM tenants AS owner
        CROSS JOIN LATERAL (
            SELECT tenant_id, session_id, hold_priority
            FROM sessions
            WHERE tenant_id = owner.tenant_id AND status = 'active' AND hold_priority < :weaker_than::integer
              AND created_at <= now() - make_interval(secs => :min_hold_ms::bigint / 1000.0)
            ORDER BY hold_priority, session_id DESC
            LIMIT (:limit::integer + 9) / 10
        ) AS weakest
        WHERE :weaker_than::integer IS NOT NULL AND owner.tenant_id <> :tenant_id AND EXISTS (SELECT FROM node)
        ORDER BY weakest.hold_priority, weakest.session_id DESC
        LIMIT :limit::integer
    )
),
held AS MATERIALIZED (
    SELECT chosen.tenant_id, chosen.session_id, reserved.*
    FROM chosen
    CROSS JOIN LATERAL (
        SELECT pool_tenant_id, level, pool_id
        FROM reservations
        WHERE tenant_id = chosen.tenant_id AND session_id = chosen.session_id
        LIMIT 3
    ) AS reserved
)
SELECT floor(extract(epoch FROM now()) * 1000)::bigint AS now_ms,
       (
           SELECT json_agg(to_json(each))
           FROM (
               SELECT session.*, own.pool_keys,
                      (
                          SELECT json_agg(stream ORDER BY stream.position)
                          FROM streams AS stream
                          WHERE stream.tenant_id = own.tenant_id AND stream.session_id = own.session_id
                      ) AS streams
               FROM (
                   SELECT tenant_id, session_id, json_agg(concat_ws('/', pool_tenant_id, level, pool_id)) AS pool_keys
                   FROM held
                   GROUP BY tenant_id, session_id
               ) AS own
               CROSS JOIN LATERAL (
                   SELECT tenant_id, session_id, device_id, hold_priority,
                          floor(extract(epoch FROM created_at) * 1000)::bigint AS opened_ms,
                          ceil(extract(epoch FROM expires_at) * 1000)::bigint AS expires_ms
                   FROM sessions
                   WHERE tenant_id = own.tenant_id AND session_id = own.session_id
                   LIMIT 1
               ) AS session
           ) AS each
       ) AS sessions,
       (
           SELECT json_agg(pool)
           FROM (
               SELECT pool_tenant_id, level, pool_id FROM held
               UNION
               SELECT :tenant_id, 0, :device_id::text
               UNION
               SELECT tenant_id, level, pool_id FROM pools WHERE tenant_id = :tenant_id AND level = 1
               UNION
               SELECT '00000000-0000-0000-0000-000000000000', 2, 'node'
           ) AS named
           CROSS JOIN LATERAL (
               SELECT *
               FROM pools
               WHERE tenant_id = named.pool_tenant_id AND level = named.level AND pool_id = named.pool_id
               LIMIT 1
           ) AS pool
       ) AS pools;

-- name: list_due_sessions
-- The longest overdue sessions that are still marked active, over all tenants, but some devices', some tenants' and some others.
SELECT tenant_id, session_id, device_id
FROM sessions
WHERE status = 'active' AND expires_at <= now()
  AND tenant_id <> ALL (:without_tenants::uuid[])
  AND (tenant_id, device_id) NOT IN (SELECT * FROM unnest(:without_device_tenants::uuid[], :without_devices::text[]))
  AND session_id <> ALL (:without_sessions::uuid[])
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
SELECT {session_fields}
FROM session_details
WHERE tenant_id = :tenant_id AND session_id = :session_id;

-- name: list_sessions
-- A page of a tenant's sessions with their streams, newest first. Ids are UUIDv7, so their order is the order of creation. For live ones alone there is list_live_sessions. Ended ones are most of what is stored; where those of a status are few, they are looked for row by row, since an index of them would make each end dearer.
-- One plan serves all parameters, so a bound that is not given has a value too: the walk of the index begins there. The filter is a CASE, which the planner takes for even odds; of an OR it expects so few rows that it would rather sort all of the tenant's.
SELECT {session_fields}
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
    SELECT {session_fields}
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
SELECT {session_fields}
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
