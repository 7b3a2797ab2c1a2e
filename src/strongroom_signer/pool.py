"""The signer's own key table: account → xpub, path → address and leaf wrapped under the KEK.
Written by the ceremony, read by the running signer. A row proves itself: the unwrapped key's
signature must recover to the address, and the address must stand in the officers' manifest.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from strongroom_protocol import hd, merkle
from strongroom_protocol.addresses import Address

_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    account_index INTEGER PRIMARY KEY,
    xpub TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS leaf (
    account_index INTEGER NOT NULL REFERENCES account,
    leaf_index INTEGER NOT NULL,
    address BLOB NOT NULL UNIQUE CHECK (length(address) = 20),
    wrapped BLOB NOT NULL CHECK (length(wrapped) = 72),
    PRIMARY KEY (account_index, leaf_index)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One deposit address; `wrapped` is its key under the KEK, 72 bytes."""

    account_index: int
    leaf_index: int
    address: Address
    wrapped: bytes

    @property
    def path(self) -> str:
        """BIP-44 path."""
        return hd.path(self.account_index, self.leaf_index)


class Pool:
    """pool.sqlite in the signer's folder."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        os.chmod(path, 0o600)  # noqa: PTH101  (a Path of another flavour would do the same)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def add(self, account_index: int, xpub: str, leaves: Sequence[Leaf]) -> None:
        """Store an account's xpub and more of its leaves, all or nothing."""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("INSERT OR IGNORE INTO account VALUES (?, ?)", (account_index, xpub))
            cursor.executemany(
                "INSERT INTO leaf VALUES (?, ?, ?, ?)",
                [(leaf.account_index, leaf.leaf_index, leaf.address, leaf.wrapped)
                 for leaf in leaves],
            )  # fmt: skip
            cursor.execute("COMMIT")

    def accounts(self) -> dict[int, int]:
        """Account index → number of leaves."""
        rows = self._connection.execute(
            "SELECT account_index, count(leaf_index) FROM account LEFT JOIN leaf"
            " USING (account_index) GROUP BY account_index"
        )
        return {int(account): int(count) for account, count in rows}

    def xpub(self, account_index: int) -> str | None:
        """The account's extended public key: confidential."""
        row = self._connection.execute(
            "SELECT xpub FROM account WHERE account_index = ?", (account_index,)
        ).fetchone()
        return None if row is None else str(row[0])

    def leaf(self, account_index: int, leaf_index: int) -> Leaf | None:
        """One leaf, or None when the pool does not have it."""
        row = self._connection.execute(
            "SELECT address, wrapped FROM leaf WHERE account_index = ? AND leaf_index = ?",
            (account_index, leaf_index),
        ).fetchone()
        return None if row is None else Leaf(account_index, leaf_index, Address(row[0]), row[1])

    def addresses(self, account_index: int, count: int) -> list[Address]:
        """The first `count` addresses, in order; fewer if the pool has fewer."""
        rows = self._connection.execute(
            "SELECT address FROM leaf WHERE account_index = ? AND leaf_index < ?"
            " ORDER BY leaf_index",
            (account_index, count),
        )
        return [Address(row[0]) for row in rows]

    def manifest_leaves(self, account_index: int, count: int) -> list[bytes]:
        """Leaf hashes of the manifest over the first `count` addresses."""
        return [
            merkle.manifest_leaf(hd.path(account_index, index), address)
            for index, address in enumerate(self.addresses(account_index, count))
        ]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
