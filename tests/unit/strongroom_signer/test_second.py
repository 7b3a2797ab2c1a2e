"""Two encoders that share no line agree on more than 100,000 random things that our keys sign, and
eth-account, a third, on a part of them. A seed is printed with each; STRONGROOM_TEST_SEED repeats.
"""

import os
import secrets
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from eth_account._utils.legacy_transactions import serializable_unsigned_transaction_from_dict
from eth_account.messages import encode_typed_data
from eth_account.typed_transactions.set_code_transaction import Authorization as Theirs
from eth_account.typed_transactions.typed_transaction import TypedTransaction

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import AddressProvenance, FiatPermit
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import (
    BATCH_MAX,
    Payment,
    batch_safe_tx,
    payment_safe_tx,
    rejection_safe_tx,
)
from strongroom_protocol.token_audit import TokenAudit
from strongroom_protocol.transactions import SetCodeTransaction
from strongroom_protocol.typed_data import Domain, TypedData, as_json
from strongroom_signer import agreement
from strongroom_signer.agreement import (
    agreed,
    agreed_batch,
    agreed_payment,
    agreed_permit,
    agreed_statement,
)
from tests.unit.strongroom_signer import drawn

TRANSACTIONS: dict[str, tuple[Callable[[Random], Any], int]] = {
    "legacy": (drawn.legacy, 25_000),
    "type_2": (drawn.type_2, 40_000),
    "type_4": (drawn.type_4, 16_000),
    "authorization": (drawn.authorization, 20_000),
}
STATEMENTS = 5_000
BATCHES = 1_500
THIRD_OPINION_ITEMS = 3
THIRD_OPINIONS = 600


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Random:
    """A source of its own for each test; the seed stands in the output of a test that fails."""
    seed = os.environ.get("STRONGROOM_TEST_SEED") or secrets.token_hex(8)
    sys.stdout.write(f"STRONGROOM_TEST_SEED={seed}\n")
    return Random(f"{seed}/{request.node.name}")


def test_at_least_a_hundred_thousand_transactions_are_compared() -> None:
    assert sum(count for _, count in TRANSACTIONS.values()) >= 100_000


def test_all_that_the_signer_compares_is_drawn_here() -> None:
    assert set(agreement._TRANSACTIONS) == {
        type(make(Random(0))) for make, _ in TRANSACTIONS.values()
    }
    assert set(agreement._STATEMENTS) == {AddressProvenance, FiatPermit, TokenAudit}


@pytest.mark.parametrize("kind", TRANSACTIONS)
def test_transactions_are_the_same_bytes_for_both_encoders(kind: str, draw: Random) -> None:
    make, count = TRANSACTIONS[kind]
    seen = {agreed(make(draw)) for _ in range(count)}
    assert len(seen) > count * 0.99


def test_payments_of_a_vault_are_the_same_bytes_for_both_encoders(draw: Random) -> None:
    for _ in range(STATEMENTS):
        chain, safe, nonce = draw.choice(drawn.CHAINS), drawn.address(draw), drawn.uint64(draw)
        paid = drawn.payment(draw)
        agreed_payment(chain, safe, payment_safe_tx(paid.token, paid.to, paid.units, nonce), paid)
        agreed_payment(chain, safe, rejection_safe_tx(safe, nonce), Payment(ZERO, safe, 0))


def test_batches_of_a_vault_are_the_same_bytes_for_both_encoders(draw: Random) -> None:
    for _ in range(BATCHES):
        chain, safe, nonce = draw.choice(drawn.CHAINS), drawn.address(draw), drawn.uint64(draw)
        multi_send = Address(b"\x2e" + draw.randbytes(19))
        paid = [drawn.payment(draw) for _ in range(draw.choice((1, 2, 2, 3, 5, BATCH_MAX)))]
        tx = batch_safe_tx(paid, nonce, multi_send)
        digest = agreed_batch(chain, safe, tx, paid, multi_send)
        if len(paid) < THIRD_OPINION_ITEMS:
            domain = Domain(chain_id=chain, verifying_contract=safe)
            assert third_digest(tx.typed(domain)) == digest


def test_statements_are_the_same_bytes_for_both_encoders(draw: Random) -> None:
    for _ in range(STATEMENTS):
        chain, account = draw.choice(drawn.CHAINS), drawn.address(draw)
        some, other, until = draw.randbytes(32), draw.randbytes(32), drawn.uint64(draw)
        permit = Permit(account, some, drawn.uint64(draw), until)
        agreed_permit(chain, drawn.address(draw), permit)
        path = f"m/44'/60'/{draw.randrange(2**31)}'/{draw.randrange(2)}/{draw.randrange(2**31)}"
        agreed_statement(chain, AddressProvenance(some, path, account))
        agreed_statement(chain, FiatPermit(some, other, until))
        agreed_statement(chain, TokenAudit(some, until))


def test_eth_account_agrees_on_transactions(draw: Random) -> None:
    for _ in range(THIRD_OPINIONS):
        old, two, four, inner = (make(draw) for make, _ in TRANSACTIONS.values())
        theirs = serializable_unsigned_transaction_from_dict(
            common(old) | {"gasPrice": old.gas_price}
        )
        assert theirs.hash() == agreed(old)
        for tx, more in ((two, {}), (four, {"authorizationList": carried(four)})):
            fees = {
                "type": tx.TYPE,
                "maxFeePerGas": tx.max_fee_per_gas,
                "maxPriorityFeePerGas": tx.max_priority_fee_per_gas,
            }
            assert TypedTransaction.from_dict(common(tx) | fees | more).hash() == agreed(tx)
        assert Theirs(inner.chain_id, inner.delegate, inner.nonce).hash() == agreed(inner)


def test_eth_account_agrees_on_structures(draw: Random) -> None:
    for _ in range(THIRD_OPINIONS):
        chain, account = draw.choice(drawn.CHAINS), drawn.address(draw)
        guard, until = drawn.address(draw), drawn.uint64(draw)
        permit = Permit(account, draw.randbytes(32), 7, until)
        permitted = permit.typed(Domain("StrongroomGuard", "1", chain, guard))
        assert third_digest(permitted) == agreed_permit(chain, guard, permit)
        statement = AddressProvenance(draw.randbytes(32), "m/44'/60'/0'/0/9", account)
        stated = statement.typed(Domain("Strongroom", "1", chain))
        assert third_digest(stated) == agreed_statement(chain, statement)
        paid = drawn.payment(draw)
        tx = payment_safe_tx(paid.token, paid.to, paid.units, until)
        hashed = third_digest(tx.typed(Domain(chain_id=chain, verifying_contract=account)))
        assert hashed == agreed_payment(chain, account, tx, paid)


def common(tx: Any) -> dict[str, Any]:
    """Fields as eth-account names them, of every kind."""
    return {
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "gas": tx.gas,
        "to": tx.to,
        "value": tx.value,
        "data": tx.data,
    }


def carried(tx: SetCodeTransaction) -> list[dict[str, Any]]:
    """Its authorisations as eth-account wants them."""
    return [
        {
            "chainId": signed.authorization.chain_id,
            "address": signed.authorization.delegate,
            "nonce": signed.authorization.nonce,
            "yParity": signed.signature.y_parity,
            "r": signed.signature.r,
            "s": signed.signature.s,
        }
        for signed in tx.authorizations
    ]


def third_digest(typed: TypedData) -> bytes:
    """eth-account's digest of what a wallet would be shown."""
    message = encode_typed_data(full_message=as_json(typed))
    return keccak256(b"\x19" + message.version + message.header + message.body)
