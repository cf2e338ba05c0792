-- The event log: roles, tables, row-level security, and the one function that appends.

-- Roles belong to the whole server, so another database may have made them already, or be making them now.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['magistrate_owner', 'magistrate_writer', 'magistrate_follower', 'magistrate_reader']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END $$;

CREATE SCHEMA event_log AUTHORIZATION magistrate_owner;
SET ROLE magistrate_owner;
SET search_path = event_log;

REVOKE ALL ON SCHEMA event_log FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA event_log REVOKE ALL ON TABLES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA event_log TO magistrate_writer, magistrate_follower, magistrate_reader;

-- The tenants whose rows this transaction may touch; unset or empty, there are none.
CREATE FUNCTION tenants() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT string_to_array(current_setting('magistrate.tenants', true), ',') $$;
GRANT EXECUTE ON FUNCTION tenants() TO magistrate_writer, magistrate_follower, magistrate_reader;

-- Fixed-width columns stand first, so that no row is padded.
CREATE TABLE events (
    position        bigint NOT NULL,
    tenant_position bigint NOT NULL,
    version         bigint NOT NULL,
    event_id        uuid   NOT NULL,
    schema_version  int    NOT NULL,
    tenant          text   NOT NULL COLLATE "C",
    stream          text   NOT NULL COLLATE "C",
    name            text   NOT NULL COLLATE "C",
    context         bytea  NOT NULL,
    body            bytea  NOT NULL,
    CONSTRAINT events_position PRIMARY KEY (position),
    CONSTRAINT events_stream_version UNIQUE (stream, version),
    CONSTRAINT events_event_id UNIQUE (event_id),
    CONSTRAINT events_tenant_position UNIQUE (tenant, tenant_position)
) WITH (
    -- Nothing is ever updated: vacuum only freezes, and need not come often.
    autovacuum_vacuum_insert_scale_factor = 0.2,
    autovacuum_analyze_scale_factor = 0.02
);

-- Registries, policies and revocations are few among very many events of runs.
CREATE INDEX events_not_of_runs ON events (position) WHERE NOT starts_with(name, 'run.');

-- How many of a tenant's events stand at or before a position: found by halving, because tenant positions
-- are contiguous and grow with positions. Reading a tenant's events from there needs no second index.
CREATE FUNCTION tenant_events_until(in_tenant text, in_position bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    low    bigint := 0;
    high   bigint;
    middle bigint;
BEGIN
    SELECT h.position INTO high FROM event_log.tenant_heads h WHERE h.tenant = in_tenant;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT e.position FROM event_log.events e WHERE e.tenant = in_tenant AND e.tenant_position = middle)
           <= in_position THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;
GRANT EXECUTE ON FUNCTION tenant_events_until(text, bigint)
    TO magistrate_writer, magistrate_follower, magistrate_reader;

