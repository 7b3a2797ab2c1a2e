"""What five nodes say about the same thing becomes one error."""

import pytest

from strongroom.chain import errors
from strongroom.chain.errors import ChainError
from strongroom.chain.node_texts import classify

CASES: list[tuple[int, str, type[ChainError]]] = [
    (-32000, "already known", errors.AlreadyKnown),  # geth, Erigon
    (-32003, "transaction already imported", errors.AlreadyKnown),  # Anvil
    (-32010, "AlreadyKnown", errors.AlreadyKnown),  # Nethermind
    (-32000, "Known transaction", errors.AlreadyKnown),  # Besu
    (-32000, "nonce too low: next nonce 5, tx nonce 4", errors.NonceTooLow),  # geth
    (-32003, "nonce too low", errors.NonceTooLow),  # Anvil
    (-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", errors.NonceTooLow),
    (-32001, "Nonce too low", errors.NonceTooLow),  # Besu
    (-32000, "replacement transaction underpriced", errors.Underpriced),  # geth
    (-32000, "transaction underpriced: tip needed 1, tip permitted 0", errors.Underpriced),
    (-32010, "FeeTooLow", errors.Underpriced),  # Nethermind
    (-32010, "ReplacementNotAllowed", errors.Underpriced),  # Nethermind
    (-32009, "Gas price below configured minimum gas price", errors.Underpriced),  # Besu
    (-32003, "max fee per gas less than block base fee", errors.Underpriced),  # Anvil
    (-32000, "insufficient funds for gas * price + value", errors.InsufficientFunds),
    (-32003, "Insufficient funds for gas * price + value", errors.InsufficientFunds),
    (-32004, "Upfront cost exceeds account balance", errors.InsufficientFunds),  # Besu
    (3, "execution reverted: no", errors.ExecutionReverted),  # geth
    (-32015, "VM execution error.", errors.ExecutionReverted),  # Nethermind
    (-32000, "Execution reverted", errors.ExecutionReverted),  # Besu
    (-32005, "query returned more than 10000 results", errors.LimitExceeded),
    (-32602, "block range exceeds maximum of 2000", errors.LimitExceeded),
    (-32005, "Requested range exceeds maximum RPC range limit", errors.LimitExceeded),  # Besu
    (-32602, "Log response size exceeded.", errors.LimitExceeded),
    (429, "Too Many Requests", errors.LimitExceeded),
    (-32601, "the method trace_block does not exist/is not available", errors.MethodMissing),
    (-32601, "Method not found", errors.MethodMissing),
    (-32001, "Resource not found", errors.BlockUnknown),  # Anvil
    (-32000, "header not found", errors.BlockUnknown),  # geth
    (-39001, "Unknown block", errors.BlockUnknown),
    (-32000, "missing trie node 0ab (path ) state 0x0 is not available", errors.BlockUnknown),
    (-32002, "request timed out", errors.NodeUnavailable),
    (-32603, "Internal error: nonce too low", errors.NonceTooLow),  # wrapped
    (-32000, "tea is served", errors.NodeRefused),
]


@pytest.mark.parametrize(("number", "text", "kind"), CASES)
def test_a_nodes_words_become_one_typed_error(number: int, text: str, kind: type[ChainError]):
    found = classify("eth_x", number, text)
    assert type(found) is kind
    assert text in found.message


def test_a_text_wrapped_in_the_data_member_is_found():
    assert type(classify("eth_x", -32603, "Internal error", "already known")) is errors.AlreadyKnown


def test_only_what_may_be_asked_again_is_retryable():
    assert errors.NodeUnavailable("").retryable
    assert errors.BlockUnknown("").retryable
    assert errors.NodeLied("").retryable
    assert not errors.NonceTooLow("").retryable
    assert not errors.ExecutionReverted("").retryable
