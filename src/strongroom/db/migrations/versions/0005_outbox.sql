-- outbox, idempotency, leaders: what every process needs around its units of work.

-- What leaves a unit of work. Done when the consumer's own unit says so; a lease that ran out is
-- sent again. Jobs are rows here too, unique by (topic, due time).
CREATE TABLE outbox (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    topic           text NOT NULL CHECK (topic ~ '^[a-z_]+\.[a-z_]+$'),
    key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    payload         jsonb NOT NULL,
    request_id      text NOT NULL DEFAULT '',
    due_at          timestamptz NOT NULL,
    lease_until     timestamptz,
    attempt         integer NOT NULL DEFAULT 0,
    last_error      text,
    created_at      timestamptz NOT NULL,
    done_at         timestamptz,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, topic, key)
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE done_at IS NULL;

-- One row a request that changes something: its key, what was asked, what was answered. `answer` is
-- json, not jsonb: it is given back byte for byte.
CREATE TABLE idempotency (
    -- Deferred: the unit that registers an organisation takes its key first, like any other.
    organisation_id uuid NOT NULL REFERENCES organisation (id) DEFERRABLE INITIALLY DEFERRED,
    key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    body_hash       bytea NOT NULL CHECK (octet_length(body_hash) = 32),
    status          integer CHECK (status BETWEEN 200 AND 599),
    answer          json,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, key)
);

-- Who leads: the advisory lock elects, the epoch fences what an old leader still tries to write.
CREATE TABLE leader_epoch (
    name   text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 100),
    epoch  bigint NOT NULL CHECK (epoch >= 1),
    holder text NOT NULL,
    since  timestamptz NOT NULL
);

CALL tenant_table('outbox', 'strongroom_indexer', 'strongroom_relay', 'strongroom_screener', 'strongroom_worker');
CALL tenant_table('idempotency');
-- A key may be given up only by the transaction that took it (its posting was refused).
CREATE POLICY own_transaction ON idempotency AS RESTRICTIVE FOR DELETE
    USING (xmin = pg_current_xact_id()::xid);

GRANT SELECT, INSERT ON outbox
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_screener, strongroom_worker;
GRANT UPDATE (due_at, lease_until, attempt, last_error, done_at) ON outbox
    TO strongroom_relay, strongroom_worker;
GRANT SELECT, INSERT, DELETE ON idempotency TO strongroom_api;
GRANT UPDATE (status, answer) ON idempotency TO strongroom_api;
GRANT SELECT, INSERT, UPDATE ON leader_epoch
    TO strongroom_indexer, strongroom_relay, strongroom_screener, strongroom_worker;
