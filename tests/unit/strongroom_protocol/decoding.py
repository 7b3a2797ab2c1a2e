"""What the decoder's tests share: a vault, what is known, and calls by eth-abi."""

from typing import Any

from eth_abi.abi import encode as abi_encode

from strongroom_protocol import abi
from strongroom_protocol.addresses import Address
from strongroom_protocol.decoded import Decoded, Known, Place
from strongroom_protocol.decoder import decode_safe_tx
from strongroom_protocol.safe import (
    SafeTx,
    domain,
    payment_safe_tx,
)
from tests.unit.strongroom_protocol.organisation import (
    CHAIN_ID,
    NOW,
    PAYEE,
    TOKEN,
    bundle,
)

VAULT, GUARD, MULTI_SEND = (Address(bytes([one]) * 20) for one in (0x5A, 0x5B, 0x5C))
PLACE = Place(VAULT, GUARD, MULTI_SEND)
KNOWN = Known(now=NOW, paid=frozenset({PAYEE}))
BUNDLE = bundle()
PAYMENT = payment_safe_tx(TOKEN, PAYEE, 1_250_500_000, 3)


def read(tx: SafeTx, known: Known = KNOWN, **changes: Any) -> Decoded:
    within = changes.get("within", domain(CHAIN_ID, VAULT))
    return decode_safe_tx(tx, within, changes.get("bundle", BUNDLE), PLACE, known)


def codes(decoded: Decoded) -> set[str]:
    return {one.code for one in decoded.cautions}


def call(to: Address, function: str, *values: object, nonce: int = 3) -> SafeTx:
    kinds = function.partition("(")[2][:-1]
    types = [kind for kind in kinds.replace("(address,uint128)[]", "L").split(",") if kind]
    types = ["(address,uint128)[]" if kind == "L" else kind for kind in types]
    return SafeTx(to, 0, abi.selector(function) + abi_encode(types, values), nonce)
