"""No key is used unless two encoders, written apart, made the same 32 bytes of it.

Operations hand a digest to the keyring only as it comes from here. Each function raises Refused
"encoders_differ", and the protocol's own errors for what must not be signed at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from strongroom_protocol.addresses import Address
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.intents import AddressProvenance, FiatPermit, Intent
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import Payment, SafeTx, safe_tx_hash
from strongroom_protocol.token_audit import TokenAudit
from strongroom_protocol.transactions import (
    Authorization,
    LegacyTransaction,
    SetCodeTransaction,
    SignedAuthorization,
    Transaction1559,
)
from strongroom_protocol.vault_changes import Change
from strongroom_signer import second
from strongroom_signer.errors import Refused

Signable = Authorization | LegacyTransaction | Transaction1559 | SetCodeTransaction
Encoder = Callable[..., bytes]
# More than a batch signs.
AGREED_MAX = 1024
_TRANSACTIONS: Mapping[type, Encoder] = {
    Authorization: second.authorization,
    LegacyTransaction: second.legacy,
    Transaction1559: second.type_2,
    SetCodeTransaction: second.type_4,
}
_STATEMENTS: Mapping[type, Encoder] = {
    AddressProvenance: second.provenance,
    FiatPermit: second.fiat_permit,
    TokenAudit: second.token_audit,
}


@lru_cache(maxsize=AGREED_MAX)
def agreed(signable: Signable) -> bytes:
    """What the sender of a transaction, or an account that delegates, signs. It is asked for when
    the transaction is entered and when it is signed: the very same fields, encoded twice once.
    """
    return _same(signable.signing_hash(), _TRANSACTIONS[type(signable)], _plain(signable))


def agreed_statement(chain_id: int, statement: Intent) -> bytes:
    """What a key of the token signs in the Strongroom domain."""
    plain = {"chain_id": chain_id, **_plain(statement)}
    return _same(statement.digest(chain_id), _STATEMENTS[type(statement)], plain)


def agreed_permit(chain_id: int, guard: Address, permit: Permit) -> bytes:
    """What the permit key signs for a vault's guard."""
    plain = {"chain_id": chain_id, "guard": guard, **_plain(permit)}
    return _same(permit.digest(chain_id, guard), second.permit, plain)


def agreed_payment(chain_id: int, safe: Address, tx: SafeTx, payment: Payment) -> bytes:
    """The Safe transaction's hash: the second encoder makes it from what is paid, not from `tx`.
    Nothing paid to the Safe itself is a rejection.
    """
    plain = {"chain_id": chain_id, "safe": safe, "nonce": tx.nonce, **_plain(payment)}
    return _same(safe_tx_hash(chain_id, safe, tx), second.payment, plain)


def agreed_batch(
    chain_id: int, safe: Address, tx: SafeTx, payments: Sequence[Payment], multi_send: Address
) -> bytes:
    """The same for several payments in one; the second encoder packs them itself."""
    paid = [(one.token, one.to, one.units) for one in payments]
    plain = {"chain_id": chain_id, "safe": safe, "nonce": tx.nonce, "multi_send": multi_send}
    return _same(safe_tx_hash(chain_id, safe, tx), second.batch, {**plain, "payments": paid})


def agreed_change(
    chain_id: int,
    tx: SafeTx,
    change: Change,
    phase: str,
    *,
    vault: Address,
    guard: Address,
    deployment: Deployment,
) -> bytes:
    """The hash of a step that changes the vault; the second encoder makes it from the change."""
    where = {"chain_id": chain_id, "safe": vault, "installed": guard, "nonce": tx.nonce}
    plain = {**where, "multi_send": deployment.multi_send, "phase": phase, **_plain(change)}
    plain["limits"] = [(limit.token, limit.day_units) for limit in change.limits]
    return _same(safe_tx_hash(chain_id, vault, tx), second.vault_change, plain)


def _plain(item: Any) -> dict[str, Any]:
    """Its fields by name; an authorisation that is carried becomes its six numbers."""
    plain = {field.name: getattr(item, field.name) for field in fields(item)}
    if "authorizations" in plain:
        plain["authorizations"] = [_six(signed) for signed in plain["authorizations"]]
    return plain


def _six(signed: SignedAuthorization) -> tuple[int, bytes, int, int, int, int]:
    inner, signature = signed.authorization, signed.signature
    head = (inner.chain_id, inner.delegate, inner.nonce)
    return (*head, signature.y_parity, signature.r, signature.s)


def _same(first: bytes, encoder: Encoder, plain: dict[str, Any]) -> bytes:
    try:
        again = encoder(**plain)
    except (OverflowError, TypeError, ValueError) as error:
        again = type(error).__name__.encode()
    if first != again:
        raise Refused(
            "encoders_differ",
            f"the two encoders make different bytes of this ({encoder.__name__}), so nothing was "
            "signed: the program is at fault, stop it and report this",
        )
    return first
