"""Deposits, delegations and the pool's own rows."""

from typing import Any

from strongroom_protocol.addresses import ZERO, checksum
from strongroom_protocol.encoding import to_hex
from tests.integration.strongroom_signer.people import STRANGE, screened
from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, ask, attack, relay
from tests.integration.strongroom_signer.spending import bump
from tests.integration.strongroom_signer.test_hostile import _release
from tests.integration.strongroom_signer.test_leaf_sweep import leaf_sweep
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


def by_leaf(it: Scene, units: int = 100, cleared: int = 100, **changes: Any) -> Attack:
    """A sweep by the deposit address itself, otherwise."""
    return ask("leaf_sweep", leaf_sweep(it.company, units, cleared, **changes))


@attack("units_uncleared")
def leaf_sends_more_than_was_cleared(it: Scene) -> Attack:
    """A quarantined unit along with the cleared ones, by the deposit address itself."""
    return by_leaf(it, 101)


@attack("units_uncleared")
def leaf_sends_what_was_swept(it: Scene) -> Attack:
    """A deposit that a batch has swept, sent by the deposit address once more."""
    body = sweep(it.company) | {"delegate": []}
    it.get("relay", ask_for(it.company, "sweep", **body))
    return by_leaf(it, 1, 0, ref="b")


@attack("clearance_differs")
def leaf_with_another_leafs_clearance(it: Scene) -> Attack:
    """The clearance of one deposit address, shown for another."""
    return by_leaf(it, index=1)


@attack("token_unknown")
def leaf_sends_an_unlisted_token(it: Scene) -> Attack:
    """A contract of the attacker's is called by a deposit address."""
    return by_leaf(it, token=STRANGE)


@attack("address_unlisted")
def leaf_of_nobody_sends(it: Scene) -> Attack:
    """A leaf for which the officers have not signed."""
    return by_leaf(it, index=2)


@attack("protocol_field_invalid")
def leaf_sends_to_the_callers_address(it: Scene) -> Attack:
    """The caller brings the address that the deposit shall go to."""
    return by_leaf(it, to=checksum(STRANGE))


@attack("protocol_field_invalid")
def leaf_named_twice(it: Scene) -> Attack:
    """The item names another leaf than the request."""
    body = leaf_sweep(it.company)
    return ask("leaf_sweep", body | {"item": body["item"] | {"index": 1}})


@attack("leaf_delegated")
def leaf_that_delegated_sends(it: Scene) -> Attack:
    """A leaf's nonce 0 signed for a delegation, and then for a call of its own."""
    it.get("relay", ask_for(it.company, "sweep", **sweep(it.company, 1)))
    return by_leaf(it, 1, ref="b")


@attack("leaf_sends")
def leaf_that_sent_delegates(it: Scene) -> Attack:
    """A leaf's nonce 0 signed for a call of its own, and then for a delegation."""
    it.get("leaf_sweep", leaf_sweep(it.company, 1))
    return swept(it, units=1)


@attack("mandate_missing")
def leaf_sends_without_a_mandate(it: Scene) -> Attack:
    """The people signed no standing mandate, so a deposit address sends by itself."""
    it.update(mandates={"sweep": False})
    return by_leaf(it)


@attack("suspended")
def leaf_of_a_suspended_organisation_sends(it: Scene) -> Attack:
    """One administrator has stopped everything."""
    it.get("suspend", it.company.suspension())
    return by_leaf(it)


@attack("fee_above_cap")
def leaf_burns_its_coin_as_gas(it: Scene) -> Attack:
    """A fee of more than people allowed for one transaction."""
    return by_leaf(it, fees={
        "gas": "16000000", "max_fee_per_gas": str(99 * 10**9), "max_priority_fee_per_gas": "1"
    })  # fmt: skip


@attack("ref_unknown")
def leafs_cancellation_of_nothing(it: Scene) -> Attack:
    """A cancellation of what was never sent uses a nonce up."""
    return by_leaf(it, item=None)


@attack("cancelled")
def leafs_payment_after_its_cancellation(it: Scene) -> Attack:
    """A sweep that was given up, bumped back to life."""
    body = leaf_sweep(it.company)
    it.get("leaf_sweep", body)
    it.get("leaf_sweep", bump(body, item=None))
    return ask("leaf_sweep", bump(body, 2, 11))


@attack("ref_unknown")
def release_of_another_organisations_leaf_sweep(it: Scene) -> Attack:
    """An organisation sweeps under the victim's ref, and releases the victim's counter."""
    body = leaf_sweep(it.company)
    it.get("leaf_sweep", body)
    other = it.another()
    it.get("leaf_sweep", leaf_sweep(other) | {"ref": body["ref"]})
    other.account, other.token = it.company.account, it.company.token
    query = "SELECT ref FROM attempt WHERE organisation = ? AND purpose = 'sweep'"
    ((ref,),) = it.desk.house.journal.all(query, it.company.ref)
    named = {"ref": to_hex(ref), **sweep(it.company)}
    return ask("release_sweep", _release(other, named, *other.administrators))
