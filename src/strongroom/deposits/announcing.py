"""What programs are told of a deposit: an event a change of state, with the facts of the moment."""

from collections.abc import Mapping
from typing import Any, Final

from strongroom.db.events import Event
from strongroom_protocol.encoding import to_hex

TYPES: Final[Mapping[str, str]] = {
    "seen": "deposit.seen",
    "unscreened": "deposit.confirmed",
    "unknown_token": "deposit.confirmed",
    "credited": "deposit.credited",
    "quarantined": "deposit.quarantined",
    "finalized": "deposit.finalized",
    "swept": "deposit.swept",
    "reversed": "deposit.reversed",
}
"""State as it is kept → type of the event; other states are told of by alerts, if at all."""
TOLD: Final = (
    "organisation_id", "id", "chain_id", "height", "block_hash", "tx_hash", "position", "token",
    "asset", "units", "payer", "address", "client_account", "customer_reference", "awaits",
)  # fmt: skip
"""The columns that an event is made of."""


def event(row: Mapping[str, Any], state: str, reason: str) -> Event | None:
    """The event of a change of state, or None; `row` has the columns TOLD."""
    found = TYPES.get(state)
    if found is None:
        return None
    token, account = row["token"], str(row["client_account"])
    body = {
        "deposit_id": str(row["id"]),
        "state": state,
        "reason": reason,
        "chain_id": row["chain_id"],
        "height": row["height"],
        "block_hash": to_hex(row["block_hash"]),
        "tx_hash": to_hex(row["tx_hash"]),
        "position": row["position"],
        "token": None if token is None else to_hex(token),
        "asset": row["asset"],
        "units": str(row["units"]),
        "payer": to_hex(row["payer"]),
        "address": to_hex(row["address"]),
        "account": account.removeprefix("client:"),
        "customer_reference": row["customer_reference"],
        "awaits": row["awaits"],
    }
    everything = tuple(dict.fromkeys(TYPES.values())) if state == "reversed" else ()
    return Event(
        organisation_id=row["organisation_id"],
        key=f"deposit:{row['id']}:{state}",
        type=found,
        subject=f"deposit:{row['id']}",
        body=body,
        takes_back=tuple(kind for kind in everything if kind != "deposit.reversed"),
    )
