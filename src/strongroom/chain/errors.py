"""What can go wrong between us and a node. A node's own words are mapped in `node_texts.py`."""

from typing import ClassVar

from strongroom.kit.errors import Conflict, Invalid, StrongroomError, Unavailable


class ChainError(StrongroomError):
    """A node did not do what it was asked to do."""

    code: ClassVar[str] = "chain.error"
    http_status: ClassVar[int] = 502


class NodeUnavailable(ChainError, Unavailable):
    """No node answered, or none of them has what was asked for yet. Nothing is known: ask again."""

    code = "chain.node_unavailable"
    http_status = 503
    retryable = True


class BlockUnknown(NodeUnavailable):
    """The node does not (or no longer) know this block: it lags, or the block was orphaned."""

    code = "chain.block_unknown"


class NodeLied(NodeUnavailable):
    """An answer contradicts itself or its hash. It is thrown away; another answer is asked for."""

    code = "chain.node_lied"


class LimitExceeded(ChainError):
    """The node's own cap on results, ranges or requests: ask for less."""

    code = "chain.limit_exceeded"
    retryable = True


class MethodMissing(ChainError):
    """The node does not offer this method."""

    code = "chain.method_missing"


class NodeRefused(ChainError):
    """The node refused for a reason that the table of texts does not know."""

    code = "chain.node_refused"


class ParametersRefused(NodeRefused):
    """The node knows the method, but not all that was given to it, such as a state override."""

    code = "chain.parameters_refused"


class OutOfGas(NodeRefused):
    """The call used up all the gas that it was given, or that the node gives."""

    code = "chain.out_of_gas"


class AlreadyKnown(ChainError, Conflict):
    """The node has this very transaction: as good as accepted."""

    code = "chain.already_known"
    http_status = 409


class NonceTooLow(ChainError, Conflict):
    """The nonce was used. By whom, only the receipts of all attempts tell; never take another."""

    code = "chain.nonce_too_low"
    http_status = 409


class Underpriced(ChainError, Conflict):
    """The fees are too low for this pool or for a replacement. It does not mean "not sent"."""

    code = "chain.underpriced"
    http_status = 409


class PoolFull(ChainError):
    """The pool has no room for it now, or for so high a nonce: send it again, as it is."""

    code = "chain.pool_full"
    retryable = True


class TransactionInvalid(ChainError, Invalid):
    """No node of this chain would mine these bytes: wrong chain, too little or too much gas, or a
    limit of the node's own. People must look.
    """

    code = "chain.transaction_invalid"
    http_status = 422


class InsufficientFunds(ChainError, Conflict):
    """The sender cannot pay value and gas."""

    code = "chain.insufficient_funds"
    http_status = 409


class ExecutionReverted(ChainError, Invalid):
    """The call reverts; `detail["data"]` holds the revert data as hex."""

    code = "chain.execution_reverted"
    http_status = 422


class WrongChain(ChainError):
    """The node serves another chain than the one configured."""

    code = "chain.wrong_chain"
