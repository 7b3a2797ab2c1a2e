"""A person's own Ethereum key, on the person's own machine: it signs what the person means.

Every method builds its typed data from the caller's meaning. Digests that the server also states
are compared; a difference is a Refused, and nothing is signed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak
from rfc8785 import dumps

from strongroom_client import intents
from strongroom_client.errors import Refused


def digest(data: dict[str, Any]) -> bytes:
    """Return the 32-byte EIP-712 digest of typed data."""
    message = _encode(data)
    return keccak(b"\x19" + message.version + message.header + message.body)


def _encode(data: dict[str, Any]) -> SignableMessage:
    return encode_typed_data(full_message=data)


class Signatory:
    """One person with a key of their own, which the service never sees."""

    def __init__(self, private_key: str | bytes) -> None:
        self._account = Account.from_key(private_key)

    @classmethod
    def create(cls) -> "Signatory":
        """Return a person with a new random key."""
        return cls(Account.create().key)

    @property
    def address(self) -> str:
        """The person's Ethereum address, EIP-55."""
        return str(self._account.address)

    def export_key(self) -> str:
        """Return the private key as hex, for the person's own keeping."""
        return "0x" + bytes(self._account.key).hex()

    def sign(self, data: dict[str, Any]) -> str:
        """Sign EIP-712 data that the person built; 65 bytes as hex, v 27 or 28, low s."""
        return "0x" + bytes(self._account.sign_message(_encode(data)).signature).hex()

    def sign_withdrawal(
        self, intent: Mapping[str, Any], chain_id: int, meant: intents.Payment
    ) -> str:
        """Sign a withdrawal's intent, if it pays what is meant. Raises Refused."""
        shown = intents.Payment(intent["to"], intent["token"], int(intent["units"]))
        if shown != meant:
            raise Refused(f"The intent pays {shown}, and you mean {meant}; nothing was signed.")
        return self.sign(intents.withdrawal(intent, chain_id))

    def approve_payment(
        self,
        intent: Mapping[str, Any],
        vault: str,
        safe_nonce: int,
        chain_id: int,
        meant: intents.Payment,
    ) -> dict[str, str]:
        """Sign the SafeTx and the readable VaultPayment of a payment. Raises Refused.

        Returns `safe_tx_signature` and `payment_signature` as hex.
        """
        shown = intents.Payment(intent["to"], intent["token"], int(intent["units"]))
        if shown != meant or intent["wallet"] != vault:
            raise Refused(f"The request pays {shown}, and you mean {meant}; nothing was signed.")
        safe_tx = intents.safe_payment(meant, vault, safe_nonce, chain_id)
        return self._both(intent, chain_id, meant, safe_tx)

    def approve_in_batch(
        self,
        intent: Mapping[str, Any],
        chain_id: int,
        meant: intents.Payment,
        *,
        vault: str,
        safe_nonce: int,
        batch: Sequence[intents.Payment],
        multi_send: str,
    ) -> dict[str, str]:
        """Sign the same for one of several payments that a single SafeTx makes: `batch` are all of
        them, as they are meant, `multi_send` is MultiSendCallOnly's known address. Raises Refused.
        """
        shown = intents.Payment(intent["to"], intent["token"], int(intent["units"]))
        if shown != meant or intent["wallet"] != vault or list(batch).count(meant) != 1:
            raise Refused(f"The request pays {shown}, and you mean {meant}; nothing was signed.")
        safe_tx = intents.safe_batch(batch, multi_send, vault, safe_nonce, chain_id)
        return self._both(intent, chain_id, meant, safe_tx)

    def _both(
        self,
        intent: Mapping[str, Any],
        chain_id: int,
        meant: intents.Payment,
        safe_tx: dict[str, Any],
    ) -> dict[str, str]:
        message = {
            "intent": digest(intents.withdrawal(intent, chain_id)),
            "safeTxHash": digest(safe_tx),
            "to": meant.to,
            "token": meant.token,
            "units": meant.units,
        }
        payment = intents.typed_data("VaultPayment", intents.VAULT_PAYMENT, message, chain_id)
        return {
            "safe_tx_signature": self.sign(safe_tx),
            "payment_signature": self.sign(payment),
        }

    def approve_order(
        self, intent: Mapping[str, Any], wallet: str, chain_id: int, meant: intents.Payment
    ) -> dict[str, str]:
        """Sign the order itself, which approves a spending key's payment. Raises Refused."""
        if intent["wallet"] != wallet:
            raise Refused(f"The order pays from {intent['wallet']}; nothing was signed.")
        return {"signature": self.sign_withdrawal(intent, chain_id, meant)}

    def reject(self, intent: Mapping[str, Any], chain_id: int, reason: str) -> str:
        """Sign a final refusal of a withdrawal, with its reason."""
        message = {"intent": digest(intents.withdrawal(intent, chain_id)), "reason": reason}
        return self.sign(intents.typed_data("Rejection", intents.REJECTION, message, chain_id))

    def sign_bundle(self, bundle: Mapping[str, Any]) -> str:
        """Sign a policy bundle: its organisation, version, previous and the hash of all of it."""
        message = {
            "organisation": bytes.fromhex(bundle["organisation"][2:]),
            "version": int(bundle["version"]),
            "previous": bytes.fromhex(bundle["previous"][2:]),
            "content": content_hash(bundle),
        }
        chain_id = int(bundle["chain_id"])
        data = intents.typed_data("PolicyBundle", intents.POLICY_BUNDLE, message, chain_id)
        return self.sign(data)

    def sign_manifest(self, manifest: Mapping[str, Any], chain_id: int) -> str:
        """Sign a ceremony's manifest as a custody officer."""
        message = {
            "accountIndex": int(manifest["account_index"]),
            "root": bytes.fromhex(manifest["root"][2:]),
            "count": int(manifest["count"]),
            "xpubHash": bytes.fromhex(manifest["xpub_hash"][2:]),
        }
        data = intents.typed_data("CustodyManifest", intents.CUSTODY_MANIFEST, message, chain_id)
        return self.sign(data)


def content_hash(document: Mapping[str, Any]) -> bytes:
    """Return keccak-256 of the document's RFC 8785 bytes: a genesis's hash is its id."""
    return keccak(dumps(dict(document)))


def provenance_signer(
    organisation: str, path: str, address: str, signature: str, chain_id: int
) -> str:
    """Return who signed an address's provenance: compare it with the custodian's published key."""
    message = {
        "organisation": bytes.fromhex(organisation[2:]),
        "path": path,
        "account": address,
    }
    data = intents.typed_data("AddressProvenance", intents.ADDRESS_PROVENANCE, message, chain_id)
    return str(Account.recover_message(_encode(data), signature=signature))
