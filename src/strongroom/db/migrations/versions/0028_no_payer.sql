-- screening, deposits: see their READMEs

-- Compliance takes money that nobody paid (a mint, a withdrawal from the beacon chain). It is no
-- answer: the screener reads it, and clears nobody but the zero address by it.
CREATE TABLE screening_acceptance (
    organisation_id uuid NOT NULL,
    request_id      uuid NOT NULL,
    why             text NOT NULL CHECK (length(why) BETWEEN 3 AND 500),
    accepted_by     text NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, request_id),
    FOREIGN KEY (organisation_id, request_id) REFERENCES screening_request (organisation_id, id)
);
CALL tenant_table('screening_acceptance', 'strongroom_screener');
CALL append_only('screening_acceptance');
GRANT SELECT, INSERT ON screening_acceptance TO strongroom_api;
GRANT SELECT ON screening_acceptance TO strongroom_screener;

ALTER TABLE deposit
    DROP CONSTRAINT deposit_held_check,
    ADD CONSTRAINT deposit_held_check CHECK (held IN ('reuse', 'dust', 'no_payer'));
