"""A chain's nodes over JSON-RPC, synchronous: for the relay, commands and tests.

Several URLs may be given: the next one is asked when one is away. An error that says something
about the request itself is raised as it is; it is never a reason to ask elsewhere.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
import msgspec

from strongroom.chain import fees
from strongroom.chain.answers import FeeHistoryAnswer, HeaderAnswer, ReceiptAnswer
from strongroom.chain.errors import BlockUnknown, ChainError, NodeUnavailable, WrongChain
from strongroom.chain.headers import Header, check_header
from strongroom.chain.rpc import Call, decode, encode, octets, quantity, read, read_optional
from strongroom.chain.types import FeeQuote

T = TypeVar("T")
ROUNDS_MAX: Final = 2
"""Each URL is asked at most this often for one request."""

Block = int | bytes | str
"""A height, a block hash (32 bytes, must be canonical), or a tag such as "finalized"."""


def block_parameter(block: Block) -> Any:
    """The block as JSON-RPC wants it (EIP-1898 for a hash)."""
    if isinstance(block, bytes):
        return {"blockHash": "0x" + block.hex(), "requireCanonical": True}
    return hex(block) if isinstance(block, int) else block


class Node:
    """Asks the nodes of one chain."""

    def __init__(self, urls: Sequence[str], chain_id: int, *, timeout_seconds: float = 10) -> None:
        """`urls`: http or https, the preferred one first."""
        if not urls:
            raise NodeUnavailable("No node is configured: set STRONGROOM_RPC_URLS to its URL.")
        self.chain_id = chain_id
        self._urls = list(urls)
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False)

    def __enter__(self) -> Self:
        """Used as `with Node(...) as node`."""
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check_chain(self) -> None:
        """Raises WrongChain unless the node serves the configured chain; a health check too."""
        found = quantity(self._ask(Call("eth_chainId"), str))
        if found != self.chain_id:
            raise WrongChain(
                f"The node serves chain {found}, this process is set to {self.chain_id}. Correct "
                "STRONGROOM_RPC_URLS or STRONGROOM_CHAIN_ID."
            )

    def block_number(self) -> int:
        """Height of the newest block."""
        return quantity(self._ask(Call("eth_blockNumber"), str))

    def header(self, block: int | str | bytes) -> Header:
        """A checked header by height, tag or hash; raises BlockUnknown when there is none."""
        call = (
            Call("eth_getBlockByHash", ("0x" + block.hex(), False))
            if isinstance(block, bytes)
            else Call("eth_getBlockByNumber", (block_parameter(block), False))
        )
        answer = self._ask_optional(call, HeaderAnswer)
        if answer is None:
            raise BlockUnknown("The node has no such block yet, or no longer; ask again later.")
        return check_header(answer)

    def head(self) -> Header:
        """The newest block's header."""
        return self.header("latest")

    def fees(self) -> FeeQuote:
        """What the next block costs (EIP-1559), in wei."""
        parameters = (hex(fees.BLOCKS_READ), "latest", list(fees.PERCENTILES))
        return fees.quote(self._ask(Call("eth_feeHistory", parameters), FeeHistoryAnswer))

    def send_raw(self, raw: bytes) -> bytes:
        """Broadcast signed bytes; the transaction's hash. AlreadyKnown is as good as accepted."""
        return octets(self._ask(Call("eth_sendRawTransaction", ("0x" + raw.hex(),)), str), 32)

    def send_all(self, raws: Sequence[bytes]) -> list[bytes | ChainError]:
        """Broadcast in this order; each one's hash, or what the node says to it."""
        calls = [Call("eth_sendRawTransaction", ("0x" + raw.hex(),)) for raw in raws]
        return [
            answer if isinstance(answer, ChainError) else octets(read(answer, str), 32)
            for answer in self.ask_all(calls)
        ]

    def receipt(self, tx_hash: bytes) -> ReceiptAnswer | None:
        """The receipt, or None: which does not mean "not mined", a node may lag."""
        call = Call("eth_getTransactionReceipt", ("0x" + tx_hash.hex(),))
        return self._ask_optional(call, ReceiptAnswer)

    def transaction_count(self, address: bytes, block: Block = "latest") -> int:
        """The account's nonce at a block."""
        return quantity(self._ask(_at("eth_getTransactionCount", address, block), str))

    def balance(self, address: bytes, block: Block = "latest") -> int:
        """Wei held at a block."""
        return quantity(self._ask(_at("eth_getBalance", address, block), str))

    def code(self, address: bytes, block: Block = "latest") -> bytes:
        """The account's code at a block; empty when there is none."""
        return octets(self._ask(_at("eth_getCode", address, block), str))

    def call(
        self, to: bytes, data: bytes, block: Block = "latest", *, sender: bytes | None = None
    ) -> bytes:
        """eth_call; raises ExecutionReverted with the revert data in its detail."""
        parameters = (_transaction(to, data, sender), block_parameter(block))
        return octets(self._ask(Call("eth_call", parameters), str))

    def estimate_gas(
        self, to: bytes, data: bytes, *, sender: bytes | None = None, value: int = 0
    ) -> int:
        """Gas units that the transaction would use now; raises ExecutionReverted."""
        transaction = _transaction(to, data, sender) | {"value": hex(value)}
        return quantity(self._ask(Call("eth_estimateGas", (transaction,)), str))

    def request(self, method: str, *parameters: Any) -> Any:
        """Any method, its result as plain JSON: for commands and tests."""
        return msgspec.json.decode(read(self.ask_all([Call(method, parameters)])[0], msgspec.Raw))

    def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        """A batch; one result or error a call, from one node."""
        failure: ChainError = NodeUnavailable("No node was asked.")
        for _ in range(ROUNDS_MAX):
            for url in list(self._urls):
                try:
                    return self._post(url, calls)
                except NodeUnavailable as error:
                    failure = error
                self._urls.append(self._urls.pop(0))
        raise failure

    @property
    def url(self) -> str:
        """The node that is asked first now; another one after this one was away."""
        return self._urls[0]

    def ask_each(
        self, calls: Sequence[Call], count: int = 2
    ) -> list[list[msgspec.Raw | ChainError]]:
        """The same batch at up to `count` different nodes, so that nothing is concluded on one
        node's word; a list a node that answers. Raises ChainError when none does.
        """
        found: list[list[msgspec.Raw | ChainError]] = []
        failure: ChainError = NodeUnavailable("No node was asked.")
        for url in sorted(set(self._urls), key=self._urls.index):
            try:
                found.append(self._post(url, calls))
            except ChainError as error:
                failure = error
            if len(found) == count:
                break
        if not found:
            raise failure
        return found

    def _post(self, url: str, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        try:
            answer = self._client.post(
                url, content=encode(calls), headers={"content-type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise NodeUnavailable(
                f"The node did not answer ({type(error).__name__}). It is asked again."
            ) from error
        return decode(answer.status_code, answer.content, calls)

    def _ask(self, call: Call, kind: type[T]) -> T:
        return read(self.ask_all([call])[0], kind)

    def _ask_optional(self, call: Call, kind: type[T]) -> T | None:
        return read_optional(self.ask_all([call])[0], kind)


def _at(method: str, address: bytes, block: Block) -> Call:
    return Call(method, ("0x" + address.hex(), block_parameter(block)))


def _transaction(to: bytes, data: bytes, sender: bytes | None) -> dict[str, str]:
    transaction = {"to": "0x" + to.hex(), "data": "0x" + data.hex()}
    return transaction if sender is None else transaction | {"from": "0x" + sender.hex()}
