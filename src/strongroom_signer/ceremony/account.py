"""`ceremony account`: one hardened account an organisation, m/44'/60'/N'/0/i (BIP-39, BIP-44).

bip-utils derives at this edge only; each address is checked against the fast path from the xpub,
and the first and last leaf sign once in the signer token before anything is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bip_utils import (
    Bip39MnemonicGenerator,
    Bip39SeedGenerator,
    Bip44,
    Bip44Changes,
    Bip44Coins,
)
from pkcs11 import ObjectClass

from strongroom_protocol import hd, merkle
from strongroom_protocol.addresses import checksum
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.encoding import to_hex
from strongroom_signer.ceremony.establish import Say, Tokens
from strongroom_signer.ceremony.seed import opened_seed
from strongroom_signer.errors import Unfit
from strongroom_signer.pool import Leaf, Pool
from strongroom_signer.token import templates
from strongroom_signer.token.keyring import Keyring

ACCOUNT_MAX = 2**31 - 1
COUNT_MAX = 1_000_000


def fill_account(
    tokens: Tokens, pool: Pool, account_index: int, count: int, say: Say
) -> dict[str, Any]:
    """Bring the account's pool to `count` leaves and return its manifest. Raises Unfit."""
    if not 0 <= account_index <= ACCOUNT_MAX or not 0 < count <= COUNT_MAX:
        raise Unfit(f"account index 0 to {ACCOUNT_MAX}, count 1 to {COUNT_MAX}")
    have = len(pool.addresses(account_index, COUNT_MAX))
    with opened_seed(tokens.vault) as entropy:
        mnemonic = Bip39MnemonicGenerator().FromEntropy(bytes(entropy))
        master = Bip44.FromSeed(Bip39SeedGenerator(mnemonic).Generate(), Bip44Coins.ETHEREUM)
        account = master.Purpose().Coin().Account(account_index)
        xpub = str(account.PublicKey().ToExtended())
        if pool.xpub(account_index) not in (None, xpub):
            raise Unfit(f"the pool's account {account_index} was derived from another seed")
        if have < count:
            leaves = list(_wrapped(tokens, account, xpub, range(have, count), say))
            _try_leaves(tokens, [leaves[0], leaves[-1]])
            pool.add(account_index, xpub, leaves)
    return manifest(pool, account_index, count)


def manifest(pool: Pool, account_index: int, count: int) -> dict[str, Any]:
    """What custody officers sign (as CustodyManifest) and the API derives addresses from."""
    xpub = pool.xpub(account_index)
    addresses = pool.addresses(account_index, count)
    if xpub is None or len(addresses) != count:
        raise Unfit(f"account {account_index} has {len(addresses)} leaves, not {count}")
    return {
        "account_index": account_index,
        "xpub": xpub,
        "xpub_hash": to_hex(hd.xpub_hash(xpub)),
        "count": count,
        "root": to_hex(merkle.root(pool.manifest_leaves(account_index, count))),
        "addresses": [checksum(address) for address in addresses],
    }


def write_manifest(path: Path, document: dict[str, Any]) -> None:
    """To a file that only its owner can read: the xpub is confidential."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(canonical_bytes(document) + b"\n")
    part.replace(path)


def _wrapped(tokens: Tokens, account: Any, xpub: str, indexes: range, say: Say) -> Iterator[Leaf]:
    kek = tokens.vault.need(ObjectClass.SECRET_KEY, templates.KEK)
    external = account.Change(Bip44Changes.CHAIN_EXT)
    expected = hd.addresses(xpub, indexes.start, len(indexes))
    account_index = hd.parse_xpub(xpub).child_number - hd.HARDENED
    for index, address in zip(indexes, expected, strict=True):
        key = external.AddressIndex(index)
        if key.PublicKey().ToAddress() != checksum(address):
            raise Unfit(f"two derivations of leaf {index} differ: nothing was written")
        secret = key.PrivateKey().Raw().ToBytes()
        yield Leaf(account_index, index, address, templates.wrap_leaf(tokens.vault, kek, secret))
        if (index + 1) % 1000 == 0:
            say(f"Account {account_index}: {index + 1} leaf keys wrapped.")


def _try_leaves(tokens: Tokens, leaves: list[Leaf]) -> None:
    keyring = Keyring(tokens.signer)
    for leaf in leaves:
        keyring.leaf(leaf.address, leaf.wrapped, b"\x01" * 32)
