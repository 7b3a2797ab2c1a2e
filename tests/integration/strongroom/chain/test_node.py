"""The synchronous node: nodes in turn, errors by name, the right chain."""

from collections.abc import Iterator

import pytest
from eth_account import Account

from strongroom.chain.errors import (
    AlreadyKnown,
    BlockUnknown,
    ChainError,
    ExecutionReverted,
    InsufficientFunds,
    NodeRefused,
    NodeUnavailable,
    NonceTooLow,
    TransactionInvalid,
    WrongChain,
)
from strongroom.chain.node import Node
from strongroom.chain.rpc import Call
from tests.factories.parts.anvil import Chain, fresh_chain
from tests.factories.parts.place import free_port

PAYEE = bytes.fromhex("22" * 20)


@pytest.fixture
def node(anvil: Chain) -> Iterator[Node]:
    with Node([anvil.url], anvil.chain_id) as made:
        yield made


def raw_payment(chain: Chain, node: Node) -> bytes:
    sent = chain.rpc(
        "eth_sendTransaction",
        {"from": chain.accounts()[0], "to": "0x" + PAYEE.hex(), "value": "0x5"},
    )
    raw = bytes.fromhex(str(node.request("eth_getRawTransactionByHash", sent))[2:])
    chain.rpc("anvil_dropTransaction", sent)
    return raw


def unfunded_payment(chain_id: int) -> bytes:
    fields = {
        "to": "0x" + PAYEE.hex(),
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 1,
        "nonce": 0,
        "chainId": chain_id,
    }
    return bytes(Account.from_key(b"\x07" * 32).sign_transaction(fields).raw_transaction)


def test_a_broadcast_is_mined_and_what_it_answers_twice_has_a_name(anvil: Chain, node: Node):
    raw = raw_payment(anvil, node)
    sent = node.send_raw(raw)
    assert node.receipt(sent) is None
    with pytest.raises(AlreadyKnown):
        node.send_raw(raw)
    anvil.mine()
    receipt = node.receipt(sent)
    assert receipt is not None
    assert receipt.status == "0x1"
    assert node.balance(PAYEE) == 5
    with pytest.raises(NonceTooLow):
        node.send_raw(raw)
    assert node.transaction_count(bytes.fromhex(anvil.accounts()[0][2:])) == 1


def test_a_batch_says_of_each_transaction_what_the_node_says(anvil: Chain, node: Node):
    raw = raw_payment(anvil, node)
    sent = node.send_all([raw, raw, unfunded_payment(anvil.chain_id), foreign_payment()])
    assert isinstance(sent[0], bytes)
    assert [type(one) for one in sent[1:]] == [AlreadyKnown, InsufficientFunds, TransactionInvalid]


def foreign_payment() -> bytes:
    """Of another chain."""
    return unfunded_payment(5)


def test_two_nodes_are_asked_and_one_that_is_away_is_passed_over(anvil: Chain):
    gone = f"http://127.0.0.1:{free_port()}"
    call = Call("eth_blockNumber")
    with Node([anvil.url, gone], anvil.chain_id) as node:
        assert len(node.ask_each([call])) == 1
    with Node([gone], anvil.chain_id) as node, pytest.raises(NodeUnavailable):
        node.ask_each([call])
    with fresh_chain() as other, Node([anvil.url, other.url], anvil.chain_id) as node:
        other.mine()
        said = node.ask_each([call])
        assert [
            bytes(answers[0]) for answers in said if not isinstance(answers[0], ChainError)
        ] == [b'"0x0"', b'"0x1"']


def test_state_is_read_at_a_height_or_a_hash(anvil: Chain, node: Node):
    before = node.head()
    node.send_raw(raw_payment(anvil, node))
    anvil.mine()
    assert node.balance(PAYEE, before.height) == 0
    assert node.balance(PAYEE, before.hash) == 0
    assert node.balance(PAYEE, node.head().hash) == 5
    assert node.code(PAYEE) == b""
    assert node.header(node.head().hash).height == node.block_number()
    with pytest.raises(BlockUnknown):
        node.balance(PAYEE, b"\x09" * 32)
    with pytest.raises(BlockUnknown):
        node.header(10_000)


def test_fees_are_whole_wei_above_the_base_fee(anvil: Chain, node: Node):
    anvil.mine(3)
    quote = node.fees()
    assert quote.max_fee_wei == 2 * quote.base_fee_wei + quote.priority_fee_wei
    assert quote.base_fee_wei > 0


def test_the_next_node_is_asked_when_one_is_away(anvil: Chain):
    gone = f"http://127.0.0.1:{free_port()}"
    with Node([gone, anvil.url], anvil.chain_id) as node:
        assert node.block_number() == anvil.height()
    with Node([gone], anvil.chain_id) as node, pytest.raises(NodeUnavailable):
        node.head()
    with pytest.raises(NodeUnavailable):
        Node([], 1)


def test_another_chain_is_refused(anvil: Chain):
    with Node([anvil.url], 1) as node, pytest.raises(WrongChain, match="31337"):
        node.check_chain()


def test_a_revert_an_empty_purse_and_nonsense_have_names(anvil: Chain, node: Node):
    anvil.rpc("anvil_setCode", "0x" + "33" * 20, "0x5f5ffd")
    with pytest.raises(ExecutionReverted):
        node.call(bytes.fromhex("33" * 20), b"")
    with pytest.raises(ExecutionReverted):
        node.estimate_gas(bytes.fromhex("33" * 20), b"")
    with pytest.raises(InsufficientFunds):
        node.send_raw(unfunded_payment(anvil.chain_id))
    with pytest.raises(NodeRefused):
        node.send_raw(b"\x02\xc0")
    assert node.estimate_gas(PAYEE, b"") == 21_000
