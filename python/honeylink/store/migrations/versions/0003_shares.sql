-- Pools that share their parent pool, sessions that do with less than they asked for, and who may take from whom.

-- Behind a long transaction it would wait, and every request behind it; so it gives up. No rows are written but those of
-- pools, as many as there are devices: they are made anew for columns whose types have checks.
SET LOCAL lock_timeout = '1s';

-- Amounts that only an operator changes are checked by their type: a table's checks are read and compiled anew by each
-- statement that updates a pool, and those are most of all statements. So are generated columns; hence the functions below.
CREATE DOMAIN pool_charge AS text CHECK (VALUE IN ('payload', 'wire'));
CREATE DOMAIN pool_amount AS bigint CHECK (VALUE >= 0);

ALTER TABLE pools
    ADD COLUMN created_at        timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN charge            pool_charge NOT NULL DEFAULT 'payload',
    ADD COLUMN guaranteed_kbps   pool_amount,
    ADD COLUMN borrow_limit_kbps pool_amount,
    ADD COLUMN lend_limit_kbps   pool_amount,
    ADD COLUMN preemption        boolean NOT NULL DEFAULT false,
    ADD COLUMN min_hold_ms       pool_amount NOT NULL DEFAULT 0,
    -- What is kept free for the child pools, beyond what they have reserved: the sum of their claims.
    ADD COLUMN withheld_kbps     bigint NOT NULL DEFAULT 0,
    -- How far a capacity was lowered under what is there: it drains as sessions end, and nothing comes in until then.
    ADD COLUMN draining_kbps     bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT pools_capacity,
    ADD CONSTRAINT pools_capacity CHECK (
        withheld_kbps >= 0
        AND reserved_kbps + withheld_kbps
            <= least(capacity_kbps, coalesce(guaranteed_kbps, 0) + borrow_limit_kbps) + draining_kbps
    );

-- The part of a pool's share that others can't have.
CREATE FUNCTION kept_kbps(pool pools) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT greatest(least(coalesce(pool.guaranteed_kbps, 0), pool.capacity_kbps) - pool.lend_limit_kbps, 0)
$$;

-- What reserved and withheld together may come to.
CREATE FUNCTION ceiling_kbps(pool pools) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT least(pool.capacity_kbps, coalesce(pool.guaranteed_kbps, 0) + pool.borrow_limit_kbps)
$$;

-- What its parent pool keeps free for it beyond what it has reserved, if that one charges alike.
CREATE FUNCTION claim_kbps(pool pools) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT greatest(pool.withheld_kbps, kept_kbps(pool) - pool.reserved_kbps)
$$;

CREATE INDEX pools_newest ON pools (tenant_id, created_at, level, pool_id);
-- Few have a share, and those are asked for together.
CREATE INDEX pools_with_share ON pools (tenant_id, level) WHERE guaranteed_kbps IS NOT NULL;

ALTER TABLE sessions
    ADD COLUMN setup_priority integer NOT NULL DEFAULT 0,
    ADD COLUMN hold_priority  integer NOT NULL DEFAULT 0;

ALTER TABLE streams
    -- What was asked for, where the stream has less.
    ADD COLUMN asked_bandwidth_kbps bigint,
    -- What it can live with; null: all or nothing.
    ADD COLUMN min_bandwidth_kbps   bigint,
    -- Not valid: the rows that are there have neither, and reading them all would take a while.
    ADD CONSTRAINT streams_bandwidth CHECK (
        bandwidth_kbps <= asked_bandwidth_kbps AND bandwidth_kbps >= min_bandwidth_kbps
    ) NOT VALID;

-- A view's columns come in the order in which it was made, so the new ones stand last.
CREATE OR REPLACE VIEW session_details AS
SELECT session.tenant_id, session.session_id, session.device_id, session.created_at, session.expires_at,
       session.session_endpoint,
       CASE WHEN due.expired THEN 'expired' ELSE session.status END AS status,
       CASE WHEN due.expired THEN session.expires_at ELSE session.ended_at END AS ended_at,
       CASE WHEN due.expired THEN 'expired' ELSE session.end_reason END AS end_reason,
       stream.streams,
       session.setup_priority, session.hold_priority
FROM sessions AS session
CROSS JOIN LATERAL (SELECT session.status = 'active' AND session.expires_at <= now() AS expired) AS due
CROSS JOIN LATERAL (
    SELECT jsonb_agg(to_jsonb(stream) ORDER BY stream.position) AS streams
    FROM streams AS stream
    WHERE stream.tenant_id = session.tenant_id AND stream.session_id = session.session_id
) AS stream;

-- Sessions that live on with less.
GRANT UPDATE ON streams, reservations TO honeylink_app;
