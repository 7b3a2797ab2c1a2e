"""What a transfer means to us."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from strongroom.chain.ports import BlockView, Transfer, TransferKind
from strongroom.deposits import rules
from strongroom.kit.ids import HOUSE
from strongroom.wallets.types import AddressKind, Watched

ONE, TWO = UUID(int=1), UUID(int=2)
PAYER, TOKEN = b"\x01" * 20, b"\x70" * 20
OURS: dict[str, Watched] = {}


def known(name: str, organisation: UUID, kind: AddressKind) -> Watched:
    address = name.encode().rjust(20, b"\0")
    OURS[name] = Watched(organisation, address, kind, f"custody:1:0x{address.hex()}")
    return OURS[name]


LEAF, LEAF_B = known("leaf", ONE, "deposit"), known("leaf b", ONE, "deposit")
VAULT, OTHER_LEAF = known("vault", ONE, "vault"), known("other", TWO, "deposit")
OTHER_VAULT, RELAY = known("vault 2", TWO, "vault"), known("relay", HOUSE, "relay")
BY_ADDRESS = {item.address: item for item in OURS.values()}


def transfer(
    sender: bytes, recipient: bytes, units: int = 5, token: bytes | None = None
) -> Transfer:
    kind: TransferKind = "native" if token is None else "erc20"
    position = -1 if token is None else 3
    return Transfer(
        1, 9, b"\xbb" * 32, b"\x11" * 32, position, token, sender, recipient, units, kind
    )


@pytest.mark.parametrize(
    ("sender", "recipient", "meaning"),
    [
        (PAYER, LEAF.address, "deposit"),
        (PAYER, VAULT.address, "deposit"),
        (LEAF.address, VAULT.address, "sweep"),
        (OTHER_LEAF.address, VAULT.address, "deposit"),
        (VAULT.address, LEAF.address, "deposit"),
        (LEAF.address, LEAF_B.address, "deposit"),
        (LEAF.address, OTHER_VAULT.address, "deposit"),
        (LEAF.address, PAYER, "none"),
        (VAULT.address, PAYER, "none"),
        (LEAF.address, LEAF.address, "none"),
        (PAYER, RELAY.address, "funding"),
        (RELAY.address, PAYER, "none"),
    ],
)
def test_direction_and_owner_say_what_a_transfer_is(sender: bytes, recipient: bytes, meaning: str):
    assert rules.meaning(transfer(sender, recipient), BY_ADDRESS) == meaning


def test_nothing_moved_is_nothing():
    assert rules.meaning(transfer(PAYER, LEAF.address, 0), BY_ADDRESS) == "none"


def test_tokens_to_a_key_of_the_house_are_not_gas_money():
    assert rules.meaning(transfer(PAYER, RELAY.address, 5, TOKEN), BY_ADDRESS) == "none"


def test_a_token_has_an_asset_only_where_that_organisations_policy_names_it():
    tokens = {(ONE, TOKEN): "TUSD/6"}
    found = transfer(PAYER, LEAF.address, 5, TOKEN)
    assert rules.asset_of(found, ONE, tokens, "POL/18") == "TUSD/6"
    assert rules.asset_of(found, TWO, tokens, "POL/18") is None
    native = transfer(PAYER, LEAF.address)
    assert rules.asset_of(native, TWO, tokens, "POL/18") == "POL/18"


def block(sighting: int) -> BlockView:
    time = datetime(2026, 1, 1, tzinfo=UTC)
    return BlockView(1, 9, b"\xbb" * 32, b"\xaa" * 32, time, (), (), sighting)


def test_a_posting_names_its_sighting_and_fits_the_ledgers_key():
    first, second = (
        rules.arrival(block(sighting), transfer(PAYER, LEAF.address), LEAF, "ETH/18")
        for sighting in (1, 2)
    )
    assert first.key != second.key
    assert len(first.key) <= 190, "its reversal must fit into 200 characters too"
    assert first.legs[0].debit == LEAF.custody_code
    assert first.memo["from"] == "0x" + PAYER.hex()


def test_a_reversal_is_linked_and_tells_the_same_of_the_chain():
    first = rules.arrival(block(1), transfer(PAYER, LEAF.address), LEAF, "ETH/18")
    back = rules.reversal(first)
    assert (back.phase, back.refers_to) == ("reversal", first.key)
    assert (back.legs[0].debit, back.legs[0].credit) == (first.legs[0].credit, first.legs[0].debit)
    assert (back.chain, back.memo) == (first.chain, first.memo)
