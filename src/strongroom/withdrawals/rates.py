"""Prices that the sources of the signed policy stated: kept, verified whenever they are used.

A price may only make rules stricter or a page more telling; the signer verifies it once more.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.db.database import UnitOfWork
from strongroom.policy import service as policy
from strongroom.withdrawals.errors import RateNotTaken
from strongroom.withdrawals.models import Rate
from strongroom_protocol import rates
from strongroom_protocol.amounts import Amount, grouped
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.rates import RateStatement


def take(uow: UnitOfWork, organisation_id: UUID, document: object, signature: str) -> RateStatement:
    """Keep a source's newest price of an asset; an older one than is there changes nothing.

    Raises RateNotTaken (no source of the policy signed it, or it is from the future).
    """
    bundle = policy.active(uow, organisation_id).bundle
    try:
        found = rates.open_rate(bundle.rates, document, from_hex(signature, 64, field="signature"))
    except ProtocolError as error:
        raise RateNotTaken(
            f"{error}. A price is taken only from a source that the signed policy lists, with its "
            "Ed25519 signature over the canonical JSON.",
            detail={"protocol_code": error.code},
        ) from error
    if found.at > int(uow.now.timestamp()):
        raise RateNotTaken("The price is of a time that has not come; set the source's clock.")
    row = insert(Rate).values(
        organisation_id=organisation_id,
        source=found.source,
        asset=found.asset,
        document=found.document(),
        signature=from_hex(signature),
        at=datetime.fromtimestamp(found.at, UTC),
        received_at=uow.now,
    )
    newer = {name: row.excluded[name] for name in ("document", "signature", "at", "received_at")}
    uow.session.execute(
        row.on_conflict_do_update(
            index_elements=["organisation_id", "source", "asset"],
            set_=newer,
            where=Rate.at < row.excluded.at,
        )
    )
    return found


def statements(uow: UnitOfWork, organisation_id: UUID, bundle: Bundle) -> list[RateStatement]:
    """Every price that is there and that the policy's own sources signed; old ones, too."""
    found = []
    for row in _rows(uow, organisation_id):
        try:
            found.append(rates.open_rate(bundle.rates, row.document, row.signature))
        except ProtocolError:
            continue  # of a source that the policy lists no more
    return found


def evidence(uow: UnitOfWork, bundle: Bundle, organisation_id: UUID) -> dict[str, Any]:
    """The same as the signer is given them, which opens them by itself; nothing where the policy
    reckons in no currency.
    """
    if bundle.rates is None:
        return {}
    listed = {one.name for one in bundle.rates.sources}
    found = [
        {"document": row.document, "signature": to_hex(row.signature)}
        for row in _rows(uow, organisation_id)
        if row.source in listed
    ]
    return {"rates": found}


def value_units(
    uow: UnitOfWork, organisation_id: UUID, bundle: Bundle, asset: str, units: int
) -> int | None:
    """What it is worth in minor units of the policy's currency; None = no two fresh rates agree."""
    if bundle.rates is None:
        return None
    found = statements(uow, organisation_id, bundle)
    return rates.value_units(bundle.rates, found, asset, units, int(uow.now.timestamp()))


def worth(
    uow: UnitOfWork, organisation_id: UUID, bundle: Bundle, asset: str, units: int
) -> str | None:
    """The same in words: `about 1,250.00 USD`."""
    found = value_units(uow, organisation_id, bundle, asset, units)
    if found is None or bundle.rates is None:
        return None
    currency = bundle.rates.currency
    return f"about {grouped(Amount(found, currency))} {currency.symbol}"


def _rows(uow: UnitOfWork, organisation_id: UUID) -> list[Rate]:
    return list(
        uow.session.scalars(
            select(Rate)
            .where(Rate.organisation_id == organisation_id)
            .order_by(Rate.asset, Rate.source)
        )
    )
