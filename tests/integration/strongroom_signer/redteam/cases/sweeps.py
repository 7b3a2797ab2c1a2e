"""Deposits, delegations and the pool's own rows."""

from typing import Any

from strongroom_protocol.addresses import ZERO, checksum
from tests.integration.strongroom_signer.people import STRANGE, screened
from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, ask, attack, relay
from tests.integration.strongroom_signer.test_hostile import _release
from tests.integration.strongroom_signer.test_relay import ask_for, sweep


def swept(it: Scene, **changes: Any) -> Attack:
    """A sweep of 100 units, otherwise."""
    return relay(ask_for(it.company, "sweep", **sweep(it.company, **changes)))


def cleared(it: Scene, **changes: Any) -> Attack:
    """A sweep with a clearance that the screener signed, but for something else."""
    address = it.company.account["addresses"][0]
    document = it.company.deposit_clearance(address, it.company.token, 100, **changes)
    return swept(it, clearances=[screened(document)])


@attack("units_uncleared")
def more_than_was_cleared(it: Scene) -> Attack:
    """A quarantined unit swept along with the cleared ones."""
    return swept(it, units=101)


@attack("units_uncleared")
def deposit_swept_twice(it: Scene) -> Attack:
    """The same clearance shown for a second sweep."""
    it.get("relay", ask_for(it.company, "sweep", **sweep(it.company)))
    return relay(ask_for(it.company, "sweep", "b", **sweep(it.company, units=1)))


@attack("clearance_differs")
def deposit_cleared_again_for_more(it: Scene) -> Attack:
    """The same deposit, cleared a second time with more units."""
    it.get("relay", ask_for(it.company, "sweep", **sweep(it.company)))
    return relay(ask_for(it.company, "sweep", "b", **sweep(it.company, units=1, cleared=1000)))


@attack("clearance_differs")
def clearance_of_another_address(it: Scene) -> Attack:
    """A clean deposit somewhere else, shown for a tainted one here."""
    return cleared(it, deposit={"address": checksum(STRANGE)})


@attack("clearance_differs")
def clearance_of_another_token(it: Scene) -> Attack:
    """A clean deposit of coin, shown for tainted tokens."""
    return cleared(it, deposit={"token": checksum(ZERO)})


@attack("clearance_differs")
def clearance_of_another_chain(it: Scene) -> Attack:
    """A clean deposit on a test network."""
    return cleared(it, deposit={"chain_id": 1})


@attack("evidence_not_clear")
def deposit_with_a_hit(it: Scene) -> Attack:
    """A deposit from a listed address."""
    return cleared(it, verdict="HIT")


@attack("token_unknown")
def token_outside_the_policy(it: Scene) -> Attack:
    """A token of the attacker's, whose code runs while the batcher sweeps."""
    return swept(it, token=checksum(STRANGE))


@attack("address_unlisted")
def leaf_outside_the_manifest(it: Scene) -> Attack:
    """A leaf for which the officers have not signed."""
    return swept(it, index=2)


@attack("address_unlisted")
def delegation_outside_the_manifest(it: Scene) -> Attack:
    """An EIP-7702 authorisation of a leaf for which the officers have not signed."""
    return relay(ask_for(it.company, "sweep", **sweep(it.company) | {"delegate": [2]}))


@attack("delegate_twice")
def leaf_that_delegates_twice(it: Scene) -> Attack:
    """Two authorisations of one leaf in a transaction."""
    return relay(ask_for(it.company, "sweep", **sweep(it.company) | {"delegate": [0, 0]}))


@attack("protocol_field_invalid")
def delegate_by_the_caller(it: Scene) -> Attack:
    """The caller brings the address that the leaf shall delegate to."""
    named = [{"index": 0, "delegate": checksum(STRANGE)}]
    return relay(ask_for(it.company, "sweep", **sweep(it.company) | {"delegate": named}))


@attack("protocol_field_invalid")
def vault_by_the_caller(it: Scene) -> Attack:
    """The caller brings the address that the sweep shall pay to."""
    return relay(ask_for(it.company, "sweep", **sweep(it.company), vault=checksum(STRANGE)))


@attack("mandate_missing")
def sweep_without_a_mandate(it: Scene) -> Attack:
    """The people signed no standing mandate."""
    it.update(mandates={"sweep": False})
    return swept(it)


@attack("ref_unknown")
def release_of_another_organisations_sweep(it: Scene) -> Attack:
    """Administrators release the victim's sweep, so that it may be swept twice."""
    body = ask_for(it.company, "sweep", **sweep(it.company))
    it.get("relay", body)
    other = it.another()
    other.account, other.token = it.company.account, it.company.token
    return ask("release_sweep", _release(other, body, *other.administrators))


@attack("bundle_signatures_missing")
def release_by_one_administrator(it: Scene) -> Attack:
    """One administrator of two releases a sweep."""
    body = ask_for(it.company, "sweep", **sweep(it.company))
    it.get("relay", body)
    return ask("release_sweep", _release(it.company, body, it.company.administrators[0]))


@attack("released")
def bump_of_a_released_sweep(it: Scene) -> Attack:
    """A sweep that people said was over, bumped back to life."""
    body = ask_for(it.company, "sweep", **sweep(it.company))
    it.get("relay", body)
    it.get("release_sweep", _release(it.company, body, *it.company.administrators))
    more = {"gas": "2000000", "max_fee_per_gas": str(9 * 10**9)}
    return relay(body, attempt=1, fees=more | {"max_priority_fee_per_gas": str(9 * 10**9)})