-- The newest position of all. Its row is the append lock: who has updated it writes, the others wait.
CREATE TABLE log_head (
    one      bool   PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
INSERT INTO log_head (position) VALUES (0);

CREATE TABLE tenant_heads (
    position     bigint NOT NULL,
    law_position bigint NOT NULL DEFAULT 0,
    tenant       text   NOT NULL COLLATE "C" PRIMARY KEY
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.1);

CREATE TABLE idempotency_keys (
    position   bigint      NOT NULL,
    expires_at timestamptz NOT NULL,
    status     int         NOT NULL,
    tenant     text        NOT NULL COLLATE "C",
    principal  text        NOT NULL COLLATE "C",
    key        text        NOT NULL COLLATE "C",
    digest     bytea       NOT NULL,
    body       bytea       NOT NULL,
    PRIMARY KEY (tenant, principal, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

CREATE TABLE snapshots (
    version  bigint NOT NULL,
    fold     int    NOT NULL,
    tenant   text   NOT NULL COLLATE "C",
    stream   text   NOT NULL COLLATE "C" PRIMARY KEY,
    subjects text[] NOT NULL COLLATE "C",
    bytes    bytea  NOT NULL
);
CREATE INDEX snapshots_subjects ON snapshots USING gin (subjects);

-- Subjects are pseudonyms. A destroyed key keeps its row, so that what it sealed is known to be erased.
CREATE TABLE subject_keys (
    key_id       uuid        NOT NULL PRIMARY KEY,
    created_at   timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    tenant       text        NOT NULL COLLATE "C",
    subject      text        NOT NULL COLLATE "C",
    wrapped      bytea,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE UNIQUE INDEX subject_keys_living ON subject_keys (tenant, subject) WHERE destroyed_at IS NULL;
CREATE INDEX subject_keys_subject ON subject_keys (tenant, subject);

-- History is not rewritten, not even by the owner of the table.
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed or removed' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER never_rewritten BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

GRANT SELECT, INSERT ON events TO magistrate_writer;
GRANT SELECT, UPDATE ON log_head TO magistrate_writer;
GRANT SELECT, INSERT, UPDATE ON tenant_heads, idempotency_keys TO magistrate_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON snapshots TO magistrate_writer;
GRANT SELECT, INSERT, UPDATE (wrapped, destroyed_at) ON subject_keys TO magistrate_writer;
GRANT SELECT ON events, log_head, tenant_heads, subject_keys, snapshots TO magistrate_follower;
GRANT SELECT, DELETE ON idempotency_keys TO magistrate_follower;
GRANT SELECT ON events, log_head, tenant_heads, snapshots TO magistrate_reader;

-- Nobody sees another tenant's rows; the owner is bound too, and followers are let through by name.
DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['events', 'snapshots', 'idempotency_keys', 'subject_keys']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', guarded);
        -- In a subquery the setting is read once for a statement, not once for a row.
        EXECUTE format(
            'CREATE POLICY own_tenants ON %I USING (tenant = ANY ((SELECT event_log.tenants())::text[]))', guarded);
    END LOOP;
END $$;
CREATE POLICY following ON events FOR SELECT TO magistrate_follower USING (true);
CREATE POLICY following ON snapshots FOR SELECT TO magistrate_follower USING (true);
CREATE POLICY following ON subject_keys FOR SELECT TO magistrate_follower USING (true);
CREATE POLICY purging ON idempotency_keys TO magistrate_follower USING (expires_at < now());

-- What a batch of commands brings. `command` numbers the commands of a batch from 0; `place` and
-- `tenant_place` count an event backwards from the batch's last and from its tenant's last, which is 0.
CREATE TYPE new_event AS (
    command int, place int, tenant_place int, tenant text, stream text, version bigint, event_id uuid,
    name text, schema_version int, context bytea, body bytea
);
-- A stream must end at `after`; without it, only before version `first`.
CREATE TYPE expected_head AS (command int, stream text, after bigint, first bigint);
CREATE TYPE fence AS (command int, tenant text, law_seen bigint);
-- With `wrapped` a new key; without, one that must still be alive.
CREATE TYPE key_use AS (command int, tenant text, subject text, key_id uuid, wrapped bytea);
CREATE TYPE new_answer AS (
    command int, tenant text, principal text, key text, digest bytea, status int, body bytea,
    expires_at timestamptz
);

-- Appends a batch of commands, each all or nothing, in one transaction under the append lock.
--
-- Returns one row with command -1 and the log's new head, then one for each command that was not
-- written: `answered` and `reused` (its idempotency key), `stale` (the law moved; where to), `conflict`
-- (a stream moved), `key` (a subject's key was made or destroyed meanwhile).
CREATE FUNCTION append(
    in_tenants text[], in_counts bigint[], in_law text[], in_now timestamptz,
    in_events new_event[], in_heads expected_head[], in_fences fence[], in_keys key_use[], in_answers new_answer[]
) RETURNS TABLE (command int, reason text, tenant text, at bigint, status int, body bytea)
LANGUAGE plpgsql
-- Everything here has an index. Plans are kept, and one that was made while the table was small, or not yet
-- analysed, would read whole streams (seen) or the whole table long after both have grown.
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    n      int := cardinality(in_events);
    head   bigint;
    lost   int[] := '{}';
    given  record;
BEGIN
    PERFORM set_config('magistrate.tenants', array_to_string(in_tenants, ','), true);
    UPDATE event_log.log_head h SET position = h.position + n RETURNING h.position INTO head;

    -- Whatever is read from here on is read under the lock, each time in a statement of its own: a read
    -- in the statement that waits for the lock would see what was true before the wait.
    IF cardinality(in_answers) > 0 THEN
        FOR given IN
            SELECT a.command, k.position, k.status, k.body, k.digest = a.digest AS same
            FROM unnest(in_answers) a
            JOIN event_log.idempotency_keys k
              ON (k.tenant, k.principal, k.key) = (a.tenant, a.principal, a.key) AND k.expires_at > in_now
        LOOP
            lost := lost || given.command;
            RETURN QUERY SELECT given.command, CASE WHEN given.same THEN 'answered' ELSE 'reused' END,
                NULL::text, given.position, given.status, given.body;
        END LOOP;
    END IF;
    IF cardinality(in_fences) > 0 THEN
        FOR given IN
            SELECT DISTINCT ON (f.command) f.command, f.tenant, h.law_position
            FROM unnest(in_fences) f JOIN event_log.tenant_heads h USING (tenant)
            WHERE h.law_position > f.law_seen AND f.command <> ALL (lost)
        LOOP
            lost := lost || given.command;
            RETURN QUERY SELECT given.command, 'stale', given.tenant, given.law_position, NULL::int, NULL::bytea;
        END LOOP;
    END IF;
    FOR given IN
        SELECT DISTINCT e.command
        FROM unnest(in_heads) e
        LEFT JOIN LATERAL (
            SELECT v.version FROM event_log.events v WHERE v.stream = e.stream ORDER BY v.version DESC LIMIT 1
        ) now ON true
        WHERE now.version >= e.first OR coalesce(now.version, 0) <> e.after
    LOOP
        IF given.command <> ALL (lost) THEN
            lost := lost || given.command;
            RETURN QUERY SELECT given.command, 'conflict', NULL::text, NULL::bigint, NULL::int, NULL::bytea;
        END IF;
    END LOOP;
    IF cardinality(in_keys) > 0 THEN
        FOR given IN
            SELECT DISTINCT u.command
            FROM unnest(in_keys) u
            LEFT JOIN event_log.subject_keys k
              ON (k.tenant, k.subject) = (u.tenant, u.subject) AND k.destroyed_at IS NULL
            WHERE k.key_id IS DISTINCT FROM CASE WHEN u.wrapped IS NULL THEN u.key_id END
              AND u.command <> ALL (lost)
        LOOP
            lost := lost || given.command;
            RETURN QUERY SELECT given.command, 'key', NULL::text, NULL::bigint, NULL::int, NULL::bytea;
        END LOOP;
        INSERT INTO event_log.subject_keys (tenant, subject, key_id, wrapped, created_at)
        SELECT u.tenant, u.subject, u.key_id, u.wrapped, in_now
        FROM unnest(in_keys) u WHERE u.wrapped IS NOT NULL AND u.command <> ALL (lost);
    END IF;

    IF cardinality(lost) > 0 THEN
        -- Count again without those that are not written.
        SELECT coalesce(array_agg(e ORDER BY e.place), '{}') INTO in_events
        FROM (
            SELECT b.command,
                   (row_number() OVER all_of_them - count(*) OVER ())::int AS place,
                   (row_number() OVER of_tenant - count(*) OVER (PARTITION BY b.tenant))::int AS tenant_place,
                   b.tenant, b.stream, b.version, b.event_id, b.name, b.schema_version, b.context, b.body
            FROM unnest(in_events) b
            WHERE b.command <> ALL (lost)
            WINDOW all_of_them AS (ORDER BY b.place), of_tenant AS (PARTITION BY b.tenant ORDER BY b.place)
        ) e;
        SELECT coalesce(array_agg(c.tenant), '{}'), coalesce(array_agg(c.events), '{}') INTO in_tenants, in_counts
        FROM (SELECT e.tenant, count(*) AS events FROM unnest(in_events) e GROUP BY e.tenant) c;
        UPDATE event_log.log_head h SET position = h.position - n + cardinality(in_events)
        RETURNING h.position INTO head;
    END IF;

    IF cardinality(in_events) > 0 THEN
        WITH counted AS (
            INSERT INTO event_log.tenant_heads AS h (tenant, position)
            SELECT t.tenant, t.events FROM unnest(in_tenants, in_counts) t (tenant, events)
            ON CONFLICT (tenant) DO UPDATE SET position = h.position + excluded.position
            RETURNING h.tenant, h.position
        )
        INSERT INTO event_log.events (
            position, tenant_position, version, event_id, schema_version, tenant, stream, name, context, body
        )
        SELECT head + e.place, c.position + e.tenant_place, e.version, e.event_id, e.schema_version, e.tenant,
               e.stream, e.name, e.context, e.body
        FROM unnest(in_events) e JOIN counted c USING (tenant);
        IF cardinality(in_law) > 0 THEN
            UPDATE event_log.tenant_heads h SET law_position = l.position
            FROM (
                SELECT e.tenant, max(head + e.place) AS position
                FROM unnest(in_events) e WHERE e.name = ANY (in_law) GROUP BY e.tenant
            ) l
            WHERE h.tenant = l.tenant;
        END IF;
        PERFORM pg_notify('event_log', head::text);
    END IF;
    IF cardinality(in_answers) > 0 THEN
        INSERT INTO event_log.idempotency_keys AS k (
            tenant, principal, key, digest, status, body, expires_at, position
        )
        SELECT a.tenant, a.principal, a.key, a.digest, a.status, a.body, a.expires_at,
               (SELECT max(head + e.place) FROM unnest(in_events) e WHERE e.command = a.command)
        FROM unnest(in_answers) a WHERE a.command <> ALL (lost)
        ON CONFLICT (tenant, principal, key) DO UPDATE SET
            digest = excluded.digest, status = excluded.status, body = excluded.body,
            expires_at = excluded.expires_at, position = excluded.position;
    END IF;
    RETURN QUERY SELECT -1, NULL::text, NULL::text, head, NULL::int, NULL::bytea;
END $$;

GRANT USAGE ON TYPE new_event, expected_head, fence, key_use, new_answer
    TO magistrate_writer, magistrate_follower, magistrate_reader;
GRANT EXECUTE ON FUNCTION append(
    text[], bigint[], text[], timestamptz, new_event[], expected_head[], fence[], key_use[], new_answer[]
) TO magistrate_writer;
