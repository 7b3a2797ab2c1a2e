-- withdrawals: see src/strongroom/withdrawals/README.md

CREATE TABLE withdrawal (
    organisation_id     uuid NOT NULL REFERENCES organisation (id),
    id                  uuid NOT NULL,
    intent              bytea NOT NULL CHECK (octet_length(intent) = 32),
    fields              jsonb NOT NULL,
    reference           text NOT NULL CHECK (length(reference) BETWEEN 1 AND 280),
    initiator           text NOT NULL,
    initiator_signature bytea NOT NULL CHECK (octet_length(initiator_signature) = 65),
    wallet              bytea NOT NULL CHECK (octet_length(wallet) = 20),
    wallet_kind         text NOT NULL CHECK (wallet_kind IN ('vault', 'hot', 'cold')),
    vault_id            uuid,
    source              text NOT NULL,
    asset               text NOT NULL,
    token               bytea CHECK (octet_length(token) = 20),
    destination         bytea NOT NULL CHECK (octet_length(destination) = 20),
    units               numeric(78, 0) NOT NULL CHECK (units > 0 AND units < 2 ^ 256::numeric),
    valid_until         timestamptz NOT NULL,
    policy_version      bigint NOT NULL,
    state               text NOT NULL CHECK (state IN
                            ('screening', 'queued', 'awaiting_approval', 'approved', 'binding',
                             'signed', 'broadcast', 'mined', 'finalized', 'voiding', 'rejected',
                             'expired', 'cancelled', 'blocked', 'failed')),
    reason              text NOT NULL,
    rule_id             text,
    held                boolean NOT NULL,
    screening_id        uuid,
    safe_nonce          bigint CHECK (safe_nonce >= 0),
    safe_tx_hash        bytea CHECK (octet_length(safe_tx_hash) = 32),
    bound_at            timestamptz,
    void_to             text CHECK (void_to IN ('expired', 'cancelled', 'blocked', 'failed')),
    void_bound_at       timestamptz,
    void_round          integer NOT NULL DEFAULT 0 CHECK (void_round >= 0),
    lease_until         timestamptz,
    attempt             integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    due_at              timestamptz,
    outgoing_id         uuid,
    request_id          text NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, intent),
    UNIQUE (organisation_id, reference),
    UNIQUE (organisation_id, vault_id, safe_nonce),
    FOREIGN KEY (organisation_id, vault_id) REFERENCES vault (organisation_id, id),
    FOREIGN KEY (organisation_id, outgoing_id) REFERENCES outgoing (organisation_id, id),
    CHECK ((wallet_kind = 'vault') = (vault_id IS NOT NULL)),
    CHECK (wallet_kind <> 'vault' OR outgoing_id IS NULL),
    CHECK ((safe_nonce IS NULL) = (safe_tx_hash IS NULL)),
    CHECK (bound_at IS NULL OR safe_nonce IS NOT NULL OR wallet_kind <> 'vault'),
    CHECK (state <> 'voiding' OR (void_to IS NOT NULL AND bound_at IS NOT NULL))
);
CALL tenant_table('withdrawal', 'strongroom_relay', 'strongroom_indexer');
-- What the relay's permit loop has to do; nobody else sets due_at.
CREATE INDEX withdrawal_due ON withdrawal (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX withdrawal_by_safe_tx ON withdrawal (safe_tx_hash) WHERE safe_tx_hash IS NOT NULL;
CREATE UNIQUE INDEX withdrawal_by_outgoing ON withdrawal (organisation_id, outgoing_id)
    WHERE outgoing_id IS NOT NULL;
CREATE INDEX withdrawal_page ON withdrawal (organisation_id, state, id);

-- Each step of a withdrawal's life, in the order in which it was taken.
CREATE TABLE withdrawal_transition (
    organisation_id uuid NOT NULL,
    withdrawal_id   uuid NOT NULL,
    step            integer NOT NULL CHECK (step >= 0),
    from_state      text,
    to_state        text NOT NULL,
    reason          text NOT NULL,
    actor           text NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, withdrawal_id, step),
    FOREIGN KEY (organisation_id, withdrawal_id) REFERENCES withdrawal (organisation_id, id)
);
CALL tenant_table('withdrawal_transition', 'strongroom_relay', 'strongroom_indexer');
CALL append_only('withdrawal_transition');

