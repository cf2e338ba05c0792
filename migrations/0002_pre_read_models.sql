-- Read models: tables that followers fill from the log, one set of tables for each generation of a model.
--
-- The live generation is named in read_models.live. A rebuild fills the next one beside it
-- (read_models.prepare), and the switch is an update of one row, so readers never wait for it.

CREATE SCHEMA read_models AUTHORIZATION magistrate_owner;
SET ROLE magistrate_owner;
SET search_path = read_models;

REVOKE ALL ON SCHEMA read_models FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA read_models REVOKE ALL ON TABLES FROM PUBLIC;
GRANT USAGE ON SCHEMA read_models TO magistrate_follower, magistrate_reader;

-- How far each follower has got. What it makes of the log commits together with its row here.
CREATE TABLE follower_positions (
    name       text   NOT NULL COLLATE "C",
    generation int    NOT NULL DEFAULT 1,
    version    int    NOT NULL DEFAULT 0,
    position   bigint NOT NULL DEFAULT 0,
    folded     bigint NOT NULL DEFAULT 0, -- events it made something of
    hash       bytea  NOT NULL DEFAULT decode(repeat('00', 32), 'hex'), -- of them, in whatever order
    PRIMARY KEY (name, generation)
) WITH (fillfactor = 50);

-- Which generation of a model is read, and what its tables are called before their `_v<generation>`.
CREATE TABLE live (
    model      text PRIMARY KEY COLLATE "C",
    generation int    NOT NULL,
    tables     text[] NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON follower_positions TO magistrate_follower;
GRANT SELECT, UPDATE (generation) ON live TO magistrate_follower;
GRANT SELECT ON follower_positions, live TO magistrate_reader;

INSERT INTO live VALUES
    ('runs', 1, '{runs,run_standings,run_timeline}'),
    ('decisions', 1, '{decision_runs,decision_proposals,decisions,decision_policies,decision_stages}'),
    ('approvals', 1, '{approvals_waiting,approval_steps}');

-- Rows belong to a tenant: followers write them all, readers see those of their transaction's tenants.
CREATE FUNCTION guard(guarded regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
    EXECUTE format('CREATE POLICY following ON %s TO magistrate_follower USING (true) WITH CHECK (true)', guarded);
    EXECUTE format(
        'CREATE POLICY reading ON %s FOR SELECT TO magistrate_reader'
        ' USING (tenant = ANY ((SELECT event_log.tenants())::text[]))', guarded);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %s TO magistrate_follower', guarded);
    EXECUTE format('GRANT SELECT ON %s TO magistrate_reader', guarded);
END $$;

-- Columns named valid_from and valid_to are log positions: a row holds from the one until before the other.

CREATE TABLE runs_v1 (
    tenant       text        NOT NULL COLLATE "C",
    run_id       text        NOT NULL COLLATE "C",
    agent_id     text        NOT NULL COLLATE "C",
    principal    text        NOT NULL COLLATE "C",
    on_behalf_of text        COLLATE "C",
    subject      text        COLLATE "C",
    purpose      text        NOT NULL,
    mode         text        NOT NULL COLLATE "C",
    started_at   timestamptz NOT NULL,
    valid_from   bigint      NOT NULL,
    PRIMARY KEY (tenant, run_id)
);
CREATE INDEX ON runs_v1 (tenant, valid_from);
CREATE INDEX ON runs_v1 (tenant, agent_id, valid_from);

CREATE TABLE run_standings_v1 (
    tenant     text        NOT NULL COLLATE "C",
    run_id     text        NOT NULL COLLATE "C",
    standing   text        NOT NULL COLLATE "C",
    reason     text,
    since      timestamptz NOT NULL,
    valid_from bigint      NOT NULL,
    valid_to   bigint,
    PRIMARY KEY (tenant, run_id, valid_from)
);
CREATE INDEX ON run_standings_v1 (tenant, standing) WHERE valid_to IS NULL AND standing IN ('active', 'paused');

-- Only the request of an approval names its run; its other lines are found by the approval.
CREATE TABLE run_timeline_v1 (
    tenant      text        NOT NULL COLLATE "C",
    run_id      text        COLLATE "C",
    approval_id text        COLLATE "C",
    call_id     text        COLLATE "C",
    verdict     text        COLLATE "C",
    cost        bigint,
    name        text        NOT NULL COLLATE "C",
    version     int         NOT NULL,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL COLLATE "C",
    what        text        NOT NULL,
    detail      json        NOT NULL,
    valid_from  bigint      NOT NULL
);
CREATE INDEX ON run_timeline_v1 (tenant, run_id, valid_from);
CREATE INDEX ON run_timeline_v1 (tenant, approval_id, valid_from) WHERE approval_id IS NOT NULL;
CREATE INDEX ON run_timeline_v1 (tenant, verdict, run_id) WHERE verdict IN ('deny', 'ask');

CREATE TABLE decision_runs_v1 (
    tenant       text   NOT NULL COLLATE "C",
    run_id       text   NOT NULL COLLATE "C",
    agent_id     text   NOT NULL COLLATE "C",
    principal    text   NOT NULL COLLATE "C",
    on_behalf_of text   COLLATE "C",
    valid_from   bigint NOT NULL,
    PRIMARY KEY (tenant, run_id)
);
CREATE INDEX ON decision_runs_v1 (tenant, agent_id);

CREATE TABLE decision_proposals_v1 (
    tenant     text   NOT NULL COLLATE "C",
    run_id     text   NOT NULL COLLATE "C",
    call_id    text   NOT NULL COLLATE "C",
    tool       text   NOT NULL COLLATE "C",
    valid_from bigint NOT NULL,
    PRIMARY KEY (tenant, run_id, call_id)
);
CREATE INDEX ON decision_proposals_v1 (tenant, tool, valid_from);

CREATE TABLE decisions_v1 (
    tenant        text        NOT NULL COLLATE "C",
    run_id        text        NOT NULL COLLATE "C",
    call_id       text        NOT NULL COLLATE "C",
    verdict       text        NOT NULL COLLATE "C",
    determined    json        NOT NULL,
    action_digest text        NOT NULL COLLATE "C",
    approval_id   text        COLLATE "C",
    expires_at    timestamptz,
    policy_set    text        COLLATE "C",
    law_position  bigint      NOT NULL,
    principal     text        NOT NULL COLLATE "C",
    roles         json        NOT NULL,
    on_behalf_of  text        COLLATE "C",
    engine        text        NOT NULL,
    at            timestamptz NOT NULL,
    valid_from    bigint      NOT NULL,
    PRIMARY KEY (tenant, run_id, call_id)
);
CREATE INDEX ON decisions_v1 (tenant, valid_from);
CREATE INDEX ON decisions_v1 (tenant, at);
CREATE INDEX ON decisions_v1 (tenant, verdict, valid_from) WHERE verdict IN ('deny', 'ask');

-- A table of its own, because array operators are not leakproof: under row-level security the planner
-- would pass over an index on an array of policies.
CREATE TABLE decision_policies_v1 (
    tenant     text   NOT NULL COLLATE "C",
    policy     text   NOT NULL COLLATE "C",
    run_id     text   NOT NULL COLLATE "C",
    call_id    text   NOT NULL COLLATE "C",
    valid_from bigint NOT NULL,
    PRIMARY KEY (tenant, policy, valid_from)
);

CREATE TABLE decision_stages_v1 (
    tenant     text        NOT NULL COLLATE "C",
    run_id     text        NOT NULL COLLATE "C",
    call_id    text        NOT NULL COLLATE "C",
    stage      text        NOT NULL COLLATE "C",
    at         timestamptz NOT NULL,
    actor      text        NOT NULL COLLATE "C",
    detail     json        NOT NULL,
    valid_from bigint      NOT NULL,
    PRIMARY KEY (tenant, run_id, call_id, valid_from)
);

CREATE TABLE approvals_waiting_v1 (
    tenant        text        NOT NULL COLLATE "C",
    approval_id   text        NOT NULL COLLATE "C",
    run_id        text        NOT NULL COLLATE "C",
    call_id       text        NOT NULL COLLATE "C",
    tool          text        NOT NULL COLLATE "C",
    arguments     json        NOT NULL,
    action_digest text        NOT NULL COLLATE "C",
    policy_set    text        NOT NULL COLLATE "C",
    asks          json        NOT NULL,
    roles         text[]      NOT NULL,
    deadline      timestamptz NOT NULL,
    agent_id      text        NOT NULL COLLATE "C",
    requested_by  text        NOT NULL COLLATE "C",
    barred        text[]      NOT NULL,
    requested_at  timestamptz NOT NULL,
    valid_from    bigint      NOT NULL,
    valid_to      bigint,
    PRIMARY KEY (tenant, approval_id, valid_from)
);
CREATE INDEX ON approvals_waiting_v1 (tenant, valid_from) WHERE valid_to IS NULL;

CREATE TABLE approval_steps_v1 (
    tenant      text        NOT NULL COLLATE "C",
    approval_id text        NOT NULL COLLATE "C",
    step        text        NOT NULL COLLATE "C",
    who         text        NOT NULL COLLATE "C",
    note        text        NOT NULL,
    at          timestamptz NOT NULL,
    valid_from  bigint      NOT NULL,
    PRIMARY KEY (tenant, approval_id, valid_from)
);

SELECT guard(format('%I.%I', 'read_models', relname)::regclass)
FROM pg_class WHERE relnamespace = 'read_models'::regnamespace AND relkind = 'r' AND relname LIKE '%\_v1';

-- Empty tables for the next generation of a model, beside the live ones and of their shape; what an
-- interrupted rebuild left behind is dropped. Followers make and drop tables only through these two.
CREATE FUNCTION prepare(model_name text) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now   read_models.live;
    part  text;
    fresh text;
BEGIN
    SELECT * INTO STRICT now FROM read_models.live WHERE model = model_name;
    PERFORM read_models.discard(model_name);
    FOREACH part IN ARRAY now.tables LOOP
        fresh := format('read_models.%I', part || '_v' || now.generation + 1);
        EXECUTE format('CREATE TABLE %s (LIKE read_models.%I INCLUDING ALL)',
                       fresh, part || '_v' || now.generation);
        PERFORM read_models.guard(fresh::regclass);
    END LOOP;
    INSERT INTO read_models.follower_positions (name, generation) VALUES (model_name, now.generation + 1);
    RETURN now.generation + 1;
END $$;

-- Drops every generation of a model but the live one. It waits for those who still read an old one.
CREATE FUNCTION discard(model_name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now read_models.live;
    old regclass;
BEGIN
    SELECT * INTO STRICT now FROM read_models.live WHERE model = model_name;
    FOR old IN
        SELECT c.oid FROM pg_class c, unnest(now.tables) AS part
        WHERE c.relnamespace = 'read_models'::regnamespace AND c.relkind = 'r'
          AND c.relname ~ ('^' || part || '_v[0-9]+$') AND c.relname <> part || '_v' || now.generation
    LOOP
        EXECUTE format('DROP TABLE %s', old);
    END LOOP;
    DELETE FROM read_models.follower_positions WHERE name = model_name AND generation <> now.generation;
END $$;

GRANT EXECUTE ON FUNCTION prepare(text), discard(text) TO magistrate_follower;

INSERT INTO follower_positions (name) SELECT model FROM live;
