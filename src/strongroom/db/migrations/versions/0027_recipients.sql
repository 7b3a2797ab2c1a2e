-- withdrawals: see src/strongroom/withdrawals/README.md

-- Whom a payment would pay beside the named one, by a node's word; each is screened. Without a
-- screening: one too many, which holds the payment for good.
CREATE TABLE withdrawal_recipient (
    organisation_id uuid NOT NULL,
    withdrawal_id   uuid NOT NULL,
    address         bytea NOT NULL CHECK (octet_length(address) = 20),
    screening_id    uuid,
    foretold_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, withdrawal_id, address),
    FOREIGN KEY (organisation_id, withdrawal_id) REFERENCES withdrawal (organisation_id, id),
    FOREIGN KEY (organisation_id, screening_id) REFERENCES screening_request (organisation_id, id)
);
CALL tenant_table('withdrawal_recipient', 'strongroom_relay', 'strongroom_indexer',
    'strongroom_worker');
CALL append_only('withdrawal_recipient');
GRANT SELECT ON withdrawal_recipient TO strongroom_api, strongroom_indexer, strongroom_worker;
GRANT SELECT, INSERT ON withdrawal_recipient TO strongroom_relay;

-- The relay asks about them: a question, never an answer.
GRANT INSERT (organisation_id, id, direction, reference, subject, intent, deposit, topic, payload,
              requested_at, request_trace) ON screening_request TO strongroom_relay;
