-- payments: fiat entries that need two people, and book transfers between own accounts.

CREATE TABLE fiat_entry (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    reference       text NOT NULL CHECK (length(reference) BETWEEN 1 AND 140),
    bank            text NOT NULL CHECK (bank ~ '^[a-z][a-z0-9-]{0,39}$'),
    account         text NOT NULL CHECK (account ~ '^client:[a-z][a-z0-9-]{0,39}$'),
    asset           text NOT NULL,
    units           numeric(78, 0) NOT NULL CHECK (units > 0 AND units < 2::numeric ^ 256),
    note            text NOT NULL CHECK (length(note) <= 500),
    proposed_by     uuid NOT NULL,
    proposed_at     timestamptz NOT NULL,
    state           text NOT NULL DEFAULT 'proposed'
                    CHECK (state IN ('proposed', 'booked', 'rejected')),
    decided_by      uuid,
    decided_at      timestamptz,
    reason          text CHECK (length(reason) BETWEEN 1 AND 500),
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, reference),
    FOREIGN KEY (organisation_id, proposed_by) REFERENCES person (organisation_id, id),
    FOREIGN KEY (organisation_id, decided_by) REFERENCES person (organisation_id, id),
    -- Four eyes, held by the database too: who proposed it cannot decide it.
    CONSTRAINT fiat_entry_four_eyes CHECK (decided_by IS NULL OR decided_by <> proposed_by),
    CONSTRAINT fiat_entry_decided CHECK (
        (state = 'proposed') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)
        AND (state = 'rejected') = (reason IS NOT NULL))
);
CALL tenant_table('fiat_entry', 'strongroom_worker');

-- A decision is taken once.
CREATE FUNCTION fiat_entry_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'proposed' THEN
        RAISE EXCEPTION 'fiat entry % is decided; a correction is a new entry', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fiat_entry_decided_once BEFORE UPDATE ON fiat_entry
    FOR EACH ROW EXECUTE FUNCTION fiat_entry_decided_once();

GRANT SELECT, INSERT ON fiat_entry TO strongroom_api;
GRANT UPDATE (state, decided_by, decided_at, reason) ON fiat_entry TO strongroom_api;
GRANT SELECT ON fiat_entry TO strongroom_worker;
