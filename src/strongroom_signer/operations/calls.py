"""What the relay key may call: vault, batcher, factory and the deterministic deployer, value 0.
Every address and all call data are recomputed here; none comes from the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.canonical import parse_json
from strongroom_protocol.deployment import DEPLOYER, deploy_calldata
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.safe import SafeTx, exec_calldata, pack_signatures, permit_tail
from strongroom_protocol.signatures import Signature, recover
from strongroom_signer.authority.organisations import Organisation
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Plan
from strongroom_signer.operations.installed import owners_until_now
from strongroom_signer.operations.reading import signatures_in


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of our keys. `subject` names what it is for; `fee_max_wei` caps gas times fee;
    `authorisations` are leaves that delegate along with it; `value` in wei.
    """

    to: Address
    data: bytes
    subject: bytes
    fee_max_wei: int
    authorisations: tuple[Plan, ...] = ()
    value: int = 0


def vault_creation(house: House, organisation: Organisation, _members: Members) -> Call:
    """The proxy factory makes the one vault that follows from the bundle."""
    bundle = organisation.bundle
    require(
        bundle.vault.adopted is None,
        "vault_adopted",
        "this vault is a Safe that was taken in: there is none to be made",
    )
    return Call(
        house.deployment.proxy_factory,
        house.deployment.create_vault_calldata(bundle),
        organisation.vault,
        bundle.max_total_fee_wei,
    )


def delegate_deployment(house: House, organisation: Organisation, _members: Members) -> Call:
    """The deterministic deployer places the sweeper that is bound to this vault."""
    init_code = house.deployment.sweeper_init_code(organisation.vault)
    sweeper = house.deployment.sweeper_address(organisation.vault)
    fee = organisation.bundle.max_total_fee_wei
    return Call(DEPLOYER, deploy_calldata(init_code), sweeper, fee)


def vault_execution(house: House, organisation: Organisation, members: Members) -> Call:
    """execTransaction of a Safe transaction that this signer itself permitted."""
    tx_hash = members.hash32("safe_tx_hash")
    row = house.journal.one(
        "SELECT plan, body FROM vault_nonce JOIN request ON request.id = vault_nonce.request_id"
        " JOIN answer USING (number) WHERE safe_tx_hash = ? AND vault = ?",
        tx_hash,
        organisation.vault,
    )
    if row is None:
        raise Refused(
            "safe_tx_unknown", "this signer permitted no such Safe transaction of this vault"
        )
    plan, permit = (parse_json(text.encode()) for text in row)
    require(
        house.clock.now() <= permit["valid_until"],
        "permit_expired",
        "the Permit has expired and the guard would refuse it; reject the nonce",
    )
    known, threshold = owners_until_now(house, organisation), organisation.bundle.control.threshold
    if "threshold" in members:  # While the policy is ahead of the chain, the chain's is another.
        threshold = members.integer("threshold", 1, len(known))
    owners = _owners(known, threshold, tx_hash, signatures_in(members, "signatures"))
    signature = Signature.parse(from_hex(permit["permit_signature"], 65))
    tail = permit_tail(permit["policy_version"], permit["valid_until"], signature)
    safe_tx = SafeTx.from_fields(plan["safe_tx"])
    fee = organisation.bundle.max_total_fee_wei
    if plan["kind"] == "payment":
        fee = min(fee, int(plan["max_fee_wei"]))
    return Call(
        organisation.vault, exec_calldata(safe_tx, pack_signatures(owners) + tail), tx_hash, fee
    )


def _owners(
    known: frozenset[Address], threshold: int, tx_hash: bytes, signatures: Sequence[Signature]
) -> list[tuple[Address, Signature]]:
    """Exactly `threshold` owners' signatures, as the guard wants; more are left out."""
    found: dict[Address, Signature] = {}
    for signature in signatures:
        owner = recover(tx_hash, signature)
        require(
            owner in known,
            "owner_unknown",
            f"{checksum(owner)} is no owner of the vault, or signed other bytes",
        )
        found[owner] = signature
    require(
        len(found) >= threshold,
        "signatures_missing",
        f"{len(found)} of {threshold} owners' signatures are there",
    )
    return sorted(found.items())[:threshold]


def describe(call: Call) -> Plan:
    """The call as it stands in the journal."""
    return {
        "to": checksum(call.to),
        "value": str(call.value),
        "data": to_hex(call.data),
        "authorisations": list(call.authorisations),
    }
