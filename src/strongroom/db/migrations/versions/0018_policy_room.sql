-- policy: see src/strongroom/policy/README.md
-- A draft never changes: another wording is another draft, so that no signature can come to stand
-- under bytes that its maker has not seen.

CREATE TABLE policy_draft (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    version         bigint NOT NULL CHECK (version > 0),
    source          jsonb NOT NULL,
    content         jsonb,
    digest          bytea CHECK (octet_length(digest) = 32),
    findings        jsonb NOT NULL,
    note            text NOT NULL CHECK (length(note) <= 500),
    made_by         text NOT NULL,
    made_at         timestamptz NOT NULL,
    ended_as        text CHECK (ended_as IN ('published', 'withdrawn')),
    ended_by        text,
    ended_at        timestamptz,
    PRIMARY KEY (organisation_id, id),
    CHECK ((content IS NULL) = (digest IS NULL)),
    CHECK ((ended_as IS NULL) = (ended_at IS NULL) AND (ended_as IS NULL) = (ended_by IS NULL))
);
CALL tenant_table('policy_draft', 'strongroom_worker');

CREATE FUNCTION policy_draft_keeps() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
DECLARE
    ending CONSTANT text[] := ARRAY['ended_as', 'ended_by', 'ended_at'];
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.ended_as IS NOT NULL
        OR to_jsonb(NEW) - ending <> to_jsonb(OLD) - ending THEN
        RAISE EXCEPTION 'policy_draft: a draft is kept as it was made; make another one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER policy_draft_keeps BEFORE UPDATE OR DELETE ON policy_draft
    FOR EACH ROW EXECUTE FUNCTION policy_draft_keeps();

-- A signature under a draft's digest, as it came; one a key.
CREATE TABLE policy_draft_signature (
    organisation_id uuid NOT NULL,
    draft_id        uuid NOT NULL,
    address         bytea NOT NULL CHECK (octet_length(address) = 20),
    person          text NOT NULL,
    signature       bytea NOT NULL CHECK (octet_length(signature) = 65),
    handed_in_by    text NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, draft_id, address),
    FOREIGN KEY (organisation_id, draft_id) REFERENCES policy_draft (organisation_id, id)
);
CALL tenant_table('policy_draft_signature', 'strongroom_worker');
CALL append_only('policy_draft_signature');

-- One proposal about one address. What the book says of an address is the newest agreed one.
CREATE TABLE book_proposal (
    organisation_id uuid NOT NULL,
    id              uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('enter', 'retire')),
    address         bytea NOT NULL CHECK (octet_length(address) = 20
                                          AND address <> decode(repeat('00', 20), 'hex')),
    label           text NOT NULL CHECK (length(label) BETWEEN 1 AND 200),
    owner           text NOT NULL CHECK (length(owner) BETWEEN 1 AND 200),
    tags            text[] NOT NULL CHECK (cardinality(tags) <= 20),
    why             text NOT NULL CHECK (length(why) BETWEEN 1 AND 500),
    proposed_by     uuid NOT NULL,
    proposed_at     timestamptz NOT NULL,
    outcome         text CHECK (outcome IN ('agreed', 'refused', 'withdrawn')),
    decided_by      uuid,
    decided_at      timestamptz,
    reason          text CHECK (length(reason) <= 500),
    PRIMARY KEY (organisation_id, id),
    FOREIGN KEY (organisation_id, proposed_by) REFERENCES person (organisation_id, id),
    FOREIGN KEY (organisation_id, decided_by) REFERENCES person (organisation_id, id),
    CHECK ((outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decided_by IS NULL)),
    -- Four eyes: whoever proposed it can only take it back.
    CHECK ((outcome = 'withdrawn') = (decided_by = proposed_by))
);
CALL tenant_table('book_proposal', 'strongroom_worker');
CREATE INDEX book_proposal_of ON book_proposal (organisation_id, address, id);
CREATE UNIQUE INDEX book_proposal_open ON book_proposal (organisation_id, address)
    WHERE outcome IS NULL;

CREATE FUNCTION book_proposal_keeps() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
DECLARE
    deciding CONSTANT text[] := ARRAY['outcome', 'decided_by', 'decided_at', 'reason'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.outcome IS NOT NULL THEN
            RAISE EXCEPTION 'book_proposal: it is decided after it was proposed'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF TG_OP = 'DELETE' OR OLD.outcome IS NOT NULL
        OR to_jsonb(NEW) - deciding <> to_jsonb(OLD) - deciding THEN
        RAISE EXCEPTION 'book_proposal: what was proposed and decided is kept as it was';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER book_proposal_keeps BEFORE INSERT OR UPDATE OR DELETE ON book_proposal
    FOR EACH ROW EXECUTE FUNCTION book_proposal_keeps();

-- How an address was shown to be somebody's.
CREATE TABLE book_proof (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    address         bytea NOT NULL CHECK (octet_length(address) = 20),
    method          text NOT NULL CHECK (method IN ('eip191', 'eip712', 'test_payment')),
    statement       text NOT NULL CHECK (length(statement) BETWEEN 1 AND 1000),
    evidence        bytea NOT NULL CHECK (octet_length(evidence)
                                          = CASE method WHEN 'test_payment' THEN 32 ELSE 65 END),
    recorded_by     text NOT NULL,
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, address, evidence)
);
CALL tenant_table('book_proof', 'strongroom_worker');
CALL append_only('book_proof');

GRANT SELECT, INSERT ON policy_draft, policy_draft_signature, book_proposal, book_proof
    TO strongroom_api;
GRANT UPDATE (ended_as, ended_by, ended_at) ON policy_draft TO strongroom_api;
GRANT UPDATE (outcome, decided_by, decided_at, reason) ON book_proposal TO strongroom_api;
GRANT SELECT ON policy_draft, policy_draft_signature, book_proposal, book_proof
    TO strongroom_worker;
