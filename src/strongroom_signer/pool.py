"""The signer's own key table: which key (account, branch, index) is for what, and its blob under
the KEK. Branch 0 holds deposit addresses, branch 1 spending keys. Written by the ceremony, read by
the running signer. Every row stands under an HMAC of the token, checked whenever it is handed out:
nobody who can write the file can swap keys, purposes or accounts.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from strongroom_protocol import hd, merkle
from strongroom_protocol.addresses import Address
from strongroom_protocol.canonical import canonical_bytes
from strongroom_signer.errors import Refused

DEPOSIT, SPENDING = 0, 1
PURPOSES = ("deposit", "spending")
FIRST_KEK = 1
CHECKED_MAX = 4096
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sealed_account (
    account_index INTEGER PRIMARY KEY,
    xpub TEXT NOT NULL,
    seal BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sealed_key ({columns}) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS staged_key ({columns}) STRICT, WITHOUT ROWID;
"""
_TABLE = """
    account_index INTEGER NOT NULL REFERENCES sealed_account,
    branch INTEGER NOT NULL,
    leaf_index INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    address BLOB NOT NULL UNIQUE CHECK (length(address) = 20),
    wrapped BLOB NOT NULL CHECK (length(wrapped) = 72),
    kek INTEGER NOT NULL,
    seal BLOB NOT NULL,
    PRIMARY KEY (account_index, branch, leaf_index)
"""
_COLUMNS = "account_index, branch, leaf_index, purpose, address, wrapped, kek, seal"
Seal = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One key; `wrapped` is its 72-byte blob under the KEK of generation `kek`."""

    account_index: int
    leaf_index: int
    address: Address
    wrapped: bytes
    branch: int = DEPOSIT
    kek: int = FIRST_KEK

    @property
    def path(self) -> str:
        """BIP-44 path."""
        return hd.path(self.account_index, self.leaf_index, self.branch)

    @property
    def purpose(self) -> str:
        """What the key may sign: 'deposit' or 'spending'."""
        return PURPOSES[self.branch]

    def row(self) -> tuple[Any, ...]:
        """All columns but the seal."""
        place = self.account_index, self.branch, self.leaf_index
        return (*place, self.purpose, self.address, self.wrapped, self.kek)


class Pool:
    """pool.sqlite in the signer's folder; `seal` is the token's HMAC."""

    def __init__(self, path: Path, seal: Seal) -> None:
        path.touch(mode=0o600)
        os.chmod(path, 0o600)  # noqa: PTH101  (a Path of another flavour would do the same)
        self._seal = seal
        # The same row under the same seal is what it was.
        self._checked = lru_cache(maxsize=CHECKED_MAX)(self._check_row)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA.format(columns=_TABLE))

    def add(self, account_index: int, xpub: str, leaves: Iterable[Leaf]) -> None:
        """Store an account's xpub and more of its keys, all or nothing."""
        rows = self._sealed(leaves)
        account = account_index, xpub, self._seal_of(account_index, xpub)
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("INSERT OR IGNORE INTO sealed_account VALUES (?, ?, ?)", account)
            cursor.executemany("INSERT INTO sealed_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            cursor.execute("COMMIT")

    def stale(self, kek: int) -> list[tuple[int, int, int, int]]:
        """What is neither under that KEK nor staged for it: (account, branch, first leaf, one
        after the last).
        """
        return self._connection.execute(
            "SELECT account_index, branch, min(leaf_index), max(leaf_index) + 1 FROM sealed_key k"
            " WHERE kek <> ? AND NOT EXISTS (SELECT 1 FROM staged_key s WHERE s.kek = ?"
            " AND (s.account_index, s.branch, s.leaf_index)"
            " = (k.account_index, k.branch, k.leaf_index)) GROUP BY account_index, branch",
            (kek, kek),
        ).fetchall()

    def generations(self) -> set[int]:
        """The KEKs under which keys stand."""
        return {row[0] for row in self._connection.execute("SELECT DISTINCT kek FROM sealed_key")}

    def stage(self, leaves: Iterable[Leaf]) -> None:
        """Keep keys that were wrapped anew until all are. Each must be the key that stands there;
        raises Refused.
        """
        ready = list(leaves)
        for leaf in ready:
            standing = self._one(leaf.account_index, leaf.branch, leaf.leaf_index)
            if standing is None or standing.address != leaf.address:
                raise Refused("key_table_changed", f"{leaf.path} is another key than before")
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            rows = self._sealed(ready)
            cursor.executemany(
                "INSERT OR REPLACE INTO staged_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            cursor.execute("COMMIT")

    def swap(self, kek: int) -> int:
        """Put all staged keys in place, all or nothing; returns how many. Raises Refused."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                cursor.execute("DELETE FROM staged_key WHERE kek <> ?", (kek,))
                staged = cursor.execute(f"SELECT {_COLUMNS} FROM staged_key").fetchall()  # noqa: S608
                for row in staged:
                    self._checked(row)
                cursor.execute("INSERT OR REPLACE INTO sealed_key SELECT * FROM staged_key")
                cursor.execute("DELETE FROM staged_key")
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
        return len(staged)

    def accounts(self, branch: int = DEPOSIT) -> dict[int, int]:
        """Account index → number of its keys on that branch."""
        rows = self._connection.execute(
            "SELECT a.account_index, count(k.leaf_index) FROM sealed_account a"
            " LEFT JOIN sealed_key k ON k.account_index = a.account_index AND k.branch = ?"
            " GROUP BY a.account_index",
            (branch,),
        )
        return {int(account): int(count) for account, count in rows}

    def xpub(self, account_index: int) -> str | None:
        """The account's extended public key: confidential."""
        row = self._connection.execute(
            "SELECT xpub, seal FROM sealed_account WHERE account_index = ?", (account_index,)
        ).fetchone()
        if row is None:
            return None
        self._check_seal(row[1], account_index, row[0])
        return str(row[0])

    def leaf(self, account_index: int, leaf_index: int) -> Leaf | None:
        """A deposit key, or None. Raises Refused: key_table_changed."""
        return self._one(account_index, DEPOSIT, leaf_index)

    def spending(self, account_index: int, leaf_index: int) -> Leaf | None:
        """A spending key, or None. Raises Refused: key_table_changed."""
        return self._one(account_index, SPENDING, leaf_index)

    def spending_of(self, address: Address) -> Leaf | None:
        """The spending key of that address, or None. Raises Refused: key_table_changed."""
        return self._read("address = ? AND branch = ?", address, SPENDING)

    def spending_addresses(self) -> list[Address]:
        """The addresses of all spending keys. Raises Refused: key_table_changed."""
        query = f"SELECT {_COLUMNS} FROM sealed_key WHERE branch = ?"  # noqa: S608  (ours alone)
        rows = self._connection.execute(query, (SPENDING,)).fetchall()
        return [self._checked(row).address for row in rows]

    def addresses(self, account_index: int, count: int, branch: int = DEPOSIT) -> list[Address]:
        """The first `count` addresses, in order; fewer if the pool has fewer. No seal is checked:
        the caller compares them with what the officers signed, or with the xpub.
        """
        rows = self._connection.execute(
            "SELECT address FROM sealed_key WHERE account_index = ? AND branch = ?"
            " AND leaf_index < ? ORDER BY leaf_index",
            (account_index, branch, count),
        )
        return [Address(row[0]) for row in rows]

    def manifest_leaves(self, account_index: int, count: int) -> list[bytes]:
        """Leaf hashes of the manifest over the first `count` deposit addresses."""
        return [
            merkle.manifest_leaf(hd.path(account_index, index), address)
            for index, address in enumerate(self.addresses(account_index, count))
        ]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _one(self, account_index: int, branch: int, leaf_index: int) -> Leaf | None:
        place = "account_index = ? AND branch = ? AND leaf_index = ?"
        return self._read(place, account_index, branch, leaf_index)

    def _read(self, where: str, *values: Any) -> Leaf | None:
        query = f"SELECT {_COLUMNS} FROM sealed_key WHERE {where}"  # noqa: S608  (ours alone)
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else self._checked(row)

    def _check_row(self, row: tuple[Any, ...]) -> Leaf:
        account_index, branch, leaf_index, _, address, wrapped, kek, seal = row
        self._check_seal(seal, *row[:-1])
        return Leaf(account_index, leaf_index, Address(address), wrapped, branch, kek)

    def _sealed(self, leaves: Iterable[Leaf]) -> list[tuple[Any, ...]]:
        return [(*leaf.row(), self._seal_of(*leaf.row())) for leaf in leaves]

    def _seal_of(self, *columns: int | str | bytes) -> bytes:
        plain = [one.hex() if isinstance(one, bytes) else one for one in columns]
        return self._seal(b"strongroom key table" + canonical_bytes(plain))

    def _check_seal(self, seal: bytes, *columns: int | str | bytes) -> None:
        if not hmac.compare_digest(seal, self._seal_of(*columns)):
            raise Refused(
                "key_table_changed",
                f"a row of account {columns[0]!r} in the key table was changed by somebody else "
                "than a ceremony: bring back pool.sqlite, or fill the account again",
            )
