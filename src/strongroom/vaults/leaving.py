"""How the people of a vault leave: what they sign, and the calls that anybody may send.

Needs a node and the people's own keys, nothing of the custodian's. Everything here is pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from strongroom.kit.errors import Invalid
from strongroom.vaults.configuration import Configuration
from strongroom_protocol import abi
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.safe import SafeTx, exec_calldata, pack_signatures, payment_safe_tx
from strongroom_protocol.safe import domain as safe_domain
from strongroom_protocol.signatures import Signature, recover
from strongroom_protocol.structures import Structure
from strongroom_protocol.typed_data import Domain

Step = Literal["announce", "cancel", "unfreeze", "pay"]


class SignatureMissing(Invalid):
    """Not enough owners signed, or somebody signed who is no owner."""

    code = "vaults.signatures_missing"


@dataclass(frozen=True)
class Announce(Structure):
    """The people leave: signed by the Safe's threshold."""

    TYPE: ClassVar[str] = "Announce(address safe,uint256 id)"
    safe: Address
    id: int


@dataclass(frozen=True)
class Cancel(Structure):
    """They stay after all: signed by n - k + 1."""

    TYPE: ClassVar[str] = "Cancel(address safe,uint256 id)"
    safe: Address
    id: int


@dataclass(frozen=True)
class Unfreeze(Structure):
    """The freeze ends: signed by the Safe's threshold."""

    TYPE: ClassVar[str] = "Unfreeze(address safe,uint256 count)"
    safe: Address
    count: int


@dataclass(frozen=True, slots=True)
class Paper:
    """What people sign for one step, and where it goes."""

    step: Step
    structure: Structure
    domain: Domain
    to: Address
    required: int

    def calldata(self, found: Configuration, signatures: Sequence[Signature]) -> bytes:
        """The call, with exactly as many owners' signatures as it takes. Raises SignatureMissing,
        SignatureInvalid.
        """
        digest = self.structure.digest_in(self.domain)
        signed = {}
        for signature in signatures:
            owner = _recovered(digest, signature)
            if owner not in found.owners:
                raise SignatureMissing(
                    f"A signature is by {checksum(owner)}, who is no owner of the vault, or it is "
                    "over something else: another id, chain or contract."
                )
            signed[owner] = signature
        if len(signed) < self.required:
            raise SignatureMissing(
                f"{len(signed)} owners signed; it takes {self.required}. Collect the others'."
            )
        packed = pack_signatures(sorted(signed.items())[: self.required])
        if isinstance(self.structure, SafeTx):
            return exec_calldata(self.structure, packed)
        safe, tail = abi.address(found.address), abi.byte_string(packed)
        return abi.call(f"{self.step}(address,bytes)", safe, tail)


def paper(found: Configuration, step: Step, chain_id: int, exit_module: Address) -> Paper:
    """What to sign now for this step."""
    safe, threshold = found.address, found.threshold
    if step == "unfreeze":
        count = 0 if found.record is None else found.record.freeze_count
        domain = Domain("StrongroomGuard", "1", chain_id, found.guard)
        return Paper(step, Unfreeze(safe, count), domain, found.guard, threshold)
    domain = Domain("StrongroomExit", "1", chain_id, exit_module)
    if step == "cancel":
        required = len(found.owners) - threshold + 1
        return Paper(step, Cancel(safe, found.exit_id), domain, exit_module, required)
    return Paper(step, Announce(safe, found.exit_id + 1), domain, exit_module, threshold)


def payment_paper(
    found: Configuration, chain_id: int, token: Address, to: Address, units: int
) -> Paper:
    """A payment of a Safe that has no guard: a Safe transaction, its people's alone."""
    tx = payment_safe_tx(token, to, units, found.nonce)
    return Paper("pay", tx, safe_domain(chain_id, found.address), found.address, found.threshold)


def leave_calldata(safe: Address) -> bytes:
    """To the exit module, by anybody, once the delay is over."""
    return abi.call("leave(address)", abi.address(safe))


def _recovered(digest: bytes, signature: Signature) -> Address:
    try:
        return recover(digest, signature)
    except ProtocolError as error:
        raise SignatureMissing(f"A signature can't be read: {error}") from error
