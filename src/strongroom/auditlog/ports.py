"""What the log needs from above: somebody who signs its heads."""

from collections.abc import Sequence
from typing import Protocol


class CheckpointSigner(Protocol):
    """Signs a head, after checking by itself that it continues the last one it signed."""

    def sign(self, size: int, root: bytes, consistency_proof: Sequence[bytes]) -> str:
        """The C2SP note. Asked again for the size and root it signed last, it gives the same note.

        The proof leads from the last signed size to this one (empty from size 0).
        """
        ...
