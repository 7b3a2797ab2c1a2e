-- events and webhooks: see src/strongroom/db/events.py and src/strongroom/webhooks/README.md

-- Who wants its events told; nothing is kept for anybody else.
CREATE TABLE event_listener (
    organisation_id uuid PRIMARY KEY REFERENCES organisation (id),
    since           timestamptz NOT NULL
);

-- What happened, in the order of its subject. `retracts`: earlier events that did not last.
CREATE TABLE event (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    type            text NOT NULL CHECK (type ~ '^[a-z_]+\.[a-z_]+$'),
    subject         text NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    number          bigint NOT NULL CHECK (number > 0),
    body            jsonb NOT NULL,
    retracts        uuid[] NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, key),
    UNIQUE (organisation_id, subject, number)
);
CREATE INDEX event_by_time ON event (organisation_id, at, id);

CREATE TABLE webhook_endpoint (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    url             text NOT NULL CHECK (length(url) BETWEEN 8 AND 2000),
    label           text NOT NULL CHECK (length(label) <= 200),
    types           text[] NOT NULL CHECK (cardinality(types) BETWEEN 1 AND 50),
    state           text NOT NULL CHECK (state IN ('enabled', 'disabled', 'removed')),
    reason          text NOT NULL,
    secret_version  integer NOT NULL CHECK (secret_version > 0),
    -- Until then the secret before this one signs too.
    overlap_until   timestamptz,
    failures        integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    failing_since   timestamptz,
    succeeded_at    timestamptz,
    rest_until      timestamptz,
    lease_until     timestamptz,
    attempt         integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CHECK ((failures = 0) = (failing_since IS NULL))
);

-- One event for one endpoint. `tries`: since it was planned or replayed.
CREATE TABLE webhook_delivery (
    organisation_id uuid NOT NULL,
    endpoint_id     uuid NOT NULL,
    event_id        uuid NOT NULL,
    state           text NOT NULL CHECK (state IN ('pending', 'delivered', 'given_up')),
    tries           integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    due_at          timestamptz NOT NULL,
    planned_at      timestamptz NOT NULL,
    done_at         timestamptz,
    PRIMARY KEY (organisation_id, endpoint_id, event_id),
    FOREIGN KEY (organisation_id, endpoint_id) REFERENCES webhook_endpoint (organisation_id, id),
    FOREIGN KEY (organisation_id, event_id) REFERENCES event (organisation_id, id),
    CHECK ((state = 'pending') = (done_at IS NULL))
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (organisation_id, endpoint_id, due_at)
    WHERE state = 'pending';

-- Each try, kept. Of an answer its status only: a body could carry what we should not have read.
CREATE TABLE webhook_try (
    organisation_id uuid NOT NULL,
    id              bigint GENERATED ALWAYS AS IDENTITY,
    endpoint_id     uuid NOT NULL,
    event_id        uuid NOT NULL,
    at              timestamptz NOT NULL,
    milliseconds    integer NOT NULL CHECK (milliseconds >= 0),
    status          integer,
    outcome         text NOT NULL CHECK (length(outcome) BETWEEN 1 AND 300),
    PRIMARY KEY (organisation_id, id),
    FOREIGN KEY (organisation_id, endpoint_id, event_id)
        REFERENCES webhook_delivery (organisation_id, endpoint_id, event_id)
);
CREATE INDEX webhook_try_of ON webhook_try (organisation_id, endpoint_id, id);

CALL tenant_table('event_listener', 'strongroom_indexer', 'strongroom_relay', 'strongroom_screener', 'strongroom_worker');
CALL tenant_table('event', 'strongroom_indexer', 'strongroom_relay', 'strongroom_screener', 'strongroom_worker');
CALL tenant_table('webhook_endpoint', 'strongroom_worker');
CALL tenant_table('webhook_delivery', 'strongroom_worker');
CALL tenant_table('webhook_try', 'strongroom_worker');
CALL append_only('event_listener');
CALL append_only('event');
CALL append_only('webhook_try');

-- A thief with the API's role must not announce money that came, or that is paid for good.
CREATE POLICY api_announces_its_own ON event AS RESTRICTIVE FOR INSERT TO strongroom_api
    WITH CHECK (type !~ '^(deposit|chain)\.'
                AND type NOT IN ('withdrawal.mined', 'withdrawal.finalized'));

GRANT SELECT ON event_listener
    TO strongroom_indexer, strongroom_relay, strongroom_screener, strongroom_worker;
GRANT SELECT, INSERT ON event_listener TO strongroom_api;
GRANT SELECT, INSERT ON event
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_screener, strongroom_worker;
GRANT SELECT, INSERT ON webhook_endpoint TO strongroom_api;
GRANT UPDATE (url, label, types, state, reason, secret_version, overlap_until, failures,
    failing_since, succeeded_at, rest_until, updated_at) ON webhook_endpoint TO strongroom_api;
GRANT SELECT, UPDATE ON webhook_endpoint TO strongroom_worker;
GRANT SELECT, INSERT, UPDATE (state, tries, due_at, done_at) ON webhook_delivery
    TO strongroom_api, strongroom_worker;
GRANT SELECT ON webhook_try TO strongroom_api;
GRANT SELECT, INSERT ON webhook_try TO strongroom_worker;
