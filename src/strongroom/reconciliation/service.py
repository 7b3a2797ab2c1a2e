"""Compares what the books say with what the chain said of the same finalized block.

The indexer read the balances (it may reach nodes); this joins them to the ledger. A difference
freezes the account and opens an alert: nothing leaves it until people have looked.
"""

from typing import Any, Final

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.deposits import service as deposits
from strongroom.indexer import service as indexer
from strongroom.indexer.types import Range
from strongroom.kit.ids import HOUSE
from strongroom.kit.metrics import counter, gauge
from strongroom.ledger import service as ledger
from strongroom.reconciliation import rules
from strongroom.reconciliation.models import ReconciliationRowModel, ReconciliationRun
from strongroom.reconciliation.rules import Account, Compared
from strongroom.reconciliation.types import ReconciliationRow
from strongroom.screening import service as screening
from strongroom.wallets import service as wallets

ADDRESS_BEGIN: Final = -40


def run(
    uow: UnitOfWork,
    chain_id: int,
    height: int,
    *,
    block_hash: bytes,
    part: str = "",
    swept: int = 0,
) -> int:
    """Compare one reading at a finalized block: '' what moved, else a part of the sweep, of which
    `swept` accounts were equal already. Gives the number of differences.

    A unit for all organisations. Repeatable: a reading is compared once.
    """
    if _compared_before(uow, chain_id, block_hash, part):
        return 0
    if indexer.is_orphaned(uow, chain_id, block_hash):
        return 0  # taken back meanwhile: the same height is read again
    snapshot = indexer.balances_at(uow, chain_id, height, block_hash, part)
    watched = wallets.watched_among(uow, chain_id, {item.address for item in snapshot.balances})
    chain = {
        (owner.organisation_id, owner.custody_code, item.asset): item.units
        for item in snapshot.balances
        if (owner := watched.get(item.address)) is not None
    }
    ranges = {
        (owner.custody_code, asset): found
        for (address, asset), found in snapshot.ranges.items()
        if (owner := watched.get(address)) is not None
    }
    codes = sorted({code for _, code, _ in chain})
    compared = rules.compare(ledger.custody_at(uow, chain_id, height, codes=codes), chain)
    differing = [item for item in compared if item.difference != 0]
    if differing:
        waiting = _waiting(uow, chain_id)
        differing = [item for item in differing if item.account not in waiting]
    made = ReconciliationRun(
        id=uow.new_id(),
        chain_id=chain_id,
        height=height,
        block_hash=block_hash,
        accounts=len(compared) + swept,
        differences=len(differing),
        compared_at=uow.now,
        part=part,
        swept=swept,
    )
    uow.session.add(made)
    uow.session.flush()
    uow.session.add_all(_row(uow, made, item, ranges.get(item.account[1:])) for item in compared)
    for item in differing:
        _freeze(uow, item, height, ranges.get(item.account[1:]))
    _record(uow, made)
    return len(differing)


def _waiting(uow: UnitOfWork, chain_id: int) -> set[Account]:
    """Accounts of tokens named a moment ago: what was kept of them is booked in seconds."""
    assets = {
        (token.organisation_id, token.contract): token.asset
        for token in wallets.tokens(uow, chain_id)
    }
    return {
        (organisation_id, code, assets[organisation_id, contract])
        for organisation_id, code, contract in deposits.unbooked(uow, chain_id)
        if (organisation_id, contract) in assets
    }


def _record(uow: UnitOfWork, made: ReconciliationRun) -> None:
    body = {"chain_id": made.chain_id, "height": made.height, "accounts": made.accounts}
    auditlog.append(
        uow,
        "reconciliation.compared",
        f"block:{made.chain_id}:{made.height}",
        {**body, "part": made.part, "differences": made.differences},
        organisation_id=HOUSE,
    )
    height = gauge("strongroom_reconciliation_height", "Block last compared.", ("chain",))
    height.labels(str(made.chain_id)).set(made.height)
    counter("strongroom_reconciliation_differences_total", "Differences found.").inc(
        made.differences
    )


def latest(uow: UnitOfWork) -> list[ReconciliationRow]:
    """The newest comparison of each account of the unit's organisation, by asset and account."""
    found = uow.execute(
        "SELECT DISTINCT ON (asset, custody_code) height, block_hash, custody_code, asset,"
        " ledger_units, chain_units, difference, compared_at, equal_height, differs_height"
        " FROM reconciliation_row WHERE organisation_id = %s"
        " ORDER BY asset, custody_code, height DESC, id DESC",
        (uow.organisation_id,),
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
            equal_height=equal,
            differs_height=differs,
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
            equal,
            differs,
        ) in found
    ]


def _compared_before(uow: UnitOfWork, chain_id: int, block_hash: bytes, part: str) -> bool:
    found = uow.execute(
        "SELECT 1 FROM reconciliation_run WHERE chain_id = %s AND block_hash = %s AND part = %s",
        (chain_id, block_hash, part),
    ).fetchone()
    return found is not None


def _row(
    uow: UnitOfWork, run_: ReconciliationRun, item: Compared, began: Range | None
) -> ReconciliationRowModel:
    organisation_id, custody_code, asset = item.account
    return ReconciliationRowModel(
        organisation_id=organisation_id,
        id=uow.new_id(),
        run_id=run_.id,
        chain_id=run_.chain_id,
        height=run_.height,
        block_hash=run_.block_hash,
        custody_code=custody_code,
        asset=asset,
        ledger_units=item.ledger_units,
        chain_units=item.chain_units,
        difference=item.difference,
        compared_at=uow.now,
        equal_height=None if began is None else began.equal_height,
        differs_height=None if began is None else began.differs_height,
    )


def _freeze(uow: UnitOfWork, item: Compared, height: int, began: Range | None) -> None:
    organisation_id, custody_code, asset = item.account
    reason = (
        f"At final block {height} the chain holds {item.chain_units} and the books "
        f"{item.ledger_units}: a difference of {item.difference}."
    )
    detail: dict[str, Any] = {"asset": asset, "difference": str(item.difference)}
    if began is not None:
        reason += f" {began.told}"
        detail |= {"equal_height": began.equal_height, "differs_height": began.differs_height}
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
            detail={"reason": reason, **detail},
        )
