"""A signature that is not over what was asked: what was it over? Asked only once it is refused.

A signature recovers to its maker only over the bytes that were signed, so the likely mistakes are
tried one by one: another number, another chain, another vault, and the old prefix of eth_sign.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from strongroom.withdrawals import encoding, errors, wallet
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.types import Kind
from strongroom_protocol import safe
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import VaultPayment
from strongroom_protocol.signatures import Signature, recover

NONCES_TRIED: Final = 16
"""Before and after the right one: what a device that was left open may still show."""
WALLETS_TRIED: Final = 64
CHAINS: Final = (1, 10, 56, 100, 137, 8453, 42161, 11155111, 31337, 1337, 0)
"""Where wallets are found by default; 0 is a wallet that fills in none."""

Refusal = errors.SignatureOverOtherBytes


def refusal(
    row: Withdrawal, kind: Kind, bundle: Bundle, address: Address, texts: Iterable[str]
) -> Refusal:
    """The error that says best what was signed instead; `texts`: the signatures, as they came."""
    right = wallet.to_sign(row, kind, bundle.chain_id)
    digests = [right.digest]
    if right.readable is not None:
        digests.append(right.readable.digest(bundle.chain_id))
    signatures = [encoding.read(text, "the transaction") for text in texts]
    for digest in digests:
        prefixed = keccak256(b"\x19Ethereum Signed Message:\n32" + digest)
        if _made(prefixed, signatures, address):
            return errors.SignaturePrefixed(
                "The bytes were signed by eth_sign or personal_sign, which may sign anything. "
                "Sign the typed data by eth_signTypedData_v4."
            )
    for digest, error in _others(row, kind, bundle):
        if _made(digest, signatures, address):
            return error
    return errors.SignatureOverOtherBytes(
        f"The signature is not {checksum(address)}'s over these bytes: another key, or changed "
        "bytes, were signed. Fetch what is to be signed again."
    )


def _made(digest: bytes, signatures: list[Signature], address: Address) -> bool:
    for one in signatures:
        try:
            if recover(digest, one) == address:
                return True
        except ProtocolError:
            continue
    return False


def _others(row: Withdrawal, kind: Kind, bundle: Bundle) -> Iterator[tuple[bytes, Refusal]]:
    if wallet.is_spending(row):
        yield from _other_orders(row, bundle)
        return
    tx, vault, chain_id = wallet.safe_tx_of(row, kind), Address(row.wallet), bundle.chain_id
    for nonce in _nonces(tx.nonce):
        other = replace(tx, nonce=nonce)
        error = errors.SignatureForAnotherNonce(
            f"This signs number {nonce} of the vault's transactions; asked for is number "
            f"{tx.nonce}. Fetch what is to be signed again."
        )
        yield from _forms(row, kind, chain_id, vault, other, error)
    twin = wallet.to_sign(row, kind, chain_id).readable
    for chain in _chains(chain_id):
        yield from _forms(row, kind, chain, vault, tx, _another_chain(chain, chain_id))
        if twin is not None:
            yield twin.digest(chain), _another_chain(chain, chain_id)
    for place in _wallets(row, bundle):
        found = errors.SignatureForAnotherVault(
            f"This signs for the vault {checksum(place)}; asked for is {checksum(vault)}."
        )
        other = safe.rejection_safe_tx(place, tx.nonce) if kind == "rejection" else tx
        yield from _forms(row, kind, chain_id, place, other, found)


def _forms(
    row: Withdrawal, kind: Kind, chain_id: int, vault: Address, tx: safe.SafeTx, error: Refusal
) -> Iterator[tuple[bytes, Refusal]]:
    """The Safe transaction, and the readable payment that belongs to it."""
    tx_hash = safe.safe_tx_hash(chain_id, vault, tx)
    yield tx_hash, error
    if kind == "payment":
        order = wallet.intent_of(row)
        twin = VaultPayment(row.intent, tx_hash, order.to, order.token, row.units)
        yield twin.digest(chain_id), error


def _other_orders(row: Withdrawal, bundle: Bundle) -> Iterator[tuple[bytes, Refusal]]:
    order = wallet.intent_of(row)
    for chain in _chains(bundle.chain_id):
        yield order.digest(chain), _another_chain(chain, bundle.chain_id)
    for place in _wallets(row, bundle):
        if place in (order.to, order.token, ZERO):
            continue
        digest = replace(order, wallet=place).digest(bundle.chain_id)
        error = errors.SignatureForAnotherVault(
            f"This signs an order of the wallet {checksum(place)}; asked for is one of "
            f"{checksum(order.wallet)}."
        )
        yield digest, error


def _another_chain(found: int, wanted: int) -> Refusal:
    return errors.SignatureForAnotherChain(
        f"This signs for chain {found}; asked for is chain {wanted}. Choose the right network in "
        "your wallet and sign again."
    )


def _nonces(right: int) -> Iterator[int]:
    for nonce in range(max(0, right - NONCES_TRIED), right + NONCES_TRIED + 1):
        if nonce != right:
            yield nonce


def _chains(right: int) -> Iterator[int]:
    yield from (one for one in CHAINS if one != right)


def _wallets(row: Withdrawal, bundle: Bundle) -> list[Address]:
    """Other wallets that the signed policy names: own keys, and addresses of the book."""
    found = [key.address for key in bundle.spending]
    found += [entry.address for entry in bundle.address_book]
    return [one for one in [ZERO, *found] if one != row.wallet][:WALLETS_TRIED]
