"""`vault_change`: the Permit for a step that brings the vault on chain to what its policy says, or
for the rejection of the nonce of such a step.

Who signed: as many owners as the policy's threshold, over the Safe transaction. Checked: the active
policy asks for this very change; the Safe transaction is recomputed from it, for this vault and
this nonce; one change a nonce, and none beside a payment or after a rejection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import ZERO
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import Payment, SafeTx, rejection_safe_tx
from strongroom_protocol.signatures import Signature
from strongroom_protocol.vault_changes import (
    Change,
    change_document,
    change_safe_tx,
    conforms,
    parse_change,
)
from strongroom_signer.agreement import agreed_change, agreed_payment
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations.installed import (
    INSTALLED,
    Installed,
    check_owners,
    controls_before,
    read_installed,
    sign_permit,
)
from strongroom_signer.operations.reading import signatures_in

REJECT = "reject"
PHASES = frozenset({"announce", "execute", "now", REJECT})
# Long enough for the relay and a slow miner, short enough that a change which the next policy no
# longer asks for does not stay executable.
CHANGE_SECONDS = 7 * 86_400
_NAMES = {"organisation", "safe_nonce", "phase", "change", "signatures"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read strictly; nothing of it is believed yet."""

    organisation: Organisation
    phase: str
    change: Change
    installed: Installed
    safe_tx: SafeTx
    safe_tx_hash: bytes
    signatures: Sequence[Signature]

    def name(self, kind: str) -> bytes:
        """The request's name for ever: one of a kind a nonce."""
        nonce = self.safe_tx.nonce.to_bytes(32, "big")
        return keccak256(kind.encode() + self.organisation.vault + nonce)


def vault_change(house: House, body: dict[str, Any], _trace: str) -> Once:
    """→ {safe_tx_hash, policy_version, valid_until, guard, permit_signer, permit_signature}."""
    asked = _read(house, Members(body, "body", _NAMES, INSTALLED))
    kind = "rejection" if asked.phase == REJECT else "change"

    def prepare() -> Plan:
        until = _check_rejection(house, asked) if asked.phase == REJECT else _check(house, asked)
        check_owners(house, asked.organisation, asked.safe_tx_hash, asked.signatures)
        vault, nonce = asked.organisation.vault, asked.safe_tx.nonce
        row = (asked.name(kind), asked.name("change"), asked.safe_tx_hash)
        house.journal.add("vault_nonce", vault, nonce, kind, *row)
        return _plan(asked, kind, until)

    return Once(
        op="vault_change",
        id=asked.name(kind),
        identity=keccak256(kind.encode() + asked.safe_tx_hash),
        prepare=prepare,
        sign=lambda plan: sign_permit(house, asked.organisation.vault, asked.installed, plan),
        still=lambda: require_alive(house, asked.organisation),
        built_upon=True,
    )


def _read(house: House, members: Members) -> Asked:
    organisation = find(house, members.hash32("organisation"))
    phase, nonce = members.choice("phase", PHASES), members.integer("safe_nonce")
    change = members.part("change", parse_change)
    installed = read_installed(house, organisation, members)
    vault, chain_id = organisation.vault, house.config.chain_id
    if phase == REJECT:
        safe_tx = rejection_safe_tx(vault, nonce)
        tx_hash = agreed_payment(chain_id, vault, safe_tx, Payment(ZERO, vault, 0))
    else:
        guard, deployment = installed.guard, house.deployment
        safe_tx = change_safe_tx(change, phase, nonce, vault, guard, deployment)
        tx_hash = agreed_change(
            chain_id, safe_tx, change, phase, vault=vault, guard=guard, deployment=deployment
        )
    signatures = signatures_in(members, "signatures")
    return Asked(organisation, phase, change, installed, safe_tx, tx_hash, signatures)


def _check(house: House, asked: Asked) -> int:
    """Until when the Permit is good."""
    organisation, nonce = asked.organisation, asked.safe_tx.nonce
    before = controls_before(house, organisation)
    against = conforms(asked.change, organisation.bundle, house.deployment, before)
    require(
        against is None,
        "change_not_in_policy",
        f"policy version {organisation.bundle.version} does not ask for this change: {against}",
    )
    taken = _slots(house, asked)
    require(
        "rejection" not in taken,
        "nonce_rejected",
        f"nonce {nonce} of this vault was rejected by its owners; a rejection is final",
    )
    require(
        not taken,
        "safe_nonce_taken",
        f"nonce {nonce} of this vault belongs to a payment for ever; take the next one",
    )
    return min(house.clock.now() + CHANGE_SECONDS, organisation.lapses_at)


def _check_rejection(house: House, asked: Asked) -> int:
    require(
        "change" in _slots(house, asked),
        "change_unknown",
        f"nonce {asked.safe_tx.nonce} of this vault holds no change that could be rejected",
    )
    return house.clock.now() + CHANGE_SECONDS


def _slots(house: House, asked: Asked) -> set[str]:
    query = "SELECT kind FROM vault_nonce WHERE vault = ? AND nonce = ?"
    rows = house.journal.all(query, asked.organisation.vault, asked.safe_tx.nonce)
    return {row[0] for row in rows}


def _plan(asked: Asked, kind: str, valid_until: int) -> Plan:
    return {
        "kind": kind,
        "phase": asked.phase,
        "change": change_document(asked.change),
        "safe_tx": asked.safe_tx.fields(),
        "safe_tx_hash": to_hex(asked.safe_tx_hash),
        "policy_version": asked.organisation.bundle.version,
        "valid_until": valid_until,
    }
