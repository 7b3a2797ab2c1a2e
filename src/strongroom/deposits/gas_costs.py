"""What an organisation's own sweeps cost in gas: booked to `house:gas` in its own books, where no
balance of a customer can refuse it, and paid by its treasury as soon as that has it.
"""

from typing import Final

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.deposits.leaf_sweeps import Mandate
from strongroom.kit.log import logger
from strongroom.ledger import service as ledger
from strongroom.ledger.errors import PostingRefused
from strongroom.ledger.types import AccountRef, Leg, Posting
from strongroom.relay.sink import GAS_ACCOUNT
from strongroom.screening import service as screening
from strongroom.wallets import service as wallets
from strongroom_protocol.amounts import Amount, Asset, format_amount

ALERT: Final = "deposits.gas_owed"

log = logger(__name__)


def charge(uow: UnitOfWork, mandate: Mandate) -> None:
    """Have the treasury pay what is owed, as far as it can; give back what a fork made undone.
    Last in its unit, since it locks accounts. Repeatable: it looks at what is owed now.
    """
    owner, coin = mandate.organisation_id, wallets.native_asset(uow, mandate.chain_id)
    owed = ledger.balance_at(uow, AccountRef(owner, GAS_ACCOUNT, coin), uow.now)
    if owed == 0:
        return
    treasury = AccountRef(owner, wallets.TREASURY, coin)
    ledger.open_accounts(uow, [treasury])
    has = next(
        (
            one.available
            for one in ledger.balances(uow, owner)
            if (one.code, one.asset) == (treasury.code, coin)
        ),
        0,
    )
    paid = min(owed, max(has, 0))
    if owed > 0 and paid < owed:
        _tell(uow, mandate, Amount(owed - paid, Asset(coin)))
    if paid:
        leg = Leg(treasury.code, GAS_ACCOUNT, coin, paid)
        if paid < 0:
            leg = Leg(GAS_ACCOUNT, treasury.code, coin, -paid)
        _post(uow, Posting(owner, f"gas:charge:{uow.new_id()}", "gas.charged", (leg,)))


def _post(uow: UnitOfWork, posting: Posting) -> None:
    try:
        with uow.session.begin_nested():
            rows, body = ledger.rows([posting]), {"key": posting.key}
            auditlog.append(uow, "deposits.gas_charged", posting.key, body, rows=rows)
            ledger.post_or_raise(uow, posting)
    except PostingRefused as error:
        # The treasury was spent or frozen at this very moment: it pays the next time.
        log.warning("deposits.gas_not_charged", key=posting.key, code=error.code)


def _tell(uow: UnitOfWork, mandate: Mandate, left: Amount) -> None:
    screening.open_alert(
        uow,
        organisation_id=mandate.organisation_id,
        kind=ALERT,
        subject=f"chain:{mandate.chain_id}",
        reference=f"{mandate.chain_id}:{uow.now.date().isoformat()}",
        detail={
            "reason": f"Sweeps have cost gas that the treasury lacks coin for: {left} are owed "
            f"({format_amount(left)}). They are taken once the treasury has coin; nothing is held "
            "up by it.",
        },
    )
