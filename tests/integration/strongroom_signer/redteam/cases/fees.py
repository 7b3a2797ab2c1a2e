"""A transaction's fee is money too; and a nonce is worth a fee."""

from typing import Any

from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, attack, relay
from tests.integration.strongroom_signer.test_relay import GWEI, ask_for, cancel, fees, sweep


def made(it: Scene, **changes: Any) -> Attack:
    """The vault's creation with these fees."""
    return relay(ask_for(it.company, "vault_creation"), fees=fees(**changes))


def bumped(it: Scene, attempt: int = 1, **changes: Any) -> Attack:
    """The second attempt of the vault's creation, otherwise."""
    body = ask_for(it.company, "vault_creation")
    it.get("relay", body)
    more = {"attempt": attempt, "fees": fees(fee=9 * GWEI, tip=9 * GWEI), **changes}
    return relay(body, **more)


@attack("fee_above_cap")
def value_in_the_fee(it: Scene) -> Attack:
    """A price of gas above the signed cap: the money goes to the attacker's validator."""
    return made(it, fee=101 * GWEI)


@attack("fee_above_cap")
def value_in_the_gas(it: Scene) -> Attack:
    """A price below the cap, with so much gas that the whole is above the signed maximum."""
    return made(it, gas=11_000_000, fee=100 * GWEI)


@attack("fee_above_cap")
def fee_above_the_intents_own(it: Scene) -> Attack:
    """A payment's execution at a fee that its initiator did not sign."""
    return relay(it.executed(max_fee_wei=10**15))


@attack("transaction_invalid")
def tip_above_the_fee(it: Scene) -> Attack:
    """A priority fee above the fee, which some encoders sign."""
    return made(it, tip=9 * GWEI)


@attack("transaction_invalid")
def no_gas(it: Scene) -> Attack:
    """A transaction with gas 0, which would block the nonce for ever."""
    return made(it, gas=0)


@attack("transaction_invalid")
def no_fee(it: Scene) -> Attack:
    """A transaction with fee 0, which no node keeps."""
    return made(it, fee=0, tip=0)


@attack("transaction_invalid")
def gas_that_no_block_holds(it: Scene) -> Attack:
    """More gas than any transaction may ask for (EIP-7825)."""
    return made(it, gas=2**24 + 1, fee=1, tip=1)


@attack("protocol_field_invalid")
def fee_beyond_256_bits(it: Scene) -> Attack:
    """A fee that wraps around."""
    return made(it, fee=2**256)


@attack("attempt_out_of_order")
def far_attempt(it: Scene) -> Attack:
    """An attempt that leaves out those before it."""
    return bumped(it, attempt=7)


@attack("protocol_field_invalid")
def nonce_by_the_caller(it: Scene) -> Attack:
    """The caller brings a far nonce; the signer owns the nonces."""
    return relay(ask_for(it.company, "vault_creation", nonce=2**64 - 2))


@attack("content_differs")
def second_call_on_a_nonce(it: Scene) -> Attack:
    """A bump that calls something else under the same nonce."""
    return bumped(it, purpose="delegate_deployment")


@attack("request_differs")
def second_call_in_an_attempts_place(it: Scene) -> Attack:
    """Another call as the very attempt that was signed."""
    return bumped(it, attempt=0, purpose="delegate_deployment")


@attack("content_differs")
def another_organisations_bump(it: Scene) -> Attack:
    """A bump of the victim's transaction in the attacker's name."""
    return bumped(it, organisation=it.another().reference)


@attack("content_differs")
def bump_with_more_gas(it: Scene) -> Attack:
    """A bump that asks for other gas."""
    return bumped(it, fees=fees(2_100_000, 9 * GWEI, 9 * GWEI))


@attack("bump_too_small")
def bump_that_nodes_refuse(it: Scene) -> Attack:
    """A bump by less than an eighth, again and again, to fill the journal."""
    return bumped(it, fees=fees(fee=9 * GWEI - 1, tip=9 * GWEI - 1))


@attack("fee_above_cap")
def bump_above_the_cap(it: Scene) -> Attack:
    """Fees that climb above the cap by bumps."""
    return bumped(it, fees=fees(fee=101 * GWEI, tip=9 * GWEI))


@attack("fee_above_cap")
def value_in_a_cancellation(it: Scene) -> Attack:
    """A cancellation whose fee is a fortune."""
    body = ask_for(it.company, "vault_creation")
    it.get("relay", body)
    return relay(cancel(body, 1, fees(100_000, 101 * GWEI, 9 * GWEI)))


@attack("cancelled")
def call_after_its_cancellation(it: Scene) -> Attack:
    """A cancelled transaction bumped back to life."""
    body = ask_for(it.company, "vault_creation")
    it.get("relay", body)
    it.get("relay", cancel(body, 1, fees(30_000, 9 * GWEI, 9 * GWEI)))
    return relay(body, attempt=2, fees=fees(fee=11 * GWEI, tip=11 * GWEI))


@attack("ref_unknown")
def cancellation_of_nothing(it: Scene) -> Attack:
    """A nonce taken by cancelling what never was."""
    return relay(cancel(ask_for(it.company, "vault_creation"), 0, fees()))


@attack("protocol_field_invalid")
def more_attempts_than_make_sense(it: Scene) -> Attack:
    """An attempt beyond the bound."""
    return bumped(it, attempt=51)


@attack("gas_budget_spent")
def flood_of_dust(it: Scene) -> Attack:
    """Sweeps of one unit, each at the highest fee, until the house's gas is gone."""
    dear = fees(gas=10_000_000, fee=100 * GWEI, tip=GWEI)
    dust = sweep(it.company, units=1, cleared=1000)
    for number in range(100):
        it.get("relay", ask_for(it.company, "sweep", f"dust {number}", **dust, fees=dear))
    return relay(ask_for(it.company, "sweep", "one more", **dust, fees=dear))
