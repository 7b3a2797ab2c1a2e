"""The chain: the whole platform on a real Anvil, whose time the run sets; official Safes under the
deployed guard. Questions of one round go in one request (JSON-RPC batch), and its payments in one
block.
"""

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.deployment import DEPLOYER, Deployment, artifacts, deploy_calldata
from strongroom_protocol.hashing import keccak256
from tests.factories.parts.anvil import Chain

DOLLAR = Path(__file__).parents[3] / "scripts" / "first_day" / "test_dollar.json"
GAS = hex(1_500_000)
PLENTY = 2**120


@dataclass(frozen=True)
class Mined:
    """One payment's fate: `error` is the guard's or the Safe's own, None = it was done."""

    error: str | None


class Node:
    """Anvil, mining when told to, at the time that is told."""

    def __init__(self, chain: Chain, deployment: Deployment, now: int) -> None:
        self.deployment = deployment
        self._connection = http.client.HTTPConnection("127.0.0.1", chain.port, timeout=60)
        self._errors = _errors()
        self.rich = chain.accounts()[0]
        self._nonce = 0
        self.ask([("evm_setBlockGasLimit", [hex(10**12)])])
        codes = [deploy_calldata(code) for code in deployment.platform().values()]
        code = bytes.fromhex(json.loads(DOLLAR.read_text())["creation"][2:])
        owner = abi.address(parse_address(self.rich))
        sent = [self.sending(DEPLOYER, one, gas=8_000_000) for one in codes]
        sent += [self.sending(None, code + owner, gas=3_000_000) for _ in range(2)]
        receipts = self.mine(sent, now)
        self.tokens = (ZERO, *(parse_address(one["contractAddress"]) for one in receipts[-2:]))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def found(self, creations: Sequence[bytes], vaults: Sequence[Address], now: int) -> None:
        """Make the vaults, and fill them with every asset."""
        sent = [self.sending(self.deployment.proxy_factory, data) for data in creations]
        for vault in vaults:
            mint = abi.call("mint(address,uint256)", abi.address(vault), abi.uint(PLENTY))
            sent += [self.sending(token, mint) for token in self.tokens[1:]]
        receipts = self.mine(sent, now)
        assert all(one["status"] == "0x1" for one in receipts)
        self.ask([("anvil_setBalance", [checksum(one), hex(PLENTY)]) for one in vaults])

    def spent(self, asked: Sequence[tuple[Address, Address]], now: int) -> list[int]:
        """What the guard counts for (vault, token) at `now`."""
        calls = [
            (
                self.deployment.guard,
                abi.call("limitOf(address,address)", abi.address(vault), abi.address(token)),
            )
            for vault, token in asked
        ]
        answers = self.calls(calls, now)
        return [int(str(one["result"])[-64:], 16) for one in answers]

    def tried(self, asked: Sequence[tuple[Address, bytes]], now: int) -> list[Mined]:
        """What would become of these calls at `now`; nothing stays."""
        return [Mined(self._error(answer)) for answer in self.calls(asked, now)]

    def paid(self, asked: Sequence[tuple[Address, bytes]], now: int) -> list[Mined]:
        """Mine these calls in one block at `now`."""
        if not asked:
            return []
        receipts = self.mine([self.sending(to, data) for to, data in asked], now)
        failed = [i for i, one in enumerate(receipts) if one["status"] != "0x1"]
        words: dict[int, str | None] = dict.fromkeys(range(len(asked)))
        for i, answer in zip(failed, self.calls([asked[i] for i in failed], now), strict=True):
            words[i] = self._error(answer) or "failed, but not when it was asked again"
        return [Mined(words[i]) for i in range(len(asked))]

    def calls(self, asked: Sequence[tuple[Address, bytes]], now: int) -> list[Any]:
        """eth_call of each at the head's state and the time `now`; answers or errors."""
        time = {"time": hex(now)}
        return self.ask(
            [
                (
                    "eth_call",
                    [
                        {"from": self.rich, "to": checksum(to), "data": "0x" + data.hex()},
                        "latest",
                        None,
                        time,
                    ],
                )
                for to, data in asked
            ],
            may_fail=True,
        )

    def sending(self, to: Address | None, data: bytes, gas: int = 1_500_000) -> Any:
        """The call that sends a transaction."""
        call = {"from": self.rich, "data": "0x" + data.hex(), "gas": hex(gas)}
        return ("eth_sendTransaction", [call | ({"to": checksum(to)} if to else {})])

    def mine(self, sent: Sequence[Any], now: int) -> list[Any]:
        """All of these in one block with the time `now`; their receipts."""
        # Anvil works on the parts of a batch side by side, so each says its own place.
        for i, (_, (call,)) in enumerate(sent):
            call["nonce"] = hex(self._nonce + i)
        self._nonce += len(sent)
        hashes = [one["result"] for one in self.ask(sent)]
        self.ask([("evm_setNextBlockTimestamp", [now])])
        self.ask([("evm_mine", [])])
        receipts = self.ask([("eth_getTransactionReceipt", [one]) for one in hashes])
        found = [one["result"] for one in receipts]
        assert all(found), "every transaction of a round is in its block"
        return found

    def ask(self, asked: Sequence[Any], *, may_fail: bool = False) -> list[Any]:
        """One JSON-RPC batch, in its order."""
        if not asked:
            return []
        batch = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": parameters}
            for i, (method, parameters) in enumerate(asked)
        ]
        headers = {"content-type": "application/json"}
        self._connection.request("POST", "/", json.dumps(batch), headers)
        answers = json.loads(self._connection.getresponse().read())
        answers.sort(key=lambda one: one["id"])
        assert may_fail or not (failed := [one for one in answers if "error" in one]), failed
        assert len(answers) == len(asked)
        return list(answers)

    def _error(self, answer: Any) -> str | None:
        if "error" not in answer:
            return None
        data = str(answer["error"].get("data") or "")
        return self._errors.get(data[:10], f"{answer['error']['message']} {data[:140]}")


def _errors() -> dict[str, str]:
    """The guard's errors by selector."""
    found = {}
    for entry in artifacts()["PermitGuard"]["abi"]:
        if entry["type"] == "error":
            form = f"{entry['name']}({','.join(one['type'] for one in entry['inputs'])})"
            found["0x" + keccak256(form.encode())[:4].hex()] = entry["name"]
    return found
