"""Compares what the books say with what the chain said of the same finalized block.

The indexer read the balances (it may reach nodes); this joins them to the ledger. A difference
freezes the account and opens an alert: nothing leaves it until people have looked.
"""

from typing import Final
from uuid import UUID

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.indexer import service as indexer
from strongroom.kit.ids import HOUSE
from strongroom.kit.metrics import counter, gauge
from strongroom.ledger import service as ledger
from strongroom.reconciliation import rules
from strongroom.reconciliation.models import ReconciliationRowModel, ReconciliationRun
from strongroom.reconciliation.rules import Compared
from strongroom.reconciliation.types import ReconciliationRow
from strongroom.screening import service as screening
from strongroom.wallets import service as wallets

ADDRESS_BEGIN: Final = -40


def run(uow: UnitOfWork, chain_id: int, height: int) -> int:
    """Compare at a finalized block whose balances were read; gives the number of differences.

    A unit for all organisations. Repeatable: a block is compared once.
    """
    snapshot = indexer.balances_at(uow, chain_id, height)
    if snapshot is None or _compared_before(uow, chain_id, height):
        return 0
    watched = wallets.watched_among(uow, chain_id, {item.address for item in snapshot.balances})
    chain = {
        (owner.organisation_id, owner.custody_code, item.asset): item.units
        for item in snapshot.balances
        if (owner := watched.get(item.address)) is not None
    }
    compared = rules.compare(ledger.custody_at(uow, chain_id, height), chain)
    differing = [item for item in compared if item.difference != 0]
    run_id = uow.new_id()
    uow.session.add(
        ReconciliationRun(
            id=run_id,
            chain_id=chain_id,
            height=height,
            block_hash=snapshot.block_hash,
            accounts=len(compared),
            differences=len(differing),
            compared_at=uow.now,
        )
    )
    uow.session.flush()
    uow.session.add_all(
        _row(uow, run_id, chain_id, snapshot.block_hash, height, item) for item in compared
    )
    for item in differing:
        _freeze(uow, item, height)
    body = {"chain_id": chain_id, "height": height, "accounts": len(compared)}
    auditlog.append(
        uow,
        "reconciliation.compared",
        f"block:{chain_id}:{height}",
        {**body, "differences": len(differing)},
        organisation_id=HOUSE,
    )
    chain_label = (str(chain_id),)
    gauge("strongroom_reconciliation_height", "Block last compared.", ("chain",)).labels(
        *chain_label
    ).set(height)
    counter("strongroom_reconciliation_differences_total", "Differences found.").inc(len(differing))
    return len(differing)


def latest(uow: UnitOfWork) -> list[ReconciliationRow]:
    """All rows of the newest comparison that has rows of the unit's organisation."""
    found = uow.execute(
        "SELECT height, block_hash, custody_code, asset, ledger_units, chain_units, difference,"
        " compared_at FROM reconciliation_row"
        " WHERE organisation_id = %(org)s AND run_id ="
        " (SELECT run_id FROM reconciliation_row WHERE organisation_id = %(org)s"
        "  ORDER BY height DESC, id DESC LIMIT 1) ORDER BY asset, custody_code",
        {"org": uow.organisation_id},
    )
    return [
        ReconciliationRow(
            height=height,
            block_hash=block_hash,
            custody_code=code,
            address=bytes.fromhex(code[ADDRESS_BEGIN:]),
            asset=asset,
            ledger_units=int(ledger_units),
            chain_units=int(chain_units),
            difference=int(difference),
            compared_at=compared_at,
        )
        for (
            height,
            block_hash,
            code,
            asset,
            ledger_units,
            chain_units,
            difference,
            compared_at,
        ) in found
    ]


def _compared_before(uow: UnitOfWork, chain_id: int, height: int) -> bool:
    found = uow.execute(
        "SELECT 1 FROM reconciliation_run WHERE chain_id = %s AND height = %s", (chain_id, height)
    ).fetchone()
    return found is not None


def _row(
    uow: UnitOfWork, run_id: UUID, chain_id: int, block_hash: bytes, height: int, item: Compared
) -> ReconciliationRowModel:
    organisation_id, custody_code, asset = item.account
    return ReconciliationRowModel(
        organisation_id=organisation_id,
        id=uow.new_id(),
        run_id=run_id,
        chain_id=chain_id,
        height=height,
        block_hash=block_hash,
        custody_code=custody_code,
        asset=asset,
        ledger_units=item.ledger_units,
        chain_units=item.chain_units,
        difference=item.difference,
        compared_at=uow.now,
    )


def _freeze(uow: UnitOfWork, item: Compared, height: int) -> None:
    organisation_id, custody_code, asset = item.account
    reason = (
        f"At final block {height} the chain holds {item.chain_units} and the books "
        f"{item.ledger_units}: a difference of {item.difference}."
    )
    fresh = wallets.freeze(
        uow,
        organisation_id=organisation_id,
        custody_code=custody_code,
        asset=asset,
        reason=reason,
    )
    if fresh:
        screening.open_alert(
            uow,
            organisation_id=organisation_id,
            kind="reconciliation.difference",
            subject=custody_code,
            reference=f"{custody_code}:{asset}:{height}",
            detail={"reason": reason, "asset": asset, "difference": str(item.difference)},
        )
