"""A first day that is cut short between sending and writing down does not pay twice."""

from first_day.node import Node
from strongroom.cli.dev.anvil import DEPLOYER_KEY
from tests.factories.parts.anvil import Chain

PAYEE = "0x000000000000000000000000000000000000dEaD"


def test_a_payment_sent_again_is_the_same_payment(anvil: Chain) -> None:
    node = Node(anvil.url)
    try:
        raw = node.signed(DEPLOYER_KEY, PAYEE, 7)
        anvil.rpc("eth_sendRawTransaction", raw)  # cut short: sent, and not waited for
        anvil.mine()
        first = node.broadcast(raw)
        assert node.broadcast(raw) == first
        assert node.balance(PAYEE) == 7
    finally:
        node.close()


def test_a_payment_that_waits_in_the_pool_is_waited_for(anvil: Chain) -> None:
    node = Node(anvil.url)
    try:
        raw = node.signed(DEPLOYER_KEY, PAYEE, 7)
        anvil.rpc("eth_sendRawTransaction", raw)
        anvil.rpc("evm_setIntervalMining", 1)
        node.broadcast(raw)
        assert node.balance(PAYEE) == 7
    finally:
        node.close()
