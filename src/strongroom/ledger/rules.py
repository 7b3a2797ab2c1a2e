"""Pure rules of the books: what class an account is, and the one encoding of a posting's body."""

import hashlib
import json
from typing import Final, NamedTuple

from strongroom.ledger.errors import AccountCodeInvalid
from strongroom.ledger.types import Posting


class AccountClass(NamedTuple):
    """Which side adds to the account, and whether it may never go below zero."""

    debit_normal: bool
    floored: bool


_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
_ASSET: Final = AccountClass(debit_normal=True, floored=True)
_LIABILITY: Final = AccountClass(debit_normal=False, floored=True)
_CLASSES: Final[tuple[tuple[str, AccountClass], ...]] = (
    ("custody:", _ASSET),
    ("fiat:bank:", AccountClass(debit_normal=True, floored=False)),
    ("suspense:", _LIABILITY),
    ("quarantine", _LIABILITY),
    ("unattributed", _LIABILITY),
    ("client:", _LIABILITY),
    ("house:gas", AccountClass(debit_normal=True, floored=False)),
    ("house:", AccountClass(debit_normal=False, floored=False)),
)


def account_class(code: str) -> AccountClass:
    """The class by the code's prefix; raises AccountCodeInvalid."""
    for prefix, found in _CLASSES:
        if code.startswith(prefix):
            return found
    raise AccountCodeInvalid(
        f"There is no class of account for {code!r}. Codes begin with one of: "
        + ", ".join(prefix for prefix, _ in _CLASSES)
    )


def body_hash(posting: Posting) -> bytes:
    """SHA-256 over all that a posting says, so that a key can't be used for two of them."""
    chain = posting.chain
    body = [
        posting.kind,
        posting.phase,
        posting.refers_to,
        None if posting.expires_at is None else posting.expires_at.isoformat(),
        None if chain is None else [chain.chain_id, chain.height, chain.block_hash.hex()],
        sorted(posting.memo.items()),
        [[leg.debit, leg.credit, leg.asset, str(leg.units)] for leg in posting.legs],
    ]
    return hashlib.sha256(_ENCODE(body).encode()).digest()


def row(posting: Posting) -> dict[str, object]:
    """A posting as a row that an audit record commits to (JSON; amounts as decimal strings)."""
    chain = posting.chain
    return {
        "type": "posting",
        "key": posting.key,
        "kind": posting.kind,
        "phase": posting.phase,
        "refers_to": posting.refers_to,
        "legs": [
            {"debit": leg.debit, "credit": leg.credit, "asset": leg.asset, "units": str(leg.units)}
            for leg in posting.legs
        ],
        "chain": None
        if chain is None
        else {
            "chain_id": chain.chain_id,
            "height": chain.height,
            "block_hash": "0x" + chain.block_hash.hex(),
        },
        "memo": dict(posting.memo),
    }
