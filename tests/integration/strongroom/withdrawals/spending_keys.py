"""An organisation with a cold and a hot spending key, both with money on them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from strongroom.withdrawals.types import WithdrawalView
from strongroom_protocol.addresses import checksum, parse_address
from tests.factories.house import ETH, TUSD
from tests.factories.offline import OfflineMachine
from tests.factories.parts.place import short_folder
from tests.factories.stage import Stage

FLOAT = {TUSD: 2_000 * 10**6, ETH: 2 * 10**18}
LONG = 20 * 86_400


@dataclass
class Spending:
    """A stage, its offline machine, and the two keys' addresses, EIP-55."""

    stage: Stage
    machine: OfflineMachine
    cold: str
    hot: str
    policies_there: int = 0

    def order(self, reference: str, wallet: str, **more: Any) -> WithdrawalView:
        """An order that two people approved."""
        wish = {"from_wallet": wallet, "valid_for_seconds": LONG, "max_fee_wei": str(10**17)}
        return self.stage.approved(reference, **{**wish, **more})

    def custody(self, wallet: str) -> str:
        return f"custody:{self.stage.chain.chain_id}:{wallet.lower()}"

    def books_and_chain(self, wallet: str) -> dict[str, tuple[int, int]]:
        """What the books say of the wallet, and what the chain says."""
        house, address = self.stage.house, parse_address(wallet)
        on_chain = {ETH: house.node.balance(address), TUSD: house.units(wallet)}
        code = self.custody(wallet)
        return {asset: (self.stage.available(asset, code), on_chain[asset]) for asset in on_chain}


def spending_key(index: int, address: str, kind: str) -> dict[str, Any]:
    return {
        "index": index,
        "address": address,
        "kind": kind,
        "threshold": 2,
        "limits": [
            {"asset": asset, "per_payment_units": str(units), "per_day_units": str(100 * units)}
            for asset, units in FLOAT.items()
        ],
    }


def hot_address(stage: Stage) -> str:
    out = stage.house.folder / "account-0-spending.json"
    words = ("--index", "0", "--count", "4", "--spending", "1", "--out", str(out))
    stage.house.ceremony("account", *words)
    return str(json.loads(out.read_text())["spending"][0]["address"])


@contextmanager
def spending_keys(stage: Stage) -> Iterator[Spending]:
    """Both keys in the signed policy, each with its float."""
    with short_folder("cold") as folder:
        machine = OfflineMachine(folder, stage.chain.chain_id, stage.house.founding())
        cold = checksum(parse_address(machine.found(0, 1)[0]))
        hot = checksum(parse_address(hot_address(stage)))
        stage.update_policy(spending=[spending_key(0, cold, "cold"), spending_key(0, hot, "hot")])
        found = Spending(stage, machine, cold, hot)
        for wallet in (cold, hot):
            fund(stage, wallet)
        stage.drive(until=lambda: all(_funded(found, one) for one in (cold, hot)))
        yield found


def fund(stage: Stage, wallet: str) -> None:
    """A payer sends both assets to a spending key."""
    house = stage.house
    for function, recipient in (("mint", house.money), ("transfer", wallet)):
        data = keccak(text=f"{function}(address,uint256)")[:4] + encode(
            ["address", "uint256"], [recipient, FLOAT[TUSD]]
        )
        house.send({"from": house.money, "to": house.dollar, "data": "0x" + data.hex()})
    house.send({"from": house.money, "to": wallet, "value": hex(FLOAT[ETH])})


def _funded(found: Spending, wallet: str) -> bool:
    rows = found.stage.house.query(
        "SELECT count(*) FROM deposit WHERE address = %s AND disposition = 'credited'"
        " AND chain_state = 'finalized'",
        bytes(parse_address(wallet)),
    )
    return rows == [(2,)]
