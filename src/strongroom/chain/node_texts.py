"""The one table that turns what nodes say (geth, Erigon, Nethermind, Besu, Anvil) into errors.

Numbers differ between nodes and -32603 wraps anything, so the text decides; numbers only where no
text matched. The first row that matches wins: specific rows stand above general ones.
"""

import re
from typing import Final

from strongroom.chain.errors import (
    AlreadyKnown,
    BlockUnknown,
    ChainError,
    ExecutionReverted,
    InsufficientFunds,
    LimitExceeded,
    MethodMissing,
    NodeRefused,
    NodeUnavailable,
    NonceTooLow,
    OutOfGas,
    ParametersRefused,
    PoolFull,
    TransactionInvalid,
    Underpriced,
)

_ROWS: Final[tuple[tuple[str, type[ChainError]], ...]] = (
    # The pool has it: geth and Erigon, Anvil and Substrate, Nethermind, Besu, Erigon by hash.
    (r"already known|already imported|alreadyknown|known transaction|(tx|txn) with same hash",
     AlreadyKnown),
    (r"nonce (is )?too low|oldnonce|nonce_too_low|invalid transaction nonce|ownnoncealreadyused",
     NonceTooLow),
    # Fees: geth, Erigon ("underpriced", "fee too low", "could not replace"), Nethermind's names.
    (r"underpriced|feetoolow|replacementnotallowed|gas price below|fee too low|could not replace",
     Underpriced),
    (r"less than block base ?fee|max fee per gas less|fee cap less than|gas price too low",
     Underpriced),
    (r"replaced by transaction with higher|future transaction tries to replace", Underpriced),
    (r"insufficient ?funds|upfront cost exceeds|insufficient balance", InsufficientFunds),
    (r"execution reverted|vm exception|vm execution error|reverted 0x|^revert", ExecutionReverted),
    # No room: geth's pool and its limit for accounts with code (EIP-7702), Erigon's three pools,
    # Nethermind's and Besu's way with a nonce that is not the next one.
    (r"(txpool|sub-pool|transaction pool) is full|account limit exceeded|spammer", PoolFull),
    (r"in-flight transaction limit|delegated accounts|already reserved|delegation (nonce|auth)",
     PoolFull),
    (r"nonce ?(is )?too (high|far|distant)|noncegap|nonce_too_high|lower nonce exists|nonce gap",
     PoolFull),
    # Bytes that no node takes: gas, chain id, signature, size, the node's own cap on fees.
    (r"intrinsic ?gas|exceeds block gas limit|gas ?limit (reached|exceeded|too high)|gas too high",
     TransactionInvalid),
    (r"gaslimit(cap)?exceeded|invalid sender|invalid signature|(wrong|invalid) chain ?id",
     TransactionInvalid),
    (r"chain ?id (not supported|is required)|oversized data|rlptoolong|transaction too large",
     TransactionInvalid),
    (r"exceeds the configured cap|fee cap exceeded|(transaction )?cost overflow|gasuintoverflow",
     TransactionInvalid),
    (r"sender not an eoa|senderiscontract|int256overflow|failed ?to ?re(cover|solve) ?sender",
     TransactionInvalid),
    (r"(max )?priority fee per gas (higher|exceeds)|tip higher than fee cap|max initcode size",
     TransactionInvalid),
    (r"too many requests|rate limit|request limit|capacity|\b429\b", LimitExceeded),
    (r"query returned more than|response size|block range|too many (results|blocks|logs)",
     LimitExceeded),
    (r"exceed(s|ed)? (the )?(max|limit)|limit exceeded|range too (large|wide)|max batch size",
     LimitExceeded),
    (r"(state|account|code)[ _-]?overrides?", ParametersRefused),
    (r"method not found|does not exist/is not available|not supported|unsupported method",
     MethodMissing),
    (r"resource not found|(block|header)( was)? not found|unknown block|missing trie node",
     BlockUnknown),
    (r"not (currently )?canonical|no state available|historical state", BlockUnknown),
    (r"time(d )?-?out|temporarily|try again|syncing|initial sync", NodeUnavailable),
    # A parameter more than the node knows: geth's way, Ganache's, and what most of them say.
    (r"too many (arguments|param)|number of (arguments|param)|invalid (call )?param",
     ParametersRefused),
    (r"out ?of ?gas|insufficient_gas", OutOfGas),
)  # fmt: skip
_TEXTS: Final = tuple((re.compile(text, re.IGNORECASE), error) for text, error in _ROWS)
_NUMBERS: Final[dict[int, type[ChainError]]] = {
    3: ExecutionReverted,
    -32001: BlockUnknown,
    -32005: LimitExceeded,
    -32601: MethodMissing,
    -32602: ParametersRefused,
    -32004: MethodMissing,
}


def classify(method: str, number: int, text: str, data: str = "") -> ChainError:
    """The typed error for one JSON-RPC error object; `data` is its data member as text."""
    whole = f"{text} {data}"
    kind = next((error for row, error in _TEXTS if row.search(whole)), None)
    if kind is None:
        kind = _NUMBERS.get(number, NodeRefused)
    message = f"The node refused {method}: {text.strip() or 'without a reason'} ({number})."
    return kind(message, detail={"method": method, "number": number, "data": data[:2000]})
