"""MultiSend, refund fields, delegatecall: the signer builds the Safe transaction itself, so what
people were tricked into signing is not what a Permit is asked for.
"""

from dataclasses import replace
from typing import Any

from strongroom_protocol import abi
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import VaultPayment
from strongroom_protocol.safe import SafeTx, payment_safe_tx, safe_tx_hash
from tests.integration.strongroom_signer.people import CHAIN_ID, STRANGE
from tests.integration.strongroom_signer.redteam.stage import (
    Attack,
    Scene,
    attack,
    permit,
    relay,
)
from tests.integration.strongroom_signer.test_relay import ask_for

MULTI_SEND = Address(bytes.fromhex("218543288004cd07832472d464648173c77d7eb7"))  # 1.5.0
PLAIN = SafeTx(to=STRANGE, value=0, data=b"", nonce=0)


def signed_over(it: Scene, **changes: Any) -> Attack:
    """Both approvers signed the payment with these members of its Safe transaction changed."""
    intent = it.intent()
    honest = payment_safe_tx(intent.token, intent.to, intent.units, 0)
    tx_hash = safe_tx_hash(CHAIN_ID, it.vault, replace(honest, **changes))
    twin = VaultPayment(
        intent.digest(CHAIN_ID), tx_hash, intent.to, intent.token, intent.units
    ).digest(CHAIN_ID)
    approvals = [
        {"safe_tx_signature": key.sign(tx_hash), "payment_signature": key.sign(twin)}
        for key in it.company.approvers[:2]
    ]
    return permit(it.company.payment(intent, 0), approvals=approvals)


def batch(*calls: tuple[int, Address, bytes]) -> bytes:
    """Call data of multiSend(bytes) over (operation, to, data) with value 0."""
    packed = b"".join(
        bytes([operation]) + to + bytes(32) + len(data).to_bytes(32, "big") + data
        for operation, to, data in calls
    )
    return abi.call("multiSend(bytes)", abi.byte_string(packed))


@attack("evidence_approver_unknown")
def delegatecall(it: Scene) -> Attack:
    """The approved transaction is a delegatecall, which may rewrite the vault."""
    return signed_over(it, operation=1)


@attack("evidence_approver_unknown")
def multisend_by_delegatecall(it: Scene) -> Attack:
    """The approved transaction is a MultiSend that pays and then changes the guard."""
    guard = abi.call("setGuard(address)", abi.address(Address(bytes(20))))
    return signed_over(it, to=MULTI_SEND, operation=1, data=batch((0, it.vault, guard)))


@attack("evidence_approver_unknown")
def multisend_to_nobody_which_is_the_vault(it: Scene) -> Attack:
    """In MultiSend 1.5.0 an inner call to zero is one to the vault itself."""
    return signed_over(it, to=MULTI_SEND, data=batch((0, Address(bytes(20)), b"\x00" * 4)))


@attack("evidence_approver_unknown")
def multisend_within_multisend(it: Scene) -> Attack:
    """A batch in a batch, so that a decoder of one level sees nothing."""
    inner = batch((1, STRANGE, b""))
    return signed_over(it, to=MULTI_SEND, data=batch((0, MULTI_SEND, inner)))


@attack("evidence_approver_unknown")
def refund_to_the_attacker(it: Scene) -> Attack:
    """Refund fields pay the executor out of the vault, outside of to, value and data."""
    refund = {"gas_price": 10**18, "base_gas": 10**6, "refund_receiver": STRANGE}
    return signed_over(it, **refund)


@attack("evidence_approver_unknown")
def refund_in_tokens(it: Scene) -> Attack:
    """A refund in the token, at any price that the executor likes."""
    return signed_over(it, gas_price=1, gas_token=it.company.token)


@attack("evidence_approver_unknown")
def transfer_with_a_tail(it: Scene) -> Attack:
    """The call data of the transfer with more bytes behind them."""
    intent = it.intent()
    honest = payment_safe_tx(intent.token, intent.to, intent.units, 0)
    return signed_over(it, data=honest.data + bytes(32))


@attack("evidence_approver_unknown")
def approve_instead_of_transfer(it: Scene) -> Attack:
    """approve(attacker, units) has the shape of a transfer and empties the vault later."""
    data = abi.call("approve(address,uint256)", abi.address(STRANGE), abi.uint(2**255))
    return signed_over(it, data=data)


@attack("evidence_approver_unknown")
def coin_along_with_a_token(it: Scene) -> Attack:
    """A token payment that carries native coin as well."""
    return signed_over(it, value=10**18)


@attack("protocol_field_invalid")
def safe_transaction_by_fields(it: Scene) -> Attack:
    """The request brings a Safe transaction of its own."""
    return permit(it.company.payment(it.intent(), 0), safe_tx={"operation": 1})


@attack("protocol_field_invalid")
def intent_with_call_data(it: Scene) -> Attack:
    """The signed order brings call data of its own."""
    body = it.company.payment(it.intent(), 0)
    return permit(body, intent=body["intent"] | {"data": "0x6a761202"})


@attack("safe_tx_unknown")
def safe_transaction_never_permitted(it: Scene) -> Attack:
    """The relay is asked to execute a delegatecall that every owner signed."""
    tx_hash = safe_tx_hash(CHAIN_ID, it.vault, replace(PLAIN, operation=1))
    signatures = [key.sign(tx_hash) for key in it.company.approvers]
    named = to_hex(tx_hash)
    return relay(ask_for(it.company, "vault_execution", safe_tx_hash=named, signatures=signatures))


@attack("owner_unknown")
def execution_with_a_strangers_signature(it: Scene) -> Attack:
    """A permitted payment, executed with signatures over other bytes."""
    body = it.executed()
    wrong = [key.sign(b"\x66" * 32) for key in it.company.approvers[:2]]
    return relay(body, signatures=wrong)


@attack("signatures_missing")
def execution_with_one_owner_twice(it: Scene) -> Attack:
    """A permitted payment, executed with one owner's signature twice."""
    body = it.executed()
    return relay(body, signatures=body["signatures"][:1] * 2)


@attack("permit_expired")
def execution_after_the_permits_end(it: Scene) -> Attack:
    """A Permit kept back until it has expired, to burn gas on the guard's no."""
    body = it.executed(valid_until=it.company.now + 60)
    it.wait(61)
    return relay(body)


@attack("purpose_unknown")
def relay_key_calls_anything(it: Scene) -> Attack:
    """The relay key is asked for a transfer of its own."""
    return relay(ask_for(it.company, "transfer", to=checksum(STRANGE), value="1"))


@attack("protocol_field_invalid")
def relay_key_sends_value(it: Scene) -> Attack:
    """A known call, with value along."""
    return relay(ask_for(it.company, "vault_creation", value="1000000000000000000"))


@attack("protocol_field_invalid")
def digest_to_be_signed(it: Scene) -> Attack:
    """The caller brings a digest."""
    return relay(ask_for(it.company, "vault_creation", digest="0x" + "66" * 32))


@attack("operation_unknown")
def operation_that_signs_bytes(it: Scene) -> Attack:
    """The operation that every signer in the field has."""
    body = {"organisation": it.company.reference, "digest": "0x" + "66" * 32}
    return {"op": "sign", "trace": "red team", "body": body}
