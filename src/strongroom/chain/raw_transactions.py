"""Whom a transaction pays, read from its own bytes (EIP-2718): what a root commits to, not what a
node says beside it. Positions: legacy, EIP-2930, EIP-1559, EIP-4844, EIP-7702.
"""

from typing import Any, Final

import rlp
from rlp.exceptions import RLPException

from strongroom.chain.errors import NodeLied

_TO_AT: Final = {1: 4, 2: 5, 3: 5, 4: 5}
_LEGACY_TO_AT: Final = 3
_LEGACY_FROM: Final = 0xC0


def payment_of(raw: bytes) -> tuple[bytes, int] | None:
    """Recipient (empty = a creation) and wei; None for a kind that is not known here.

    Raises NodeLied when the bytes are no transaction.
    """
    if not raw:
        raise NodeLied("The node gave an empty transaction.")
    legacy = raw[0] >= _LEGACY_FROM
    to_at = _LEGACY_TO_AT if legacy else _TO_AT.get(raw[0])
    if to_at is None:
        return None
    try:
        fields: Any = rlp.decode(raw if legacy else raw[1:])
        to, value = fields[to_at], fields[to_at + 1]
        return bytes(to), int.from_bytes(value, "big")
    except (RLPException, LookupError, TypeError, ValueError) as error:
        raise NodeLied("The node gave bytes that are no transaction.") from error
