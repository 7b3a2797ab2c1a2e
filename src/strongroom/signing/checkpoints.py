"""The audit log's port to the signer: a note over size and root, by the log key."""

from collections.abc import Sequence

from strongroom.signing.client import SignerClient
from strongroom_protocol.encoding import to_hex


class SignerCheckpoints:
    """auditlog's CheckpointSigner, by the signer's operation `checkpoint`."""

    def __init__(self, client: SignerClient) -> None:
        """`client` reaches the signer."""
        self._client = client

    def sign(self, size: int, root: bytes, consistency_proof: Sequence[bytes]) -> str:
        """The signed note. Raises SignerRefused (it would rewrite or fork), SignerUnavailable."""
        answer = self._client.checkpoint(
            {
                "size": size,
                "root": to_hex(root),
                "consistency_proof": [to_hex(node) for node in consistency_proof],
            }
        )
        return str(answer["note"])
