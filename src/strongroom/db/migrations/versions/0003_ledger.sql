-- ledger: double entry. One door, ledger_post(); nobody has the right to write these tables otherwise.

-- Domains instead of column CHECKs: PostgreSQL compiles them once a session, not once a statement.
CREATE DOMAIN ledger_units AS numeric(78, 0) CHECK (VALUE > 0 AND VALUE < 2::numeric ^ 256);
CREATE DOMAIN ledger_hash AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN ledger_key AS text CHECK (length(VALUE) BETWEEN 1 AND 200);
CREATE DOMAIN ledger_phase AS text
    CHECK (VALUE IN ('single', 'hold', 'post', 'void', 'expire', 'reversal'));

CREATE TABLE ledger_account (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              bigint GENERATED ALWAYS AS IDENTITY,
    code            text NOT NULL CHECK (code ~ '^[a-z0-9][a-z0-9:._-]{0,119}$'),
    asset           text NOT NULL CHECK (asset ~ '^[A-Za-z0-9.]{1,24}/[0-9]{1,2}$'),
    debit_normal    boolean NOT NULL,
    floored         boolean NOT NULL,
    opened_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, code, asset),
    -- The classes of ledger/rules.py, whoever opens the account.
    CHECK ((debit_normal, floored) = CASE
        WHEN code LIKE 'custody:%' THEN (true, true)
        WHEN code LIKE 'fiat:bank:%' OR code LIKE 'house:gas%' THEN (true, false)
        WHEN code LIKE 'house:%' THEN (false, false)
        WHEN code ~ '^(client:|suspense:|quarantine|unattributed)' THEN (false, true)
        END IS TRUE)
);

-- The one table that changes: what the entries of an account add up to. `posted` counts in the
-- account's normal direction; `held` is reserved by holds. Accounts without a floor are not locked:
-- their entries wait in ledger_unfolded and are folded in here later.
CREATE TABLE ledger_balance (
    organisation_id uuid NOT NULL,
    account_id      bigint NOT NULL,
    floored         boolean NOT NULL,
    posted          numeric(78, 0) NOT NULL DEFAULT 0,
    held            numeric(78, 0) NOT NULL DEFAULT 0 CHECK (held >= 0),
    version         bigint NOT NULL DEFAULT 0,
    frozen          boolean NOT NULL DEFAULT false,
    last_booked_at  timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, account_id),
    FOREIGN KEY (organisation_id, account_id) REFERENCES ledger_account (organisation_id, id),
    -- Only a reversal may go below the floor, and then it freezes the account.
    CHECK (posted - held >= 0 OR frozen OR NOT floored)
) WITH (fillfactor = 60);

CREATE TABLE ledger_transaction (
    organisation_id uuid NOT NULL,
    id              uuid NOT NULL,
    key             ledger_key NOT NULL,
    body_hash       ledger_hash NOT NULL,
    kind            ledger_key NOT NULL,
    phase           ledger_phase NOT NULL,
    refers_to       uuid,
    expires_at      timestamptz,
    chain_id        bigint,
    block_height    bigint,
    block_hash      ledger_hash,
    memo            jsonb,
    booked_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, key),
    FOREIGN KEY (organisation_id, refers_to) REFERENCES ledger_transaction (organisation_id, id),
    CHECK ((refers_to IS NULL) = (phase IN ('single', 'hold'))),
    CHECK (num_nonnulls(chain_id, block_height, block_hash) IN (0, 3))
);
-- A hold is resolved once.
CREATE UNIQUE INDEX ledger_transaction_resolution ON ledger_transaction (organisation_id, refers_to)
    WHERE phase IN ('post', 'void', 'expire');
CREATE INDEX ledger_transaction_reversal ON ledger_transaction (organisation_id, refers_to)
    WHERE phase = 'reversal';
CREATE INDEX ledger_transaction_booked ON ledger_transaction USING brin (booked_at);

