"""Single-use addresses: what comes after the first payment is held until people accept it."""

from collections.abc import Sequence

from strongroom.db.database import UnitOfWork
from strongroom.deposits import repository, settings
from strongroom.deposits.repository import Row
from strongroom.deposits.terms import terms
from strongroom.screening import service as screening
from strongroom.wallets import service as wallets
from strongroom.wallets.types import Attribution


def hold(uow: UnitOfWork, rows: Sequence[Row]) -> None:
    """Hold those of a chain's new deposits, in the order of their blocks, that are not the first of
    a single-use address, and alert.

    Dust counts for nothing, or a stranger could use up a customer's address with one unit.
    """
    paid = [row for row in rows if row["asset"] is not None and row["address_kind"] == "deposit"]
    whose: dict[bytes, Attribution] = {}
    if paid:
        whose = wallets.attributions(uow, {row["address"] for row in paid})
    single = [address for address, found in whose.items() if found.reuse == "hold"]
    if not single:
        return
    standing = settings.standing_rules(uow, {row["organisation_id"] for row in paid})

    def is_dust(row: Row) -> bool:
        of = (row["organisation_id"], row["chain_id"], row["asset"] or "", row["units"])
        return bool(row["units"] < terms(standing, *of).dust_units)

    used = {
        row.address
        for row in repository.booked_at(uow, paid[0]["chain_id"], single)
        if not is_dust(repository.columns(row))
    }
    for row in paid:
        if row["address"] not in single or is_dust(row):
            continue
        if row["address"] in used:
            _hold(uow, row)
        used.add(row["address"])


def _hold(uow: UnitOfWork, row: Row) -> None:
    row["held"] = "reuse"
    row["awaits"] = (
        "Held: its address was given out for one payment and had one before. Accept it, or pay it "
        "back to whom it belongs."
    )
    screening.open_alert(
        uow,
        organisation_id=row["organisation_id"],
        kind="deposits.address_reused",
        subject="0x" + row["address"].hex(),
        reference=str(row["id"]),
        detail={
            "reason": row["awaits"],
            "customer_reference": row["customer_reference"],
            "asset": row["asset"],
            "units": str(row["units"]),
            "tx": "0x" + row["tx_hash"].hex(),
        },
    )
