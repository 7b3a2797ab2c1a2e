"""What may be swept: credited, final deposits by address and asset, with their clearances."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy import select

from strongroom.db.database import UnitOfWork
from strongroom.deposits.models import Deposit
from strongroom.screening import service as screening
from strongroom.wallets import service as wallets
from strongroom.wallets.types import AddressView
from strongroom_protocol.addresses import ZERO, checksum
from strongroom_protocol.encoding import to_hex

CLEARANCES_MAX: Final = 100
"""Deposits of one address and token in one transaction: the signer's own bound."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address that holds something of one asset that may go; `token` None: the coin."""

    address: bytes
    token: bytes | None
    asset: str


@dataclass(frozen=True, slots=True)
class Item:
    """One place as the signer is asked to sweep it, and the deposits that it takes along."""

    view: AddressView
    token: bytes | None
    units: int
    clearances: tuple[Mapping[str, Any], ...]
    rows: tuple[Deposit, ...]

    def fields(self) -> dict[str, Any]:
        """token, units, clearances, as the signer names them."""
        return {
            "token": checksum(self.token or ZERO),
            "units": str(self.units),
            "clearances": [dict(each) for each in self.clearances],
        }


def places(uow: UnitOfWork, chain_id: int, minimums: Mapping[str, int], limit: int) -> list[Place]:
    """Places of the unit's organisation with at least the minimum, not frozen; oldest first."""
    found = uow.execute(
        "SELECT address, token, asset, min(custody_code) FROM deposit"
        " WHERE organisation_id = %(org)s AND chain_id = %(chain)s"
        " AND disposition = 'credited' AND chain_state = 'finalized'"
        " AND address_kind = 'deposit' AND swept_at IS NULL AND sweep_id IS NULL"
        " GROUP BY address, token, asset"
        " HAVING sum(units) >= coalesce((%(minimums)s::jsonb ->> asset)::numeric, 0)"
        " ORDER BY min(height), address, asset LIMIT %(limit)s",
        {
            "org": uow.organisation_id,
            "chain": chain_id,
            "minimums": Jsonb({asset: str(Decimal(units)) for asset, units in minimums.items()}),
            "limit": limit,
        },
    ).fetchall()
    frozen = {(view.custody_code, view.asset) for view in wallets.freezes(uow)}
    return [
        Place(address, token, asset)
        for address, token, asset, code in found
        if (code, asset) not in frozen
    ]


def items(uow: UnitOfWork, chain_id: int, wanted: Iterable[Place]) -> list[Item]:
    """The places' items, their deposits locked. Without a given-out address or a clearance that is
    good now there is none.
    """
    wanted = list(wanted)
    views = {
        view.address: view
        for view in wallets.addresses(uow, among={place.address for place in wanted})
    }
    found = []
    for place in wanted:
        view = views.get(place.address)
        rows = _rows(uow, chain_id, place) if view is not None else []
        cleared = [(row, document) for row in rows if (document := _clearance(uow, row))]
        if view is not None and cleared:
            found.append(
                Item(
                    view=view,
                    token=place.token,
                    units=sum(row.units for row, _ in cleared),
                    clearances=tuple(document for _, document in cleared),
                    rows=tuple(row for row, _ in cleared),
                )
            )
    return found


def _rows(uow: UnitOfWork, chain_id: int, place: Place) -> list[Deposit]:
    return list(
        uow.session.scalars(
            select(Deposit)
            .where(
                Deposit.organisation_id == uow.organisation_id,
                Deposit.chain_id == chain_id,
                Deposit.address == place.address,
                Deposit.asset == place.asset,
                Deposit.disposition == "credited",
                Deposit.chain_state == "finalized",
                Deposit.swept_at.is_(None),
                Deposit.sweep_id.is_(None),
            )
            .order_by(Deposit.id)
            .limit(CLEARANCES_MAX)
            .with_for_update()
        )
    )


def _clearance(uow: UnitOfWork, row: Deposit) -> Mapping[str, Any] | None:
    if row.screening_request_id is None:
        return None
    view = screening.clearance(uow, row.screening_request_id)
    if view.document is None or view.signature is None:
        return None
    return {"document": dict(view.document), "signature": to_hex(view.signature)}
