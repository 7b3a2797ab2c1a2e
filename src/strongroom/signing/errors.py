"""What the signer, or the way to it, can answer instead of a signature."""

from typing import ClassVar

from strongroom.kit.errors import Conflict, Unavailable


class SignerUnavailable(Unavailable):
    """Nobody answers at the socket, or the token is away. The same request may be sent again."""

    code = "signing.unavailable"


class SignerRefused(Conflict):
    """The signer looked at the evidence and said no; the same evidence gets the same answer."""

    code: ClassVar[str] = "signing.refused"

    def __init__(self, signer_code: str, message: str) -> None:
        """`signer_code` is the signer's own stable code, such as "signer.quorum_missing"."""
        super().__init__(message, detail={"signer_code": signer_code})
        self.signer_code = signer_code
