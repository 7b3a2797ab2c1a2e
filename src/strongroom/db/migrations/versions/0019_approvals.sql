-- withdrawals: see src/strongroom/withdrawals/README.md

-- What the node says that a payment would do, asked by the relay alone. It may warn approvers and
-- can't clear anything: nothing that decides reads it.
CREATE TABLE withdrawal_simulation (
    organisation_id uuid NOT NULL,
    withdrawal_id   uuid NOT NULL,
    digest          bytea NOT NULL CHECK (octet_length(digest) = 32),
    method          text NOT NULL CHECK (method IN
                        ('eth_simulateV1', 'debug_traceCall', 'none')),
    block_height    bigint CHECK (block_height >= 0),
    succeeded       boolean,
    changes         jsonb NOT NULL,
    cautions        jsonb NOT NULL,
    asked_at        timestamptz NOT NULL,
    again_at        timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, withdrawal_id),
    FOREIGN KEY (organisation_id, withdrawal_id) REFERENCES withdrawal (organisation_id, id),
    CHECK ((method = 'none') = (succeeded IS NULL)),
    CHECK ((method = 'none') = (block_height IS NULL))
);
CALL tenant_table('withdrawal_simulation', 'strongroom_relay');

-- Whom a job reminded that a withdrawal waits for them; one row a reminder.
CREATE TABLE withdrawal_reminder (
    organisation_id uuid NOT NULL,
    withdrawal_id   uuid NOT NULL,
    number          integer NOT NULL CHECK (number >= 0),
    people          text[] NOT NULL,
    sentence        text NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, withdrawal_id, number),
    FOREIGN KEY (organisation_id, withdrawal_id) REFERENCES withdrawal (organisation_id, id)
);
CALL tenant_table('withdrawal_reminder', 'strongroom_worker');
CALL append_only('withdrawal_reminder');

-- The newest price that each source of the signed policy stated; whoever uses it verifies it.
CREATE TABLE rate_statement (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    source          text NOT NULL,
    asset           text NOT NULL,
    document        jsonb NOT NULL,
    signature       bytea NOT NULL CHECK (octet_length(signature) = 64),
    at              timestamptz NOT NULL,
    received_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, source, asset)
);
CALL tenant_table('rate_statement', 'strongroom_relay', 'strongroom_worker');

GRANT SELECT ON withdrawal_simulation TO strongroom_api, strongroom_worker;
GRANT SELECT, INSERT, UPDATE ON withdrawal_simulation TO strongroom_relay;
GRANT SELECT ON withdrawal_reminder TO strongroom_api;
GRANT SELECT, INSERT ON withdrawal_reminder TO strongroom_worker;
GRANT SELECT, INSERT, UPDATE ON rate_statement TO strongroom_api;
GRANT SELECT ON rate_statement TO strongroom_relay, strongroom_worker;
