"""Changes of the vault itself: whoever holds two owners' signatures and our machines asks for more
than the administrators signed, or for less delay.
"""

from dataclasses import replace
from typing import Any

from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import Revoke
from strongroom_protocol.safe import SafeTx, safe_tx_hash
from strongroom_protocol.vault_changes import Change, change_document, change_safe_tx
from tests.integration.strongroom_signer.changes import (
    FIRST_OWNER,
    NEW_GUARD,
    adopt,
    controls,
    govern,
    new_guard,
    signed,
    step,
)
from tests.integration.strongroom_signer.people import CHAIN_ID, STRANGE, TUSD
from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, ask, attack, relay
from tests.integration.strongroom_signer.test_relay import ask_for

ANNOUNCED = b"\x11" * 32
TAKEN_BACK = Change("cancel", change_hash=ANNOUNCED)
FREE_LIMIT = Change("set_limit", token=None, day_units=2 * 10**18)  # As the founding policy says.


def change(it: Scene, what: Change, phase: str = "execute", **more: Any) -> Attack:
    """The request, signed by two owners over its own Safe transaction."""
    return ask("vault_change", step(it.desk, it.company, what, phase, **more))


def over(it: Scene, tx: SafeTx, vault: Address | None = None, chain_id: int = CHAIN_ID) -> Attack:
    """A harmless change, with owners' signatures over another transaction."""
    body = signed(it.company, TAKEN_BACK, "now", tx, it.vault)
    digest = safe_tx_hash(chain_id, vault or it.vault, tx)
    signatures = [key.sign(digest) for key in it.company.approvers[:2]]
    return ask("vault_change", body | {"signatures": signatures, "safe_nonce": 0})


def harmless(it: Scene, nonce: int = 0) -> SafeTx:
    """The Safe transaction of TAKEN_BACK."""
    deployment = it.desk.house.deployment
    return change_safe_tx(TAKEN_BACK, "now", nonce, it.vault, deployment.guard, deployment)


@attack("change_not_in_policy")
def owner_that_no_policy_names(it: Scene) -> Attack:
    """Two bribed owners add the thief as third, announced as it must be."""
    return change(it, Change("add_owner", owner=STRANGE, threshold=2), "announce")


@attack("change_not_in_policy")
def owner_removed_whom_the_policy_keeps(it: Scene) -> Attack:
    """Two owners push the third out."""
    third = it.company.approvers[2].address
    return change(it, Change("remove_owner", previous=FIRST_OWNER, owner=third, threshold=2))


@attack("change_not_in_policy")
def owner_swapped_for_a_stranger(it: Scene) -> Attack:
    """An owner is exchanged for the thief."""
    third = it.company.approvers[2].address
    return change(it, Change("swap_owner", previous=FIRST_OWNER, owner=third, new_owner=STRANGE))


@attack("change_not_in_policy")
def threshold_of_one(it: Scene) -> Attack:
    """One owner alone shall do from now on."""
    return change(it, Change("change_threshold", threshold=1))


@attack("change_not_in_policy")
def threshold_lowered_along_with_a_new_owner(it: Scene) -> Attack:
    """The policy does name the new owner, and not the threshold that comes along."""
    third = it.company.approvers[2]
    others = [one for one in it.company.bundle["vault"]["owners"] if one != checksum(third.address)]
    govern(it.desk, it.company, owners=others)
    govern(it.desk, it.company)
    return change(it, Change("add_owner", owner=third.address, threshold=1))


@attack("change_not_in_policy")
def raised_limit(it: Scene) -> Attack:
    """The guard shall let through more a day than the administrators signed."""
    return change(it, replace(FREE_LIMIT, day_units=2 * 10**18 + 1))


@attack("change_not_in_policy")
def limit_of_an_unlisted_token(it: Scene) -> Attack:
    """A token of the thief's becomes an asset of the vault."""
    return change(it, Change("set_limit", token=STRANGE, day_units=1))


@attack("change_not_in_policy")
def permit_signer_of_a_stranger(it: Scene) -> Attack:
    """The vault shall obey the thief's Permits."""
    return change(it, Change("set_permit_signer", permit_signer=STRANGE), "announce")


@attack("permit_signer_differs")
def policy_that_names_a_strangers_permit_key(it: Scene) -> Attack:
    """The same by way of a policy, with a bribed quorum of administrators."""
    held = controls(it.company, it.desk, permit_signer=checksum(STRANGE))
    bundle = it.company.next_bundle(controls=held)
    return ask("policy_update", it.company.policy_update(bundle, it.company.administrators))


@attack("permit_signer_differs")
def vault_founded_for_another_permit_key(it: Scene) -> Attack:
    """A stolen API has founders sign a vault whose Permits it makes itself."""
    company = it.desk.company(founded=False)
    company.bundle["vault"]["permit_signer"] = checksum(STRANGE)
    return ask("policy_first", company.policy_first())


