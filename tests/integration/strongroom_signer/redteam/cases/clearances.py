"""Screening that says something else, of somebody else, or too late."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom_protocol.addresses import checksum
from strongroom_protocol.authority import organisation_uuid
from strongroom_protocol.hashing import keccak256
from tests.integration.strongroom_signer.people import STRANGE, screened
from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, attack, permit

FORGER = Ed25519PrivateKey.from_private_bytes(keccak256(b"forger"))


def cleared(it: Scene, **changes: Any) -> Attack:
    """An approved payment with a clearance that the screener signed, but with other contents."""
    intent = it.intent()
    document = it.company.clearance(intent, **changes)
    return permit(it.company.payment(intent, 0), clearance=screened(document))


@attack("clearance_differs")
def clearance_of_another_destination(it: Scene) -> Attack:
    """The screener cleared somebody else."""
    return cleared(it, subject=checksum(STRANGE))


@attack("clearance_differs")
def clearance_of_another_payment(it: Scene) -> Attack:
    """The screener cleared the destination for another payment."""
    return cleared(it, intent="0x" + "11" * 32)


@attack("evidence_clearance_expired")
def expired_clearance(it: Scene) -> Attack:
    """The destination was clear yesterday."""
    return cleared(it, screened_at=it.company.now - 90_000, valid_until=it.company.now - 1)


@attack("evidence_clearance_expired")
def clearance_from_the_future(it: Scene) -> Attack:
    """A clearance that was screened tomorrow, to outlive the next list."""
    return cleared(it, screened_at=it.company.now + 1)


@attack("evidence_not_clear")
def clearance_that_says_hit(it: Scene) -> Attack:
    """A hit, shown as if it were none."""
    return cleared(it, verdict="HIT")


@attack("evidence_clearance")
def another_organisations_clearance(it: Scene) -> Attack:
    """The destination was cleared for somebody else's risk."""
    return cleared(it, organisation=str(organisation_uuid(it.another().ref)))


@attack("evidence_clearance")
def forged_clearance(it: Scene) -> Attack:
    """A clearance signed by the attacker's screener."""
    intent = it.intent()
    document = screened(it.company.clearance(intent), FORGER)
    return permit(it.company.payment(intent, 0), clearance=document)


@attack("evidence_clearance")
def clearance_changed_after_it_was_signed(it: Scene) -> Attack:
    """A real clearance whose end was moved."""
    intent = it.intent()
    document = screened(it.company.clearance(intent))
    document["document"]["valid_until"] += 1
    return permit(it.company.payment(intent, 0), clearance=document)


@attack("clearance_missing")
def no_clearance_at_all(it: Scene) -> Attack:
    """The screener's process was stopped; the payment is asked for without it."""
    return permit(it.company.payment(it.intent(), 0), clearance=None)


@attack("evidence_list_outdated")
def clearance_against_an_older_list(it: Scene) -> Attack:
    """The screener was given the list from before the destination came onto it."""
    newer = it.intent()
    seen = it.company.list_version + 1
    document = screened(it.company.clearance(newer, list_version=seen))
    it.get("vault_permit", it.company.payment(newer, 0) | {"clearance": document})
    return permit(it.company.payment(it.intent(), 1))


@attack("clearance_differs")
def clearance_of_a_deposit_for_a_payment(it: Scene) -> Attack:
    """A clearance of money that came in, shown for money that goes out."""
    intent, address = it.intent(), it.company.account["addresses"][0]
    document = it.company.deposit_clearance(address, intent.token, intent.units)
    document["subject"] = checksum(intent.to)
    return permit(it.company.payment(intent, 0), clearance=screened(document))
