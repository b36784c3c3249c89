-- How a session charges the pools of its path: one function a rule, which all statements use. The planner puts their bodies
-- in their places, so a statement costs what it would if it stated the rule itself. The Rust planner has the same rules, and
-- one table of cases (tests/cases/charging.json) holds both to it.

-- What a stream sends, with its parity, rounded up to whole kbps.
CREATE FUNCTION wire_kbps(bandwidth_kbps bigint, data_shards smallint, parity_shards smallint) RETURNS bigint
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT (bandwidth_kbps * (data_shards + parity_shards) + data_shards - 1) / data_shards
$$;

-- What streams cost a pool of that charge; null where there is no pool.
CREATE FUNCTION charge_kbps(charge text, payload_kbps bigint, wire_kbps bigint) RETURNS bigint
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE charge WHEN 'wire' THEN wire_kbps WHEN 'payload' THEN payload_kbps END
$$;

-- What a pool counts for in a parent that charges alike: what is committed in it, and no less than what it keeps.
CREATE FUNCTION counted_kbps(kept_kbps bigint, committed_kbps bigint) RETURNS bigint
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT greatest(committed_kbps, kept_kbps)
$$;

-- What streams add to the committed kbps of a parent, when those of the child grow from `before_kbps` to `after_kbps`.
CREATE FUNCTION parent_charge_kbps(
    parent_charge text, child_charge text, kept_kbps bigint, before_kbps bigint, after_kbps bigint,
    payload_kbps bigint, wire_kbps bigint
) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT CASE parent_charge
        WHEN child_charge THEN counted_kbps(kept_kbps, after_kbps) - counted_kbps(kept_kbps, before_kbps)
        ELSE charge_kbps(parent_charge, payload_kbps, wire_kbps)
    END
$$;

-- What a pool is guaranteed of its parent.
CREATE FUNCTION share_kbps(pool pools) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT least(coalesce(pool.guaranteed_kbps, 0), pool.capacity_kbps)
$$;

-- The part of a pool's share that others can't have.
CREATE OR REPLACE FUNCTION kept_kbps(pool pools) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT greatest(share_kbps(pool) - pool.lend_limit_kbps, 0)
$$;

-- What reserved and withheld together may come to.
CREATE FUNCTION ceiling_kbps(capacity_kbps bigint, guaranteed_kbps bigint, borrow_limit_kbps bigint) RETURNS bigint
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT least(capacity_kbps, coalesce(guaranteed_kbps, 0) + borrow_limit_kbps)
$$;

CREATE OR REPLACE FUNCTION ceiling_kbps(pool pools) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT ceiling_kbps(pool.capacity_kbps, pool.guaranteed_kbps, pool.borrow_limit_kbps)
$$;

-- What a parent that charges alike keeps free for a pool beyond what that has reserved.
CREATE FUNCTION claim_kbps(kept_kbps bigint, reserved_kbps bigint, withheld_kbps bigint) RETURNS bigint
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT counted_kbps(kept_kbps, reserved_kbps + withheld_kbps) - reserved_kbps
$$;

CREATE OR REPLACE FUNCTION claim_kbps(pool pools) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT claim_kbps(kept_kbps(pool), pool.reserved_kbps, pool.withheld_kbps)
$$;