@attack("change_not_in_policy")
def freezers_taken_away(it: Scene) -> Attack:
    """Somebody of the thief's may freeze the vault, and nobody else."""
    return change(it, Change("set_freezers", freezers=(STRANGE,)))


@attack("change_not_in_policy")
def destination_that_is_in_no_book(it: Scene) -> Attack:
    """The thief's address begins to cool on chain, for later."""
    return change(it, Change("announce_destination", destination=STRANGE), "now")


@attack("change_not_in_policy")
def guard_that_no_policy_names(it: Scene) -> Attack:
    """A guard of the thief's takes over, configured as the policy says."""
    return change(it, replace(new_guard(it.desk, it.company), guard=STRANGE), "announce")


@attack("change_not_in_policy")
def named_guard_with_other_lists(it: Scene) -> Attack:
    """The policy names the guard; what it is configured with is the thief's own."""
    govern(it.desk, it.company, guard=checksum(NEW_GUARD))
    return change(it, replace(new_guard(it.desk, it.company), destinations=(STRANGE,)))


@attack("protocol_field_invalid")
def guard_taken_off(it: Scene) -> Attack:
    """setGuard(0): the vault shall stand without a guard."""
    honest = new_guard(it.desk, it.company)
    request = change(it, honest)
    request["body"]["change"] = change_document(honest) | {"guard": checksum(ZERO)}
    return request


@attack("protocol_field_invalid")
def module_enabled(it: Scene) -> Attack:
    """enableModule: a module of the thief's moves everything without owners."""
    request = change(it, TAKEN_BACK, "now")
    request["body"]["change"] = {"kind": "enable_module", "module": checksum(STRANGE)}
    return request


@attack("owner_unknown")
def delegatecall_signed_by_the_owners(it: Scene) -> Attack:
    """What the owners signed is a delegatecall to the guard's address."""
    return over(it, replace(harmless(it), operation=1))


@attack("owner_unknown")
def refund_signed_by_the_owners(it: Scene) -> Attack:
    """What the owners signed pays the thief a gas refund."""
    return over(it, replace(harmless(it), gas_price=1, base_gas=10**18, refund_receiver=STRANGE))


@attack("owner_unknown")
def signatures_for_another_vault(it: Scene) -> Attack:
    """Owners of two vaults signed for the other one."""
    return over(it, harmless(it), vault=it.desk.vault(it.another()))


@attack("owner_unknown")
def signatures_for_another_chain(it: Scene) -> Attack:
    """The same vault on another chain, where it was meant for."""
    return over(it, harmless(it), chain_id=1)


@attack("owner_unknown")
def signatures_for_another_nonce(it: Scene) -> Attack:
    """Signatures that were meant for a later nonce."""
    return over(it, harmless(it, nonce=1))


@attack("safe_refused")
def delay_left_out(it: Scene) -> Attack:
    """A limit is raised at once, though the policy asks for it: it must be announced."""
    request = change(it, FREE_LIMIT)
    request["body"]["phase"] = "now"
    return request


@attack("approvals_missing")
def one_owner_alone(it: Scene) -> Attack:
    """One owner and our machines."""
    return change(it, TAKEN_BACK, "now", signers=it.company.approvers[:1])


@attack("bundle_signed_twice")
def one_owner_twice(it: Scene) -> Attack:
    """One owner counts as two."""
    return change(it, TAKEN_BACK, "now", signers=[it.company.approvers[0]] * 2)


@attack("owner_unknown")
def administrators_in_the_owners_place(it: Scene) -> Attack:
    """The administrators decide what the owners have not signed."""
    return change(it, TAKEN_BACK, "now", signers=it.company.administrators)


@attack("owner_unknown")
def owner_whose_key_is_revoked(it: Scene) -> Attack:
    """A stolen owner's key, after an administrator revoked it."""
    company = it.company
    key = company.approvers[1].address
    signature = company.administrators[0].sign(Revoke(company.ref, key).digest(CHAIN_ID))
    body = {"organisation": company.reference, "key": checksum(key), "signature": signature}
    it.get("revoke", body)
    return change(it, TAKEN_BACK, "now")


@attack("request_differs")
def another_change_under_a_used_nonce(it: Scene) -> Attack:
    """A second Permit for a nonce, so that either of two changes can be sent."""
    it.get("vault_change", step(it.desk, it.company, TAKEN_BACK, "now"))
    return change(it, FREE_LIMIT)


@attack("safe_nonce_taken")
def change_on_a_payments_nonce(it: Scene) -> Attack:
    """A change in the place of a payment that was permitted, whose hold would never end."""
    it.paid(0)
    return change(it, TAKEN_BACK, "now")


@attack("safe_nonce_taken")
def payment_on_a_changes_nonce(it: Scene) -> Attack:
    """A payment in the place of a change that was permitted."""
    it.get("vault_change", step(it.desk, it.company, TAKEN_BACK, "now"))
    return ask("vault_permit", it.company.payment(it.intent(), 0))


