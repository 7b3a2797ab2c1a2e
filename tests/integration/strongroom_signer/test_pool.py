"""The key table: every row that is handed out is the ceremony's own."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from strongroom_protocol import hd
from strongroom_protocol.addresses import checksum
from strongroom_signer.ceremony.account import wrapped
from strongroom_signer.ceremony.keks import Tokens
from strongroom_signer.ceremony.words import account_of
from strongroom_signer.errors import Refused, Unfit
from strongroom_signer.pool import Leaf, Pool
from tests.integration.strongroom_signer.conftest import SPENDING, Desk

FILE = "pool.sqlite"
# What somebody does who can write the signer's folder, and whom it would serve.
CHANGES = {
    "another address": "UPDATE sealed_key SET address = randomblob(20)",
    "another blob": "UPDATE sealed_key SET wrapped = zeroblob(72)",
    "another purpose": "UPDATE sealed_key SET purpose = 'any'",
    "a deposit key made a spending key": "UPDATE sealed_key SET branch = 1 - branch",
    "another account's key": "UPDATE sealed_key SET account_index = account_index + 1000",
    "another key's place": "UPDATE sealed_key SET leaf_index = 1 - leaf_index",
    "another generation": "UPDATE sealed_key SET kek = 2",
    "no seal": "UPDATE sealed_key SET seal = zeroblob(32)",
}


@pytest.fixture
def copy(desk: Desk, tmp_path: Path) -> Iterator[Pool]:
    with sqlite3.connect(desk.settings.directory / FILE) as own:
        own.execute("PRAGMA wal_checkpoint(FULL)")
    own.close()
    shutil.copy(desk.settings.directory / FILE, tmp_path / FILE)
    pool = Pool(tmp_path / FILE, desk.house.keyring.seal)
    yield pool
    pool.close()


def _write(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(sql)
    connection.close()


def _refuses(read: Callable[[int, int], Leaf | None], place: tuple[int, int]) -> bool:
    """Nothing there is no refusal; a row that is handed out fails the test."""
    try:
        found = read(*place)
    except Refused as refusal:
        return refusal.code == "signer.key_table_changed"
    assert found is None
    return False


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_row_is_never_handed_out(change: str, copy: Pool, tmp_path: Path) -> None:
    one_each = "DELETE FROM sealed_key WHERE account_index > 0 OR leaf_index <> branch"
    _write(tmp_path / FILE, one_each)
    _write(tmp_path / FILE, CHANGES[change])
    places = [(account, index) for account in (0, 1000) for index in (0, 1)]
    refused = [
        place for place in places for read in (copy.leaf, copy.spending) if _refuses(read, place)
    ]
    assert len(refused) == 2
    if change == "no seal":
        with pytest.raises(Refused, match="changed"):
            copy.spending_addresses()


def test_a_changed_xpub_is_refused(copy: Pool, tmp_path: Path) -> None:
    assert copy.xpub(0) is not None
    _write(tmp_path / FILE, "UPDATE sealed_account SET account_index = 1000 - account_index")
    with pytest.raises(Refused, match="account 1000"):
        copy.xpub(1000)


def test_spending_keys_stand_on_their_own_branch(desk: Desk) -> None:
    pool, keyring = desk.house.pool, desk.house.keyring
    xpub = pool.xpub(0)
    assert xpub is not None
    for index, address in enumerate(hd.addresses(xpub, 0, SPENDING, branch=1)):
        key = pool.spending(0, index)
        assert key is not None
        assert (key.path, key.purpose) == (f"m/44'/60'/0'/1/{index}", "spending")
        assert key.address == address
        assert pool.spending_of(address) == key
        assert address in pool.spending_addresses()
        keyring.leaf(key.address, key.wrapped, b"\x07" * 32, key.kek)
    assert pool.spending(0, SPENDING) is None


def test_a_deposit_key_is_no_spending_key(desk: Desk) -> None:
    leaf = desk.house.pool.leaf(0, 0)
    assert leaf is not None
    assert leaf.purpose == "deposit"
    assert desk.house.pool.spending_of(leaf.address) is None, checksum(leaf.address)


def test_a_key_that_two_derivations_disagree_on_is_never_wrapped(desk: Desk) -> None:
    """Private keys of one account beside the xpub of another stand for a broken library."""
    entropy = b"\x07" * 32
    own, other = (account_of(entropy, index) for index in (0, 1))
    mixed = SimpleNamespace(PublicKey=other.PublicKey, Change=own.Change)
    tokens = Tokens(vault=desk.token, signer=desk.token)
    with pytest.raises(Unfit, match="two derivations of leaf 0 differ"):
        next(wrapped(tokens, mixed, 0, range(1), lambda _words: None))
