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
    # geth and those that speak as it does (Nethermind since 2026, Besu by choice)
    (-32000, "replacement transaction underpriced: new tx gas fee cap 1 <= 2 queued",
     errors.Underpriced),
    (-32000, "future transaction tries to replace pending", errors.Underpriced),
    (-32000, "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 2",
     errors.Underpriced),
    (-32000, "insufficient funds for gas * price + value: balance 0, tx cost 21000",
     errors.InsufficientFunds),
    (-32000, "txpool is full", errors.PoolFull),
    (-32000, "in-flight transaction limit reached for delegated accounts", errors.PoolFull),
    (-32000, "gapped-nonce tx from delegated accounts", errors.PoolFull),
    (-32000, "authority already reserved", errors.PoolFull),
    (-32000, "address already reserved", errors.PoolFull),
    (-32000, "nonce too high: address 0x1, tx: 9 state: 1", errors.PoolFull),
    (-32000, "intrinsic gas too low: gas 20000, minimum needed 21000", errors.TransactionInvalid),
    (-32000, "exceeds block gas limit", errors.TransactionInvalid),
    (-32000, "transaction gas limit too high", errors.TransactionInvalid),
    (-32000, "tx fee (1.20 ether) exceeds the configured cap (1.00 ether)",
     errors.TransactionInvalid),
    (-32000, "invalid sender", errors.TransactionInvalid),
    (-32000, "oversized data: transaction size 140000, limit 131072", errors.TransactionInvalid),
    (-32000, "max priority fee per gas higher than max fee per gas", errors.TransactionInvalid),
    (-32000, "sender not an eoa: address 0x1, codehash: 0x2", errors.TransactionInvalid),
    # Erigon
    (-32000, "underpriced", errors.Underpriced),
    (-32000, "fee too low", errors.Underpriced),
    (-32000, "could not replace existing tx", errors.Underpriced),
    (-32000, "replaced by transaction with higher tip", errors.Underpriced),
    (-32000, "existing txn with same hash", errors.AlreadyKnown),
    (-32000, "insufficient funds", errors.InsufficientFunds),
    (-32000, "baseFee sub-pool is full", errors.PoolFull),
    (-32000, "queued sub-pool is full", errors.PoolFull),
    (-32000, "spammer", errors.PoolFull),
    (-32000, "IntrinsicGas", errors.TransactionInvalid),
    (-32000, "RLPTooLong", errors.TransactionInvalid),
    (-32000, "GasUintOverflow", errors.TransactionInvalid),
    (-32000, "gas limit too high. Max: 16777216", errors.TransactionInvalid),
    # Nethermind: its names until 2026, its own phrases since
    (-32010, "FeeTooLowToCompete", errors.Underpriced),
    (-32010, "InsufficientFunds, Account balance: 302, cumulative cost: 580",
     errors.InsufficientFunds),
    (-32010, "OwnNonceAlreadyUsed", errors.NonceTooLow),
    (-32010, "NonceGap, Future nonce. Expected nonce: 5", errors.PoolFull),
    (-32000, "nonce too far in future", errors.PoolFull),
    (-32000, "delegation nonce gap", errors.PoolFull),
    (-32000, "delegation authority has pending transaction", errors.PoolFull),
    (-32010, "GasLimitExceeded, Gas limit: 30000000, gas limit of rejected tx: 40000000",
     errors.TransactionInvalid),
    (-32000, "gas limit reached", errors.TransactionInvalid),
    (-32000, "TxGasLimitCapExceeded: Gas limit 20000000 exceeded cap of 16777216.",
     errors.TransactionInvalid),
    (-32010, "SenderIsContract", errors.TransactionInvalid),
    (-32010, "Int256Overflow", errors.TransactionInvalid),
    (-32010, "FailedToResolveSender", errors.TransactionInvalid),
    # Besu
    (-32000, "Replacement transaction underpriced", errors.Underpriced),
    (-32009, "Gas price below current base fee", errors.Underpriced),
    (-32006, "Nonce too high", errors.PoolFull),
    (-32000, "Transaction nonce is too distant from current sender nonce", errors.PoolFull),
    (-32000, "An invalid transaction with a lower nonce exists", errors.PoolFull),
    (-32003, "Intrinsic gas exceeds gas limit", errors.TransactionInvalid),
    (-32005, "Transaction gas limit exceeds block gas limit", errors.TransactionInvalid),
    (-32000, "Wrong chainId", errors.TransactionInvalid),
    (-32000, "ChainId not supported", errors.TransactionInvalid),
    (-32000, "Transaction fee cap exceeded", errors.TransactionInvalid),
    (-32002, "Invalid signature", errors.TransactionInvalid),
    (-32005, "Number of requests exceeds max batch size", errors.LimitExceeded),
    (-32008, "Initial sync is still in progress", errors.NodeUnavailable),
    # Anvil
    (-32003, "Insufficient funds for gas * price + value: balance 0, required 1",
     errors.InsufficientFunds),
    (-32003, "intrinsic gas too low", errors.TransactionInvalid),
    (-32003, "invalid chain id for signer", errors.TransactionInvalid),
    (-32003, "max priority fee per gas higher than max fee per gas", errors.TransactionInvalid),
    (-32000, "tea is served", errors.NodeRefused),
    (-32602, "too many arguments, want at most 2", errors.ParametersRefused),  # geth
    (-32000, "out of gas", errors.OutOfGas),  # geth, Erigon
    (-32603, "EVM error OutOfGas", errors.OutOfGas),  # Anvil
    (-32000, "INSUFFICIENT_GAS", errors.OutOfGas),  # Besu
    (3, "execution reverted: out of gas money", errors.ExecutionReverted),
    (-32602, "Invalid params", errors.ParametersRefused),  # Besu, reth
    (-32000, "Incorrect number of arguments. Method 'eth_call' requires between 1 and 2",
     errors.ParametersRefused),  # Ganache
    (-32601, "eth_call with state overrides is not supported", errors.ParametersRefused),
    (-32602, "invalid length 3, expected a tuple of size 2", errors.ParametersRefused),
    (-32602, "Invalid params: query returned more than 10000 results", errors.LimitExceeded),
]  # fmt: skip


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
    assert errors.PoolFull("").retryable
    assert not errors.TransactionInvalid("").retryable
    assert not errors.NonceTooLow("").retryable
    assert not errors.ExecutionReverted("").retryable
