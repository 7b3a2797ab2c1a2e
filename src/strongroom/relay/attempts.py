"""Which transactions are attempts of ours: asked of every block that concerns us."""

from collections.abc import Collection

from strongroom.db import arrays
from strongroom.db.database import UnitOfWork


def among(uow: UnitOfWork, hashes: Collection[bytes]) -> list[bytes]:
    """Those of these transaction hashes that are attempts of ours, in their order by bytes."""
    if not hashes:
        return []
    found = uow.execute(
        "SELECT hash FROM outgoing_attempt WHERE hash = ANY(%s::bytea[]) ORDER BY hash",
        (arrays.octets(hashes),),
    )
    return [row[0] for row in found]
