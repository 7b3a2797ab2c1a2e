"""Proofs made all at once are the same as made one by one; references are found in every row."""

from typing import Any

import pytest

from strongroom.exports.errors import ExportImpossible
from strongroom.exports.rules import References, all_proofs
from strongroom_protocol import merkle


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 100])
def test_all_proofs_are_those_of_the_standard(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    root, proofs = all_proofs(leaves)
    assert root == merkle.root(leaves)
    assert proofs == [merkle.inclusion_proof(leaves, index) for index in range(size)]


def row(asset: str = "TUSD/6", token: str = "0x" + "70" * 20, **more: Any) -> dict[str, Any]:
    return {
        "type": "posting",
        "key": "k",
        "phase": "single",
        "refers_to": None,
        "legs": [{"debit": "custody:1:0x", "credit": "c", "asset": asset, "units": "5"}],
        "chain": {"chain_id": 1, "height": 2, "block_hash": "0x" + "0b" * 32},
        "memo": {"tx": "0x" + "0a" * 32, "token": token},
        **more,
    }


def test_blocks_transactions_tokens_and_sums_are_collected() -> None:
    found = References()
    found.add(row())
    found.add(row(asset="ETH/18", token="", memo={"tx": "0x" + "0c" * 32, "token": ""}))
    found.add(row(chain=None, memo={}))
    found.add({"type": "something else"})
    assert found.blocks == {(1, b"\x0b" * 32)}
    assert found.transactions == {(1, b"\x0b" * 32, bytes([one]) * 32) for one in (10, 12)}
    assert found.tokens == {"TUSD/6": "0x" + "70" * 20}
    assert found.sums == {"TUSD/6": 10, "ETH/18": 5}


def test_a_paid_hold_names_its_token_by_the_holds_legs() -> None:
    found = References()
    found.add(row(key="h", phase="hold", chain=None, memo={}))
    found.add(row(phase="post", refers_to="h", legs=[]))
    assert found.tokens == {"TUSD/6": "0x" + "70" * 20}


def test_one_asset_with_two_contracts_is_impossible() -> None:
    found = References()
    found.add(row())
    with pytest.raises(ExportImpossible, match="two contracts"):
        found.add(row(token="0x" + "71" * 20))
