"""The verifier's digests against SafeL2 1.5.0 itself, on a node."""

import random

from eth_utils.crypto import keccak

from strongroom_verify.typed_data import Message
from tests.factories.parts.anvil import Chain
from tests.integration.contracts.stage import DEPLOYER, call_data, create2, creation_of

SIGNATURE = (
    "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,"
    "uint256)"
)
NAMES = (
    "to", "value", "data", "operation", "safeTxGas", "baseGas", "gasPrice", "gasToken",
    "refundReceiver", "nonce",
)  # fmt: skip


def ask(chain: Chain, safe: str, data: bytes) -> bytes:
    call = {"to": safe, "data": "0x" + data.hex()}
    return bytes.fromhex(str(chain.rpc("eth_call", call, "latest"))[2:])


def test_the_digests_are_those_that_the_deployed_safe_computes(anvil: Chain) -> None:
    creation = creation_of("SafeL2")
    deploy = {"from": anvil.accounts()[0], "to": DEPLOYER, "gas": hex(8_000_000)}
    anvil.rpc("eth_sendTransaction", deploy | {"data": "0x" + (bytes(32) + creation).hex()})
    anvil.mine()
    safe = create2(DEPLOYER, bytes(32), creation)
    dice = random.Random(7)
    for _ in range(20):
        fields = (
            dice.randbytes(20), dice.getrandbits(256), dice.randbytes(dice.randrange(150)),
            dice.randrange(2), *(dice.getrandbits(64) for _ in range(3)),
            dice.randbytes(20), dice.randbytes(20), dice.getrandbits(64),
        )  # fmt: skip
        message = Message(
            "SafeTx",
            "",
            anvil.chain_id,
            bytes.fromhex(safe[2:]),
            dict(zip(NAMES, fields, strict=True)),
        )
        assert ask(anvil, safe, call_data(SIGNATURE, *fields)) == message.digest()
        assert ask(anvil, safe, keccak(text="domainSeparator()")[:4]) == message.domain_hash()
