"""`ceremony account` and `refill`: one hardened account an organisation (BIP-39, BIP-44). Deposit
addresses are m/44'/60'/N'/0/i, spending keys m/44'/60'/N'/1/i.

Private keys are derived from the seed and addresses from the xpub: two ways that must agree for
each key; bip-utils is the third opinion on the first and the last. These two also sign once in the
signer token before anything is written.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import coincurve
from bip_utils import Bip44Changes

from strongroom_protocol import hd, merkle
from strongroom_protocol.addresses import Address, address_of_public_key, checksum
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.encoding import to_hex
from strongroom_signer.ceremony.keks import Say, Tokens
from strongroom_signer.ceremony.seed import opened_seed
from strongroom_signer.ceremony.words import account_of
from strongroom_signer.errors import Unfit
from strongroom_signer.pool import DEPOSIT, SPENDING, Leaf, Pool
from strongroom_signer.token import templates
from strongroom_signer.token.keyring import Keyring

ACCOUNT_MAX = 2**31 - 1
COUNT_MAX = 1_000_000
SPENDING_MAX = 1_000
PROGRESS = 1000


def fill_account(
    tokens: Tokens, pool: Pool, account_index: int, count: int, say: Say, spending: int = 0
) -> dict[str, Any]:
    """Bring the account to `count` deposit and `spending` spending keys; return its manifest.
    Raises Unfit.
    """
    if not (
        0 <= account_index <= ACCOUNT_MAX
        and 0 <= count <= COUNT_MAX
        and 0 <= spending <= SPENDING_MAX
        and count + spending > 0
    ):
        limits = f"count up to {COUNT_MAX}, spending up to {SPENDING_MAX}"
        raise Unfit(f"account index 0 to {ACCOUNT_MAX}, {limits}, and not nothing")
    with opened_seed(tokens.vault) as entropy:
        account = account_of(bytes(entropy), account_index)
        xpub = str(account.PublicKey().ToExtended())
        if pool.xpub(account_index) not in (None, xpub):
            raise Unfit(f"the pool's account {account_index} was derived from another seed")
        leaves: list[Leaf] = []
        for branch, wanted in ((DEPOSIT, count), (SPENDING, spending)):
            have = pool.accounts(branch).get(account_index, 0)
            more = list(wrapped(tokens, account, branch, range(have, wanted), say))
            try_leaves(tokens, more[:1] + more[-1:])
            leaves += more
        pool.add(account_index, xpub, leaves)
    return manifest(pool, account_index, count, spending)


def manifest(pool: Pool, account_index: int, count: int, spending: int = 0) -> dict[str, Any]:
    """What custody officers sign (as CustodyManifest) and the API derives addresses from."""
    xpub = pool.xpub(account_index)
    if xpub is None:
        raise Unfit(f"the key table has no account {account_index}")
    addresses = _checked(pool, xpub, account_index, count, DEPOSIT)
    document = {
        "account_index": account_index,
        "xpub": xpub,
        "xpub_hash": to_hex(hd.xpub_hash(xpub)),
        "count": count,
        "root": to_hex(merkle.root(pool.manifest_leaves(account_index, count))),
        "addresses": [checksum(address) for address in addresses],
    }
    if spending:
        keys = _checked(pool, xpub, account_index, spending, SPENDING)
        document["spending"] = [
            {"index": index, "address": checksum(address)} for index, address in enumerate(keys)
        ]
    return document


def write_manifest(path: Path, document: dict[str, Any]) -> None:
    """To a file that only its owner can read: the xpub is confidential."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(canonical_bytes(document) + b"\n")
    part.replace(path)


def wrapped(
    tokens: Tokens, account: Any, branch: int, indexes: range, say: Say, generation: int = 0
) -> Iterator[Leaf]:
    """Those keys of a branch, each derived twice and wrapped under the KEK of `generation` (0: the
    one in use). Raises Unfit when two derivations differ.
    """
    keks = templates.keks(tokens.vault)
    generation = generation or min(keks)
    xpub = str(account.PublicKey().ToExtended())
    account_index = hd.parse_xpub(xpub).child_number - hd.HARDENED
    expected = hd.addresses(xpub, indexes.start, len(indexes), branch)
    secrets = _secrets(account, branch, indexes)
    for index, address, secret in zip(indexes, expected, secrets, strict=True):
        if address != _address(secret):
            raise Unfit(f"two derivations of leaf {index} differ: nothing was written")
        blob = templates.wrap_leaf(tokens.vault, keks[generation], secret)
        yield Leaf(account_index, index, address, blob, branch, generation)
        if (index + 1) % PROGRESS == 0:
            say(f"Account {account_index}: {index + 1} keys wrapped.")


def try_leaves(tokens: Tokens, leaves: Iterable[Leaf]) -> None:
    """Each is unwrapped in the signer token, signs once, and recovers. Raises TokenLost."""
    keyring = Keyring(tokens.signer)
    for leaf in leaves:
        keyring.leaf(leaf.address, leaf.wrapped, b"\x01" * 32, leaf.kek)


def _secrets(account: Any, branch: int, indexes: range) -> Iterator[bytes]:
    """CKDpriv (BIP-32) on libsecp256k1; bip-utils must agree on the first and the last."""
    change = account.Change(Bip44Changes(branch))
    parent = coincurve.PrivateKey(change.PrivateKey().Raw().ToBytes())
    prefix, chain_code = parent.public_key.format(), change.PublicKey().ChainCode().ToBytes()
    for index in indexes:
        digest = hmac.digest(chain_code, prefix + index.to_bytes(4, "big"), "sha512")
        secret = parent.add(digest[:32]).secret
        if index in (indexes[0], indexes[-1]):
            other = change.AddressIndex(index).PublicKey().ToAddress()
            if other != checksum(_address(secret)):
                raise Unfit(f"bip-utils derives another leaf {index}: nothing was written")
        yield secret


def _address(secret: bytes) -> Address:
    return address_of_public_key(coincurve.PublicKey.from_secret(secret).format(compressed=False))


def _checked(pool: Pool, xpub: str, account_index: int, count: int, branch: int) -> list[Address]:
    """The pool's addresses, which must be those of the xpub. Raises Unfit."""
    found = pool.addresses(account_index, count, branch)
    if len(found) != count:
        raise Unfit(f"account {account_index} has {len(found)} keys there, not {count}")
    if found != list(hd.addresses(xpub, 0, count, branch)):
        raise Unfit(f"the key table's addresses of account {account_index} are not its xpub's")
    return found
