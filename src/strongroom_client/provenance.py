"""Whose a deposit address is: checked on the caller's own machine, before anybody pays to it.

What the server shows is only compared: organisation, chain, attest key and the officers' root are
the caller's own knowledge (from the contract, the ceremony's transcript, or an earlier visit).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from eth_utils.address import to_checksum_address

from strongroom_client.errors import Refused
from strongroom_client.signing import provenance_signer

_PATH: Final = re.compile(r"m/44'/60'/(0|[1-9][0-9]*)'/0/(0|[1-9][0-9]*)", re.ASCII)
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def verify_address(
    shown: Mapping[str, Any],
    *,
    organisation: str,
    chain_id: int,
    attest_key: str,
    root: str | None = None,
) -> str:
    """Return the address, EIP-55, if it is the organisation's by all that is shown; else Refused.

    `shown` is the API's answer for an address. Its signature must be `attest_key`'s over
    (`organisation` 32 bytes as hex, path, address) on this chain, its leaf must lie at its index
    under its manifest's root (RFC 9162, 2.1.3.2), and that root must be `root`, the one that the
    custody officers signed, where the caller keeps it.
    """
    try:
        return _verified(shown, organisation, chain_id, attest_key, root)
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"The address's provenance can't be read: {error!r}. Don't pay.") from error


def _verified(
    shown: Mapping[str, Any], organisation: str, chain_id: int, attest_key: str, root: str | None
) -> str:
    path, address, index = str(shown["path"]), str(shown["address"]), int(shown["index"])
    place = _PATH.fullmatch(path)
    if place is None or int(place[2]) != index or _ADDRESS.fullmatch(address) is None:
        raise Refused(f"{path} is no path of deposit address {index}, or {address} no address.")
    signature = str(shown["provenance_signature"])
    if len(_bytes(signature)) != 65:
        raise Refused("The signature is not of 65 bytes.")
    signer = provenance_signer(organisation, path, address, signature, chain_id)
    if signer.lower() != attest_key.lower():
        raise Refused(
            f"{address} is attested by {signer}, not by the custodian's key {attest_key}: it is "
            "another organisation's, or nobody's. Don't pay; call the custodian."
        )
    stated = _bytes(shown["manifest_root"])
    if root is not None and stated != _bytes(root):
        raise Refused("The manifest shown is not the one that the custody officers signed.")
    leaf = hashlib.sha256(b"\x00" + path.encode() + b"\x00" + _bytes(address)).digest()
    proof = [_bytes(node) for node in shown["manifest_proof"]]
    if _root_of(leaf, index, int(shown["manifest_count"]), proof) != stated:
        raise Refused(f"{address} is not in the officers' manifest at index {index}. Don't pay.")
    return to_checksum_address(address)


def _root_of(leaf: bytes, index: int, count: int, proof: Sequence[bytes]) -> bytes | None:
    """The root to which an inclusion proof leads, or None when it has another length."""
    if not 0 <= index < count:
        return None
    at, last, found = index, count - 1, leaf
    for node in proof:
        if last == 0 or len(node) != 32:
            return None
        if at & 1 or at == last:
            found = hashlib.sha256(b"\x01" + node + found).digest()
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\x01" + found + node).digest()
        at, last = at >> 1, last >> 1
    return found if last == 0 else None


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(f"{text!r} is no hex text")
    return bytes.fromhex(text[2:])
