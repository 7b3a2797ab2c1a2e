-- Lists of bad addresses, what was asked about whom, and what the screener answered.

-- One row an import. The version rises over all lists, so that one number says what was known.
CREATE TABLE screening_list_version (
    version      bigint PRIMARY KEY CHECK (version > 0),
    list_name    text NOT NULL CHECK (list_name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    source       text NOT NULL CHECK (source <> ''),
    form         text NOT NULL CHECK (form IN ('plain', 'ofac_sdn')),
    content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
    total        integer NOT NULL CHECK (total >= 0),
    added        integer NOT NULL CHECK (added >= 0),
    removed      integer NOT NULL CHECK (removed >= 0),
    refused      jsonb NOT NULL,
    imported_by  text NOT NULL,
    imported_at  timestamptz NOT NULL
);
CREATE INDEX screening_list_version_by_name ON screening_list_version (list_name, version);
CALL append_only('screening_list_version');

-- What an import changed: an address came onto the list, or left it. Nothing is ever overwritten.
CREATE TABLE screening_entry_change (
    version   bigint NOT NULL REFERENCES screening_list_version (version),
    list_name text NOT NULL,
    address   bytea NOT NULL CHECK (octet_length(address) = 20),
    listed    boolean NOT NULL,
    label     text NOT NULL,
    PRIMARY KEY (version, address)
);
CREATE INDEX screening_entry_change_by_address
    ON screening_entry_change (list_name, address, version);
CALL append_only('screening_entry_change');

-- From which version to before which version an address stood on a list (NULL: it still does).
CREATE VIEW screening_entry WITH (security_invoker = true) AS
SELECT list_name, address, label, version AS valid_from, until AS valid_to
FROM (SELECT c.*, lead(version) OVER (PARTITION BY list_name, address ORDER BY version) AS until
      FROM screening_entry_change c) spans
WHERE listed;

-- One question about one address for one movement of money.
CREATE TABLE screening_request (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    direction       text NOT NULL CHECK (direction IN ('in', 'out')),
    reference       text NOT NULL CHECK (reference <> ''),
    subject         bytea NOT NULL CHECK (octet_length(subject) = 20),
    intent          bytea CHECK (octet_length(intent) = 32),
    deposit         jsonb,
    topic           text NOT NULL,
    payload         jsonb NOT NULL,
    state           text NOT NULL DEFAULT 'QUEUED' CHECK
                    (state IN ('QUEUED', 'CLEAR', 'HIT', 'ERROR', 'UNSUPPORTED', 'EXPIRED')),
    revision        integer NOT NULL DEFAULT 0 CHECK (revision >= 0),
    list_version    bigint,
    valid_until     timestamptz,
    requested_at    timestamptz NOT NULL,
    judged_at       timestamptz,
    finished_at     timestamptz,
    request_trace   text NOT NULL,
    lease_until     timestamptz,
    attempt         integer NOT NULL DEFAULT 0,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, direction, reference),
    CHECK ((direction = 'in') = (deposit IS NOT NULL)),
    CHECK ((direction = 'out') = (intent IS NOT NULL)),
    CHECK (state <> 'CLEAR' OR (valid_until IS NOT NULL AND list_version IS NOT NULL))
);
CREATE INDEX screening_request_queued ON screening_request (requested_at)
    WHERE state = 'QUEUED';
CREATE INDEX screening_request_unfinished ON screening_request (list_version)
    WHERE finished_at IS NULL;
CALL tenant_table('screening_request', 'strongroom_indexer', 'strongroom_relay',
    'strongroom_screener', 'strongroom_worker');

-- Every answer ever given: the request's row holds the latest only.
CREATE TABLE screening_verdict (
    organisation_id uuid NOT NULL,
    request_id      uuid NOT NULL,
    revision        integer NOT NULL CHECK (revision > 0),
    state           text NOT NULL CHECK (state IN ('CLEAR', 'HIT', 'ERROR', 'UNSUPPORTED')),
    list_version    bigint,
    reason          text NOT NULL,
    document        jsonb,
    signature       bytea CHECK (octet_length(signature) = 64),
    judged_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, request_id, revision),
    FOREIGN KEY (organisation_id, request_id) REFERENCES screening_request (organisation_id, id),
    CHECK ((document IS NULL) = (signature IS NULL))
);
CALL tenant_table('screening_verdict', 'strongroom_indexer', 'strongroom_relay',
    'strongroom_screener', 'strongroom_worker');
CALL append_only('screening_verdict');

-- What people must look at. Its history is in alert_transition.
CREATE TABLE alert (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    kind            text NOT NULL CHECK (kind <> ''),
    subject         text NOT NULL,
    reference       text NOT NULL CHECK (reference <> ''),
    detail          jsonb NOT NULL,
    state           text NOT NULL DEFAULT 'OPEN' CHECK
                    (state IN ('OPEN', 'SNOOZED', 'MERGED', 'ESCALATED', 'CLOSED')),
    snoozed_until   timestamptz,
    opened_at       timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, kind, reference),
    CHECK ((state = 'SNOOZED') = (snoozed_until IS NOT NULL))
);
CALL tenant_table('alert', 'strongroom_screener', 'strongroom_indexer', 'strongroom_worker');

CREATE TABLE alert_transition (
    organisation_id uuid NOT NULL,
    id              uuid NOT NULL,
    alert_id        uuid NOT NULL,
    from_state      text NOT NULL,
    to_state        text NOT NULL,
    why             text NOT NULL CHECK (why <> ''),
    actor           text NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    FOREIGN KEY (organisation_id, alert_id) REFERENCES alert (organisation_id, id)
);
CALL tenant_table('alert_transition');
CALL append_only('alert_transition');

GRANT SELECT ON screening_list_version, screening_entry_change, screening_entry
    TO strongroom_api, strongroom_screener, strongroom_worker;
GRANT SELECT ON screening_list_version TO strongroom_indexer, strongroom_relay;
GRANT INSERT ON screening_list_version, screening_entry_change
    TO strongroom_api, strongroom_screener;
GRANT SELECT ON screening_request, screening_verdict
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_screener,
       strongroom_worker;
-- A question, never an answer: state, revision and validity begin at their defaults.
GRANT INSERT (organisation_id, id, direction, reference, subject, intent, deposit, topic, payload,
              requested_at, request_trace) ON screening_request
    TO strongroom_api, strongroom_indexer, strongroom_worker;
-- Only the screener answers; the others may say that the money is final.
GRANT UPDATE ON screening_request TO strongroom_screener;
GRANT UPDATE (finished_at) ON screening_request
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker;
GRANT INSERT ON screening_verdict TO strongroom_screener;
GRANT SELECT, INSERT ON alert TO strongroom_api, strongroom_indexer, strongroom_screener,
    strongroom_worker;
GRANT UPDATE (state, snoozed_until, changed_at) ON alert TO strongroom_api;
GRANT SELECT, INSERT ON alert_transition TO strongroom_api;
