"""An Ethereum node as any client sees it: a few JSON-RPC calls, and transactions of payers."""

import time
from typing import Any

import httpx
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from first_day.diary import DayFailed

GAS = 1_500_000
TIP_WEI = 10**9


class Node:
    """One node."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=20)
        self.chain_id = int(self.call("eth_chainId"), 16)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def call(self, method: str, *parameters: Any) -> Any:
        """Call a method; raise DayFailed with the node's own words."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        answer = self._http.post("", json=body).json()
        if "error" in answer:
            raise DayFailed(f"The node refused {method}: {answer['error'].get('message')}")
        return answer["result"]

    def height(self, tag: str = "latest") -> int:
        """Return the number of the latest (safe, finalized) block."""
        return int(self.call("eth_getBlockByNumber", tag, False)["number"], 16)

    def balance(self, address: str, token: str | None = None, block: int | None = None) -> int:
        """Return wei, or a token's units, at a block (latest if none)."""
        tag = "latest" if block is None else hex(block)
        if token is None:
            return int(self.call("eth_getBalance", address, tag), 16)
        return int(self.view(token, "balanceOf(address)", _word(address), tag), 16)

    def view(self, contract: str, signature: str, arguments: str = "", tag: str = "latest") -> str:
        """Return the raw result of a view function; `arguments` are ABI words in hex."""
        data = "0x" + keccak(text=signature)[:4].hex() + arguments
        return str(self.call("eth_call", {"to": contract, "data": data}, tag))

    def code(self, address: str) -> str:
        """Return the code at an address, as hex."""
        return str(self.call("eth_getCode", address, "latest"))

    def send(self, key: str, to: str | None, value: int = 0, data: str = "0x") -> str:
        """Send a transaction of a payer outside the service, wait for it; return its hash."""
        return self.broadcast(self.signed(key, to, value, data))

    def signed(self, key: str, to: str | None, value: int = 0, data: str = "0x") -> str:
        """Sign a payer's transaction with his next nonce; return its bytes as hex."""
        sender = Account.from_key(key)
        base = int(self.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        transaction: dict[str, Any] = {
            "chainId": self.chain_id,
            "nonce": int(self.call("eth_getTransactionCount", sender.address, "pending"), 16),
            "gas": GAS,
            "maxFeePerGas": base * 3 + TIP_WEI,
            "maxPriorityFeePerGas": TIP_WEI,
            "value": value,
            "data": data,
        }
        if to is not None:
            transaction["to"] = to
        return "0x" + bytes(sender.sign_transaction(transaction).raw_transaction).hex()

    def broadcast(self, raw: str) -> str:
        """Send these bytes unless they are mined, wait for it; return the hash. Safe to repeat."""
        transaction = "0x" + keccak(hexstr=raw).hex()
        if self.call("eth_getTransactionReceipt", transaction) is None:
            try:
                self.call("eth_sendRawTransaction", raw)
            except DayFailed as refused:
                if "already" not in str(refused):
                    raise
        return str(self._mined(transaction)["transactionHash"])

    def receipt(self, transaction: str) -> dict[str, Any]:
        """Return a transaction's receipt. Raises DayFailed while it is not mined."""
        found = self.call("eth_getTransactionReceipt", transaction)
        if found is None:
            raise DayFailed(f"The transaction {transaction} is not mined.")
        return dict(found)

    def _mined(self, transaction: str) -> dict[str, Any]:
        for _ in range(150):
            found = self.call("eth_getTransactionReceipt", transaction)
            if found is not None:
                if found["status"] != "0x1":
                    raise DayFailed(f"The transaction {transaction} failed.")
                return dict(found)
            time.sleep(0.2)
        raise DayFailed(f"The transaction {transaction} was not mined within 30 seconds.")

    def deploy(self, key: str, code: str) -> str:
        """Deploy a contract for somebody outside the service; return its address."""
        return to_checksum_address(self.receipt(self.send(key, None, 0, code))["contractAddress"])


def transfer_data(to: str, units: int) -> str:
    """Return the call data of ERC-20 `transfer(address,uint256)`."""
    return "0xa9059cbb" + _word(to) + f"{units:064x}"


def mint_data(to: str, units: int) -> str:
    """Return the call data of the test token's `mint(address,uint256)`."""
    return "0x" + keccak(text="mint(address,uint256)")[:4].hex() + _word(to) + f"{units:064x}"


def _word(address: str) -> str:
    return address[2:].lower().rjust(64, "0")
