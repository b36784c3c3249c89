-- The first schema. Every primary and foreign key begins with tenant_id, so that the tables can be distributed by tenant.

CREATE TABLE tenants (
    tenant_id  uuid PRIMARY KEY,
    name       text NOT NULL CONSTRAINT tenants_name UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Owner of the node pool, and of refused attempts that name no tenant.
INSERT INTO tenants (tenant_id, name) VALUES ('00000000-0000-0000-0000-000000000000', 'system');

-- Data-encryption keys, wrapped by the key provider; the newest of a tenant seals new session keys.
CREATE TABLE data_keys (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    dek_id      uuid NOT NULL,
    provider    text NOT NULL,
    key_id      text NOT NULL,
    key_version integer NOT NULL,
    ciphertext  bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, dek_id)
);

CREATE TABLE devices (
    tenant_id          uuid NOT NULL REFERENCES tenants,
    device_id          text NOT NULL CHECK (device_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{3,63}$'),
    status             text NOT NULL CHECK (status IN ('pending', 'paired', 'revoked')),
    public_key         bytea NOT NULL CHECK (length(public_key) = 32),
    firmware_version   text NOT NULL,
    capabilities       text[] NOT NULL,
    metadata           jsonb NOT NULL,
    registered_at      timestamptz NOT NULL DEFAULT now(),
    pairing_code_mac   bytea NOT NULL,
    pairing_expires_at timestamptz NOT NULL,
    pairing_tries      integer NOT NULL DEFAULT 0,
    paired_at          timestamptz,
    revoked_at         timestamptz,
    revoke_reason      text,
    drained_at         timestamptz, -- when the last session of the revoked device had been ended
    -- The device master key, wrapped; made at pairing.
    dmk_provider       text,
    dmk_key_id         text,
    dmk_key_version    integer,
    dmk_ciphertext     bytea,
    PRIMARY KEY (tenant_id, device_id),
    CONSTRAINT devices_paired_has_key CHECK (
        status <> 'paired'
        OR (paired_at IS NOT NULL AND num_nulls(dmk_provider, dmk_key_id, dmk_key_version, dmk_ciphertext) = 0)
    )
);

CREATE INDEX devices_newest ON devices (tenant_id, registered_at, device_id);
CREATE INDEX devices_draining ON devices (revoked_at) WHERE status = 'revoked' AND drained_at IS NULL;

CREATE TABLE tokens (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    token_id   uuid NOT NULL,
    name       text NOT NULL,
    role       text NOT NULL CHECK (role IN ('admin', 'operator', 'device', 'auditor')),
    device_id  text,
    sha256     bytea NOT NULL CHECK (length(sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, token_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES devices,
    CONSTRAINT tokens_device_role CHECK ((role = 'device') = (device_id IS NOT NULL))
);

-- A name stands for a token in the audit trail, so no two live ones share it; a device has one live token.
CREATE UNIQUE INDEX tokens_name ON tokens (tenant_id, name) WHERE revoked_at IS NULL AND role <> 'device';
CREATE UNIQUE INDEX tokens_device ON tokens (tenant_id, device_id) WHERE revoked_at IS NULL AND role = 'device';

-- Capacities that sessions reserve from. Locks are taken in the order (level, pool_id).
CREATE TABLE pools (
    tenant_id     uuid NOT NULL REFERENCES tenants,
    level         smallint NOT NULL CHECK (level BETWEEN 0 AND 2),
    pool_id       text NOT NULL,
    capacity_kbps bigint NOT NULL CHECK (capacity_kbps >= 0),
    reserved_kbps bigint NOT NULL DEFAULT 0 CHECK (reserved_kbps >= 0),
    -- Whether new sessions may reserve here. A device's pool opens with pairing and closes with revocation, so that a
    -- session and a revocation that race meet at this row's lock.
    accepting     boolean NOT NULL,
    PRIMARY KEY (tenant_id, level, pool_id),
    CONSTRAINT pools_capacity CHECK (reserved_kbps <= capacity_kbps)
) WITH (fillfactor = 50); -- each session updates these rows; room on the page keeps the updates heap-only

CREATE TABLE sessions (
    tenant_id        uuid NOT NULL,
    session_id       uuid NOT NULL,
    device_id        text NOT NULL,
    status           text NOT NULL CHECK (status IN ('active', 'expired', 'terminated')),
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    end_reason       text,
    session_endpoint text NOT NULL,
    -- The session key, sealed under a subkey of this data key.
    dek_id           uuid NOT NULL,
    key_nonce        bytea NOT NULL,
    key_ciphertext   bytea NOT NULL,
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, device_id) REFERENCES devices,
    FOREIGN KEY (tenant_id, dek_id) REFERENCES data_keys,
    CONSTRAINT sessions_ended CHECK ((status = 'active') = (ended_at IS NULL))
);

CREATE INDEX sessions_by_device ON sessions (tenant_id, device_id, session_id);
CREATE INDEX sessions_due ON sessions (expires_at) WHERE status = 'active';

-- Streams and reservations have no foreign key to their session. The statement that writes a session writes them, nothing
-- else does, and no session is ever deleted. The checks, one a row, are planned while the tables are young, and cost more
-- than all the inserts as these grow.

CREATE TABLE streams (
    tenant_id      uuid NOT NULL,
    session_id     uuid NOT NULL,
    position       smallint NOT NULL,
    stream_id      uuid NOT NULL,
    name           text NOT NULL,
    mode           text NOT NULL CHECK (mode IN ('reliable', 'unreliable')),
    priority       text NOT NULL CHECK (priority IN ('latency', 'normal', 'burst')),
    bandwidth_kbps bigint NOT NULL CHECK (bandwidth_kbps > 0),
    connection_id  text NOT NULL,
    data_shards    smallint NOT NULL,
    parity_shards  smallint NOT NULL,
    PRIMARY KEY (tenant_id, session_id, position)
);

-- What each live session holds of each pool; the rows go when the session ends.
CREATE TABLE reservations (
    tenant_id      uuid NOT NULL,
    session_id     uuid NOT NULL,
    level          smallint NOT NULL,
    pool_tenant_id uuid NOT NULL, -- the tenant's own, or the system's for the node pool
    pool_id        text NOT NULL,
    reserved_kbps  bigint NOT NULL CHECK (reserved_kbps > 0),
    PRIMARY KEY (tenant_id, session_id, level)
);

-- Sessions as readers see them: one past its end is expired from that moment on, also before the sweep has come by.
CREATE VIEW session_details AS
SELECT session.tenant_id, session.session_id, session.device_id, session.created_at, session.expires_at,
       session.session_endpoint,
       CASE WHEN due.expired THEN 'expired' ELSE session.status END AS status,
       CASE WHEN due.expired THEN session.expires_at ELSE session.ended_at END AS ended_at,
       CASE WHEN due.expired THEN 'expired' ELSE session.end_reason END AS end_reason,
       stream.streams
FROM sessions AS session
CROSS JOIN LATERAL (SELECT session.status = 'active' AND session.expires_at <= now() AS expired) AS due
CROSS JOIN LATERAL (
    SELECT jsonb_agg(to_jsonb(stream) ORDER BY stream.position) AS streams
    FROM streams AS stream
    WHERE stream.tenant_id = session.tenant_id AND stream.session_id = session.session_id
) AS stream;

CREATE TABLE audit_events (
    tenant_id uuid NOT NULL REFERENCES tenants,
    at        timestamptz NOT NULL DEFAULT now(),
    event_id  uuid NOT NULL,
    category  text NOT NULL,
    actor     text NOT NULL,
    device_id text,
    outcome   text NOT NULL CHECK (outcome IN ('success', 'refused')),
    details   jsonb NOT NULL,
    trace_id  text NOT NULL,
    PRIMARY KEY (tenant_id, at, event_id)
);

CREATE INDEX audit_events_by_device ON audit_events (tenant_id, device_id, at, event_id);

CREATE FUNCTION audit_events_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_events_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_final();
-- Also when triggers are switched off for replication.
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_append_only;

-- The service's role. Roles belong to the whole server, so another database may have made it already.
DO $$
BEGIN
    CREATE ROLE honeylink_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
-- Lets a migrating user that is no superuser serve too.
GRANT honeylink_app TO CURRENT_USER;

GRANT SELECT, INSERT ON tenants, data_keys, streams, audit_events TO honeylink_app;
GRANT SELECT, INSERT, UPDATE ON devices, tokens, pools, sessions TO honeylink_app;
GRANT SELECT, INSERT, DELETE ON reservations TO honeylink_app;
GRANT SELECT ON session_details, alembic_version TO honeylink_app;
DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO honeylink_app', current_schema());
END
$$;
