"""A stored receipt's events, read back from its RLP. Positions count within the transaction."""

from typing import Any, cast

import rlp

from strongroom.chain.ports import Log


def decode_logs(receipt: bytes) -> tuple[Log, ...]:
    """The events of a receipt as it stands in the trie (type byte first unless legacy)."""
    body = receipt if receipt[0] >= 0xC0 else receipt[1:]
    fields = cast("list[Any]", rlp.decode(body))
    return tuple(
        Log(position, bytes(address), tuple(bytes(topic) for topic in topics), bytes(data))
        for position, (address, topics, data) in enumerate(fields[3])
    )
