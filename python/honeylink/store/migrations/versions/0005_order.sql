-- Events in the order of changes, and which versions of the code a schema is for.

-- Behind a long transaction it would wait, and every request behind it; so it gives up. No row is written.
SET LOCAL lock_timeout = '1s';

-- When an event was written, under the locks of what it is about. When its transaction began says nothing of their order.
ALTER TABLE audit_events ALTER COLUMN at SET DEFAULT clock_timestamp();

-- The revision of the oldest code that can work with this schema. A migration that older code can't work with replaces it.
CREATE FUNCTION oldest_code_revision() RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT '0004'
$$;
