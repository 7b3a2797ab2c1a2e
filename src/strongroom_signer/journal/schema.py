"""Tables of journal.sqlite. All are append-only: triggers refuse UPDATE and DELETE.
Units are decimal text (they exceed 64 bits); times are Unix seconds by the signer's own clock.
"""

# A request is inserted after the effects that refer to it, in the same unit.
LATER = "REFERENCES request (id) DEFERRABLE INITIALLY DEFERRED"
TABLES = {
    "receipt": """
        seq INTEGER PRIMARY KEY, body TEXT NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL
    """,
    "epoch": """
        epoch INTEGER PRIMARY KEY, at INTEGER NOT NULL
    """,
    "epoch_nonce": """
        epoch INTEGER NOT NULL REFERENCES epoch, key BLOB NOT NULL, nonce INTEGER NOT NULL,
        PRIMARY KEY (key, epoch)
    """,
    "request": """
        number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
        op TEXT NOT NULL, identity BLOB NOT NULL, plan TEXT NOT NULL, at INTEGER NOT NULL
    """,
    "answer": """
        number INTEGER PRIMARY KEY REFERENCES request, body TEXT NOT NULL, at INTEGER NOT NULL
    """,
    "organisation": """
        organisation BLOB PRIMARY KEY CHECK (length(organisation) = 32),
        account_index INTEGER NOT NULL UNIQUE, genesis TEXT NOT NULL,
        manifest_count INTEGER NOT NULL, vault BLOB NOT NULL UNIQUE CHECK (length(vault) = 20),
        at INTEGER NOT NULL
    """,
    "manifest": """
        organisation BLOB NOT NULL REFERENCES organisation, count INTEGER NOT NULL,
        root BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (organisation, count)
    """,
    "policy": """
        organisation BLOB NOT NULL REFERENCES organisation, version INTEGER NOT NULL,
        digest BLOB NOT NULL, accepted_at INTEGER NOT NULL, active_from INTEGER NOT NULL,
        bundle TEXT NOT NULL, PRIMARY KEY (organisation, version), UNIQUE (organisation, digest)
    """,
    "suspension": """
        organisation BLOB NOT NULL REFERENCES organisation, after_version INTEGER NOT NULL,
        administrator BLOB NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (organisation, after_version, administrator)
    """,
    "revocation": """
        organisation BLOB NOT NULL REFERENCES organisation, key BLOB NOT NULL,
        administrator BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (organisation, key)
    """,
    "first_seen": """
        organisation BLOB NOT NULL REFERENCES organisation, address BLOB NOT NULL,
        founding INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (organisation, address)
    """,
    "vault_nonce": f"""
        vault BLOB NOT NULL, nonce INTEGER NOT NULL, kind TEXT NOT NULL,
        request_id BLOB NOT NULL UNIQUE {LATER}, intent BLOB NOT NULL,
        safe_tx_hash BLOB NOT NULL UNIQUE, PRIMARY KEY (vault, nonce, kind)
    """,
    "spend": """
        request_id BLOB NOT NULL, organisation BLOB NOT NULL, counter TEXT NOT NULL,
        units TEXT NOT NULL, total TEXT NOT NULL, bucket INTEGER NOT NULL,
        number INTEGER NOT NULL, initiator TEXT, wallet BLOB, destination BLOB, value TEXT,
        PRIMARY KEY (organisation, counter, bucket, number)
    """,
    "list_version": "version INTEGER PRIMARY KEY, at INTEGER NOT NULL",
    "nonce": """
        chain_id INTEGER NOT NULL, key BLOB NOT NULL, nonce INTEGER NOT NULL, ref BLOB NOT NULL,
        PRIMARY KEY (chain_id, key, nonce)
    """,
    "attempt": """
        key BLOB NOT NULL, ref BLOB NOT NULL, attempt INTEGER NOT NULL,
        request_id BLOB NOT NULL, purpose TEXT NOT NULL, organisation BLOB NOT NULL,
        subject BLOB NOT NULL, content BLOB NOT NULL, PRIMARY KEY (key, ref, attempt)
    """,
    "cleared_deposit": """
        chain_id INTEGER NOT NULL, tx_hash BLOB NOT NULL, log_index INTEGER NOT NULL,
        token BLOB NOT NULL, address BLOB NOT NULL, units TEXT NOT NULL,
        organisation BLOB NOT NULL, PRIMARY KEY (chain_id, tx_hash, log_index, token, address)
    """,
    "swept": """
        ref BLOB NOT NULL, token BLOB NOT NULL, address BLOB NOT NULL, units TEXT NOT NULL,
        PRIMARY KEY (ref, token, address)
    """,
    "released": """
        ref BLOB NOT NULL, token BLOB NOT NULL, address BLOB NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (ref, token, address),
        FOREIGN KEY (ref, token, address) REFERENCES swept
    """,
    "authorisation": """
        chain_id INTEGER NOT NULL, leaf BLOB NOT NULL, nonce INTEGER NOT NULL,
        delegate BLOB NOT NULL, PRIMARY KEY (chain_id, leaf, nonce)
    """,
    "checkpoint": f"""
        size INTEGER PRIMARY KEY, root BLOB NOT NULL, request_id BLOB NOT NULL {LATER}
    """,
}
INDEXES = (
    "CREATE INDEX IF NOT EXISTS sent_for ON attempt (subject, purpose, ref) WHERE subject <> ref",
    "CREATE INDEX IF NOT EXISTS checkpoint_by_request ON checkpoint (request_id)",
    "CREATE INDEX IF NOT EXISTS vault_nonce_by_intent ON vault_nonce (vault, intent)",
    "CREATE INDEX IF NOT EXISTS given_out ON request (identity) WHERE op = 'provenance'",
    "CREATE INDEX IF NOT EXISTS swept_by_address ON swept (address, token)",
    "CREATE INDEX IF NOT EXISTS cleared_by_address ON cleared_deposit (address, token)",
)


# Long rows stand in the order of time: many of a batch share a page, and only their names (hashes)
# are entered all over an index. The others are short and stand under their own names.
_IN_ORDER = frozenset({"receipt", "request", "answer"})


def _kind(table: str) -> str:
    return "STRICT" if table in _IN_ORDER else "STRICT, WITHOUT ROWID"


def statements() -> list[str]:
    """DDL of all tables and of the triggers that keep them append-only."""
    ddl = []
    for table, columns in TABLES.items():
        ddl.append(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) {_kind(table)}")
        ddl += [
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [*ddl, *INDEXES]
