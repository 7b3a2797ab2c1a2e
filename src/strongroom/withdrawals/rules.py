"""Which step may follow which, and what a withdrawal is in the ledger's and the Safe's terms. Pure.

A Safe nonce is *bound* from the moment when the signer may have permitted the payment: from then
on the money is released only by a mined transaction with that nonce, never by a clock.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from strongroom.kit.check import check
from strongroom_protocol.hashing import keccak256

UNBOUND: Final = frozenset({"screening", "queued", "awaiting_approval", "approved"})
"""No signature of ours exists: it can end at once, and its hold with it."""
BOUND: Final = frozenset({"binding", "signed", "broadcast", "mined", "voiding"})
UNMINED: Final = frozenset({"approved", "binding", "signed", "broadcast"})
"""Enough people have signed: the payment may be mined at any moment, whoever sends it."""
ENDED: Final = frozenset({"finalized", "rejected", "expired", "cancelled", "blocked", "failed"})
HOLDS_SLOT: Final = frozenset(
    {"awaiting_approval", "approved", "binding", "signed", "broadcast", "voiding"}
)
"""While one payment of a vault is in these, the next one waits for its Safe nonce."""

_ENDS_UNBOUND: Final = frozenset({"rejected", "expired", "cancelled", "blocked"})
STEPS: Final[Mapping[str | None, frozenset[str]]] = {
    None: frozenset({"screening", "rejected"}),
    "screening": frozenset({"queued"}) | _ENDS_UNBOUND,
    "queued": frozenset({"awaiting_approval"}) | _ENDS_UNBOUND,
    "awaiting_approval": frozenset({"approved", "queued"}) | _ENDS_UNBOUND,
    "approved": frozenset({"binding", "mined", "queued"}) | _ENDS_UNBOUND,
    "binding": frozenset({"signed", "broadcast", "mined", "voiding"}),
    "signed": frozenset({"broadcast", "mined", "voiding"}),
    "broadcast": frozenset({"mined", "voiding"}),
    "mined": frozenset({"finalized", "broadcast", "voiding"}),
    "voiding": frozenset({"finalized", "expired", "cancelled", "blocked", "failed"}),
}


def check_step(from_state: str | None, to_state: str) -> None:
    """A programmer's error if the step is none of STEPS."""
    allowed = STEPS.get(from_state, frozenset())
    check(to_state in allowed, f"a withdrawal may go from {from_state} to {to_state}")


def signed_on(withdrawal_id: UUID, batch_id: UUID | None, kind: str) -> UUID:
    """On which withdrawal a signature of this kind stands: a batch's rejection on its first one."""
    return batch_id if batch_id is not None and kind == "rejection" else withdrawal_id


def hold_key(withdrawal_id: UUID) -> str:
    """The ledger key of its hold."""
    return f"withdrawal:{withdrawal_id}:hold"


def fee_key(withdrawal_id: UUID) -> str:
    """The ledger key of the hold on the gas that its wallet pays for."""
    return f"withdrawal:{withdrawal_id}:fee"


def void_key(hold: str) -> str:
    """The ledger key under which this hold is released."""
    return f"{hold.removesuffix(':hold')}:void"


def spending_ref(made: UUID) -> bytes:
    """The relay's 32-byte reference of a spending key's payment: nobody can know it before."""
    return keccak256(b"strongroom.spending" + made.bytes)


def execution_ref(permit_signature: bytes, turn: int) -> bytes:
    """The relay's 32-byte reference of an execution. It follows from the Permit, which the signer
    repeats after a crash and nobody can guess: a reference known early could be taken by others.
    """
    return keccak256(b"strongroom.execution" + permit_signature + turn.to_bytes(8, "big"))
