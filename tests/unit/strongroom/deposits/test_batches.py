"""A sweep takes as many addresses as its gas allows, and each leaf delegates once."""

from datetime import UTC, datetime
from uuid import UUID

from strongroom.deposits import batches, sweeps
from strongroom.deposits.sweepable import Item
from strongroom.wallets.types import AddressView

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def item(index: int, *, token: bytes | None = None, fresh: bool = True) -> Item:
    view = AddressView(
        id=UUID(int=index),
        index=index,
        path="",
        address=bytes([index]) * 20,
        label="",
        client_account="client:treasury",
        provenance_signature=b"",
        manifest_proof=(),
        manifest_root=b"",
        manifest_count=1,
        created_at=NOW,
        delegated_at=None if fresh else NOW,
    )
    return Item(view, token, 5, (), ())


def test_a_sweep_ends_where_its_gas_does():
    items = [item(index) for index in range(5)]
    gas_max = batches.gas_of(3, 0, 3)
    taken, delegates, gas = sweeps._fitting(items, gas_max)
    assert ([each.view.index for each in taken], delegates, gas) == ([0, 1, 2], [0, 1, 2], gas_max)
    assert sweeps._fitting(items, gas_max - 1)[1] == [0, 1]


def test_coin_and_token_of_one_address_delegate_once():
    token = b"\x70" * 20
    items = [item(1), item(1, token=token), item(2, token=token, fresh=False)]
    taken, delegates, gas = sweeps._fitting(items, batches.GAS_MAX)
    assert (len(taken), delegates, gas) == (3, [1], batches.gas_of(1, 2, 1))
