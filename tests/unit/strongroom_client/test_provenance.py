"""P6: an address is paid to only if the attest key, the path and the officers' manifest agree."""

from typing import Any

import pytest
from coincurve import PrivateKey

from strongroom_client import Refused, Signatory, verify_address
from strongroom_protocol import merkle
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import AddressProvenance

CHAIN = 31337
ORGANISATION = b"\x01" * 32
ATTEST = PrivateKey(b"\x42" * 32)
ATTEST_KEY = Signatory(b"\x42" * 32).address


def given_out(count: int, index: int, first: int = 0) -> dict[str, Any]:
    """What the API shows of an address, made by the service's own protocol code."""
    listed = [
        (f"m/44'/60'/3'/0/{first + n}", Address(bytes([n % 251 + 1]) * 20)) for n in range(count)
    ]
    leaves = [merkle.manifest_leaf(path, address) for path, address in listed]
    path, address = listed[index]
    digest = AddressProvenance(ORGANISATION, path, address).digest(CHAIN)
    raw = ATTEST.sign_recoverable(digest, hasher=None)
    return {
        "index": index,
        "path": path,
        "address": checksum(address),
        "provenance_signature": to_hex(raw[:64] + bytes([27 + raw[64]])),
        "manifest_proof": [to_hex(node) for node in merkle.inclusion_proof(leaves, index)],
        "manifest_root": to_hex(merkle.root(leaves)),
        "manifest_count": count,
    }


def verified(shown: dict[str, Any], **changed: Any) -> str:
    known: dict[str, Any] = {
        "organisation": to_hex(ORGANISATION),
        "chain_id": CHAIN,
        "attest_key": ATTEST_KEY,
        "root": shown.get("manifest_root"),
    }
    return verify_address(shown, **(known | changed))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 64, 100])
def test_p6_every_leaf_of_every_manifest_is_verified(count: int) -> None:
    for index in range(count):
        shown = given_out(count, index)
        assert verified(shown) == shown["address"]
        assert verified(shown, root=None) == shown["address"]


@pytest.mark.parametrize(
    "known",
    [
        {"organisation": "0x" + "02" * 32},
        {"chain_id": 1},
        {"attest_key": Signatory(b"\x43" * 32).address},
        {"root": "0x" + "00" * 32},
    ],
)
def test_p6_what_the_caller_knows_is_not_taken_from_the_server(known: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        verified(given_out(9, 4), **known)


@pytest.mark.parametrize(
    "change",
    [
        {"index": 5},
        {"index": -1},
        {"path": "m/44'/60'/3'/0/5"},
        {"path": "m/44'/60'/4'/0/4"},
        {"path": "m/44'/60'/3'/1/4"},
        {"path": "m/44'/60'/3'/0/4 "},
        {"address": checksum(Address(b"\x66" * 20))},
        {"address": "0x12"},
        {"address": "alice.eth"},
        {"provenance_signature": "0x" + "00" * 65},
        {"provenance_signature": "0x" + "ff" * 65},
        {"provenance_signature": "0x" + "11" * 64 + "1b"},
        {"provenance_signature": "0x"},
        {"provenance_signature": None},
        {"manifest_proof": []},
        {"manifest_proof": None},
        {"manifest_proof": ["0x" + "00" * 32] * 4},
        {"manifest_proof": ["00" * 32] * 4},
        {"manifest_count": 8},
        {"manifest_count": 0},
        {"manifest_root": "0x" + "00" * 32},
    ],
)
def test_p6_one_changed_word_and_the_address_is_refused(change: dict[str, Any]) -> None:
    shown = given_out(9, 4)
    root = shown["manifest_root"] if "manifest_root" not in change else None
    with pytest.raises(Refused):
        verified({**shown, **change}, root=root)


def test_p6_a_manifest_in_another_order_is_refused() -> None:
    with pytest.raises(Refused):
        verified(given_out(9, 4, first=1))


def test_p6_a_word_left_out_is_refused() -> None:
    for name in given_out(9, 4):
        shown = given_out(9, 4)
        root = shown["manifest_root"]
        del shown[name]
        with pytest.raises(Refused):
            verified(shown, root=root)


def test_p6_a_proof_of_another_length_or_order_leads_nowhere() -> None:
    shown = given_out(9, 4)
    for proof in (shown["manifest_proof"][:-1], shown["manifest_proof"] * 2):
        with pytest.raises(Refused):
            verified({**shown, "manifest_proof": proof})
    with pytest.raises(Refused):
        verified({**shown, "manifest_proof": shown["manifest_proof"][::-1]})
