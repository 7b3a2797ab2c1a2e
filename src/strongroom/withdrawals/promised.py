"""What a wallet has promised: money of orders that are not through yet. The ledger holds it at the
client's account; here it is counted by the wallet that will pay.
"""

from typing import Final
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.ledger import service as ledger
from strongroom.wallets import service as wallets

_PROMISED: Final = """
    SELECT wallet, asset, sum(units) FROM withdrawal
    WHERE organisation_id = %(own)s AND held GROUP BY wallet, asset
    UNION ALL
    SELECT wallet, %(coin)s, sum((fields ->> 'maxFeeWei')::numeric) FROM withdrawal
    WHERE organisation_id = %(own)s AND held AND wallet_kind <> 'vault' GROUP BY wallet
"""


def free(uow: UnitOfWork, organisation_id: UUID, chain_id: int) -> dict[tuple[bytes, str], int]:
    """Units by (wallet, asset) that lie there by the books and are not promised; never negative."""
    prefix = f"custody:{chain_id}:0x"
    found = {
        (bytes.fromhex(one.code.removeprefix(prefix)), one.asset): one.available
        for one in ledger.balances(uow, organisation_id)
        if one.code.startswith(prefix)
    }
    asked = {"own": organisation_id, "coin": wallets.native_asset(uow, chain_id)}
    for wallet, asset, units in uow.execute(_PROMISED, asked).fetchall():
        place = bytes(wallet), str(asset)
        found[place] = found.get(place, 0) - int(units)
    return {place: max(units, 0) for place, units in found.items()}
