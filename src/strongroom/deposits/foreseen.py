"""The call of a sweep as the signer will make it, for the relay to simulate before it is signed."""

from collections.abc import Sequence
from typing import Any, Final

from strongroom.db.database import UnitOfWork
from strongroom.relay.foresight import Moved, SentCall
from strongroom.relay.types import OutgoingView
from strongroom.vaults import service as vaults
from strongroom_protocol.addresses import ZERO, Address, parse_address
from strongroom_protocol.deployment import SweepItem, sweep_calldata
from strongroom_protocol.safe import payment_call

DELEGATED: Final = b"\xef\x01\x00"
"""The code of an account that delegates begins so (EIP-7702); the delegate's address follows."""


class SweepCalls:
    """A CallSource of the relay: sweeps by EIP-7702, and those of an address by itself."""

    def call_of(self, uow: UnitOfWork, outgoing: OutgoingView) -> SentCall | None:
        """With the code that delegating addresses will have, and what must arrive in the vault."""
        if outgoing.purpose not in ("sweep", "leaf_sweep"):
            return None
        vault = vaults.find(uow, outgoing.organisation_id)
        if vault is None:
            return None
        leaf = outgoing.purpose == "leaf_sweep"
        payload = outgoing.payload
        rows: list[dict[str, Any]] = payload["items"]
        if leaf:
            rows = [{"index": payload["index"], **payload["item"]}]
        # An item names its address by the clearances that it carries.
        places = {
            row["index"]: parse_address(row["clearances"][0]["document"]["deposit"]["address"])
            for row in rows
        }
        items = [
            SweepItem(places[row["index"]], parse_address(row["token"]), int(row["units"]))
            for row in rows
        ]
        expected = frozenset(_moved(one, vault.address) for one in items)
        if leaf:
            (one,) = items
            to, value, data = payment_call(one.token, Address(vault.address), one.units)
            whom = frozenset({vault.address})
            return SentCall(one.account, to, value, data, one.account, whom, expected)
        platform = vaults.platform(uow, outgoing.chain_id)
        code = DELEGATED + platform.deployment.sweeper_address(Address(vault.address))
        return SentCall(
            sender=platform.relay,
            to=platform.deployment.batcher,
            value=0,
            data=sweep_calldata(items),
            payer=platform.relay,
            payees=frozenset({vault.address}),
            expected=expected,
            codes={places[index]: code for index in payload["delegate"] if index in places},
        )

    def held(self, uow: UnitOfWork, outgoing: OutgoingView, others: Sequence[bytes]) -> str | None:
        """A token's own fee is told; the money itself goes nowhere but into the vault."""
        del uow, outgoing, others
        return None


def _moved(item: SweepItem, vault: bytes) -> Moved:
    token = b"" if item.token == ZERO else bytes(item.token)
    return token, bytes(item.account), vault, item.units