@attack("safe_nonce_taken")
def rejection_of_a_payment_on_a_changes_nonce(it: Scene) -> Attack:
    """A change is killed as if it were a payment, by who may reject that one."""
    it.get("vault_change", step(it.desk, it.company, TAKEN_BACK, "now"))
    return ask("vault_permit", it.company.rejection(it.intent(), 0))


@attack("nonce_rejected")
def change_on_a_rejected_nonce(it: Scene) -> Attack:
    """A change under a nonce that owners rejected."""
    it.get("vault_permit", it.company.rejection(it.intent(), 0))
    return change(it, TAKEN_BACK, "now")


@attack("change_unknown")
def rejection_of_a_change_that_is_none(it: Scene) -> Attack:
    """A payment is killed without its intent, by way of a change's rejection."""
    it.paid(0)
    tx = SafeTx(to=it.vault, value=0, data=b"", nonce=0)
    return ask("vault_change", signed(it.company, TAKEN_BACK, "reject", tx, it.vault))


@attack("change_not_in_policy")
def change_that_the_newest_policy_takes_back(it: Scene) -> Attack:
    """A limit of the policy before: announced in time, executed after it was lowered."""
    it.get("vault_change", step(it.desk, it.company, FREE_LIMIT, "announce"))
    native, dollars = it.company.bundle["limits"]
    lower = native | {"per_day_units": str(10**18), "per_payment_units": str(10**18)}
    adopt(it.desk, it.company, limits=[lower, dollars])
    return change(it, FREE_LIMIT, nonce=1)


@attack("guard_unknown")
def permit_for_a_guard_of_the_thiefs(it: Scene) -> Attack:
    """A Permit in the domain of another guard, where it means something else."""
    request = change(it, TAKEN_BACK, "now", guard=STRANGE)
    installed = {"guard": checksum(STRANGE), "permit_signer": checksum(it.company.permit_signer)}
    request["body"]["installed"] = installed
    return request


@attack("permit_signer_unknown")
def permit_by_a_key_that_is_not_the_vaults(it: Scene) -> Attack:
    """A payment's Permit by the relay's key, or any other that no policy names."""
    installed = {
        "guard": checksum(it.desk.house.deployment.guard),
        "permit_signer": checksum(it.desk.house.config.keys.relay),
    }
    return ask("vault_permit", it.company.payment(it.intent(), 0) | {"installed": installed})


@attack("suspended")
def change_while_suspended(it: Scene) -> Attack:
    """An administrator stopped everything; the vault is changed all the same."""
    it.get("suspend", it.company.suspension())
    return change(it, TAKEN_BACK, "now")


@attack("policy_lapsed")
def change_under_a_policy_that_ran_out(it: Scene) -> Attack:
    """Updates are withheld until the policy's end, then the vault is changed."""
    request = change(it, TAKEN_BACK, "now")
    it.wait(91 * 86_400)
    return request


@attack("owner_unknown")
def execution_of_a_change_with_a_strangers_signature(it: Scene) -> Attack:
    """The relay carries a permitted change with somebody else's signature."""
    body = step(it.desk, it.company, TAKEN_BACK, "now")
    answer = it.get("vault_change", body)
    digest = bytes.fromhex(answer["safe_tx_hash"][2:])
    forged = [body["signatures"][0], it.company.initiator.sign(digest)]
    named = {"safe_tx_hash": to_hex(digest), "signatures": forged}
    return relay(ask_for(it.company, "vault_execution"), **named)


@attack("vault_adopted")
def safe_made_in_the_place_of_one_that_was_taken_in(it: Scene) -> Attack:
    """A second vault, with the lists of a Safe that was taken in."""
    company = it.desk.company(founded=False)
    taken = Address(bytes.fromhex(company.genesis["salt"][2:])[:20])
    company.bundle["vault"] |= {"adopted": checksum(taken), "salt": "0x" + "00" * 32}
    it.get("policy_first", company.policy_first())
    return relay(ask_for(company, "vault_creation"))


@attack("vault_taken")
def safe_taken_in_that_is_another_organisations_vault(it: Scene) -> Attack:
    """The thief founds an organisation over the victim's vault."""
    victim = it.vault
    company = it.desk.company(founded=False)
    company.bundle["vault"] |= {"adopted": checksum(victim), "salt": "0x" + "00" * 32}
    return ask("policy_first", company.policy_first())


@attack("protocol_field_invalid")
def limit_beyond_what_a_guard_keeps(it: Scene) -> Attack:
    """A limit that would wrap round in the guard's 128 bits."""
    request = change(it, FREE_LIMIT)
    wide = {"kind": "set_limit", "token": checksum(TUSD), "day_units": str(2**128)}
    request["body"]["change"] = wide
    return request