-- A leg: units move from the credit account to the debit account, so each leg balances by itself.
-- The versions count an account's entries without a gap; `after` is its balance then. Both are NULL
-- for accounts without a floor and for phases that move nothing (hold, void, expire).
CREATE TABLE ledger_posting (
    organisation_id uuid NOT NULL,
    transaction_id  uuid NOT NULL,
    ordinal         integer NOT NULL CHECK (ordinal >= 1),
    debit_account   bigint NOT NULL,
    credit_account  bigint NOT NULL,
    asset           text NOT NULL,
    units           ledger_units NOT NULL,
    phase           ledger_phase NOT NULL,
    chain_id        bigint,
    block_height    bigint,
    block_hash      bytea,
    debit_version   bigint,
    debit_after     numeric(78, 0),
    credit_version  bigint,
    credit_after    numeric(78, 0),
    booked_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, transaction_id, ordinal),
    FOREIGN KEY (organisation_id, transaction_id) REFERENCES ledger_transaction (organisation_id, id),
    FOREIGN KEY (organisation_id, debit_account) REFERENCES ledger_account (organisation_id, id),
    FOREIGN KEY (organisation_id, credit_account) REFERENCES ledger_account (organisation_id, id),
    CHECK (debit_account <> credit_account)
);
-- A balance at a moment is the newest entry until then: one look-up a side.
CREATE INDEX ledger_posting_debit ON ledger_posting (debit_account, booked_at, debit_version);
CREATE INDEX ledger_posting_credit ON ledger_posting (credit_account, booked_at, credit_version);
CREATE INDEX ledger_posting_block ON ledger_posting (chain_id, block_height)
    WHERE chain_id IS NOT NULL;

-- What moved, an account a row: `units` is positive for a debit and negative for a credit.
CREATE VIEW ledger_entry WITH (security_invoker = true) AS
SELECT p.organisation_id, s.account_id, p.transaction_id, p.ordinal, p.asset, s.units, s.version,
       s.after, p.chain_id, p.block_height, p.booked_at
FROM ledger_posting AS p
CROSS JOIN LATERAL (VALUES (p.debit_account, p.units, p.debit_version, p.debit_after),
                           (p.credit_account, -p.units, p.credit_version, p.credit_after))
    AS s (account_id, units, version, after)
WHERE p.phase IN ('single', 'post', 'reversal');

-- Entries of accounts without a floor that are not yet folded into ledger_balance: derived, so
-- rows may go; the postings stay.
CREATE TABLE ledger_unfolded (
    organisation_id uuid NOT NULL,
    id              bigint GENERATED ALWAYS AS IDENTITY,
    account_id      bigint NOT NULL,
    posted          numeric(78, 0) NOT NULL,
    entries         integer NOT NULL,
    PRIMARY KEY (organisation_id, id)
);
CREATE INDEX ledger_unfolded_account ON ledger_unfolded (organisation_id, account_id);

CALL tenant_table('ledger_account', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL tenant_table('ledger_balance', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL tenant_table('ledger_transaction', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL tenant_table('ledger_posting', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL tenant_table('ledger_unfolded', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL append_only('ledger_account');
CALL append_only('ledger_transaction');
CALL append_only('ledger_posting');

GRANT SELECT ON ledger_account, ledger_balance, ledger_transaction, ledger_posting, ledger_entry,
    ledger_unfolded
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker, strongroom_screener;
GRANT SELECT, INSERT ON ledger_account, ledger_transaction, ledger_posting TO strongroom_ledger;
-- UPDATE here only lets a hold's row be locked: the triggers refuse every change.
GRANT UPDATE ON ledger_transaction TO strongroom_ledger;
GRANT SELECT, INSERT, UPDATE ON ledger_balance TO strongroom_ledger;
GRANT SELECT, INSERT, DELETE ON ledger_unfolded TO strongroom_ledger;