-- One person's word: on a Safe transaction, or for a spending key on the order itself; a second word
-- of the same person has no place.
CREATE TABLE withdrawal_approval (
    organisation_id   uuid NOT NULL,
    withdrawal_id     uuid NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('payment', 'rejection')),
    person            text NOT NULL,
    address           bytea NOT NULL CHECK (octet_length(address) = 20),
    digest            bytea NOT NULL CHECK (octet_length(digest) = 32),
    signature         bytea NOT NULL CHECK (octet_length(signature) = 65),
    payment_signature bytea CHECK (octet_length(payment_signature) = 65),
    created_at        timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, withdrawal_id, kind, person),
    UNIQUE (organisation_id, withdrawal_id, kind, address),
    FOREIGN KEY (organisation_id, withdrawal_id) REFERENCES withdrawal (organisation_id, id),
    CHECK (kind = 'payment' OR payment_signature IS NULL)
);
CALL tenant_table('withdrawal_approval', 'strongroom_relay', 'strongroom_indexer');
CALL append_only('withdrawal_approval');

-- What the signer permitted, and the outgoing row that carries it to the chain.
CREATE TABLE withdrawal_permit (
    organisation_id  uuid NOT NULL,
    withdrawal_id    uuid NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('payment', 'rejection')),
    round            integer NOT NULL CHECK (round >= 0),
    safe_tx_hash     bytea NOT NULL CHECK (octet_length(safe_tx_hash) = 32),
    policy_version   bigint NOT NULL,
    valid_until      timestamptz NOT NULL,
    permit_signature bytea NOT NULL CHECK (octet_length(permit_signature) = 65),
    outgoing_id      uuid NOT NULL,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, withdrawal_id, kind, round),
    FOREIGN KEY (organisation_id, withdrawal_id) REFERENCES withdrawal (organisation_id, id),
    FOREIGN KEY (organisation_id, outgoing_id) REFERENCES outgoing (organisation_id, id)
);
CALL tenant_table('withdrawal_permit', 'strongroom_relay', 'strongroom_indexer');
CALL append_only('withdrawal_permit');
CREATE UNIQUE INDEX withdrawal_permit_outgoing ON withdrawal_permit (organisation_id, outgoing_id);

-- What an offline signer signed for a cold wallet, as people brought it back. The relay looks at it
-- once more before it believes it.
CREATE TABLE withdrawal_signed (
    organisation_id          uuid NOT NULL,
    withdrawal_id            uuid NOT NULL,
    attempt                  integer NOT NULL CHECK (attempt >= 0),
    kind                     text NOT NULL CHECK (kind IN ('payment', 'cancel')),
    raw                      bytea NOT NULL CHECK (octet_length(raw) <= 1024),
    hash                     bytea NOT NULL CHECK (octet_length(hash) = 32),
    created_at               timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, withdrawal_id, attempt),
    FOREIGN KEY (organisation_id, withdrawal_id) REFERENCES withdrawal (organisation_id, id)
);
CALL tenant_table('withdrawal_signed', 'strongroom_relay', 'strongroom_indexer');
CALL append_only('withdrawal_signed');

GRANT SELECT, INSERT, UPDATE ON withdrawal TO strongroom_api;
GRANT SELECT, UPDATE ON withdrawal TO strongroom_worker, strongroom_relay, strongroom_indexer;
GRANT SELECT, INSERT ON withdrawal_transition
    TO strongroom_api, strongroom_worker, strongroom_relay, strongroom_indexer;
GRANT SELECT, INSERT ON withdrawal_approval TO strongroom_api;
GRANT SELECT ON withdrawal_approval TO strongroom_worker, strongroom_relay, strongroom_indexer;
GRANT SELECT, INSERT ON withdrawal_permit TO strongroom_relay;
GRANT SELECT ON withdrawal_permit TO strongroom_api, strongroom_worker, strongroom_indexer;
GRANT SELECT, INSERT ON withdrawal_signed TO strongroom_api;
GRANT SELECT ON withdrawal_signed TO strongroom_worker, strongroom_relay, strongroom_indexer;
