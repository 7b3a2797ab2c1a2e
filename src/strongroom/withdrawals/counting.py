"""Which approvals count now, which are void and why, and who is still needed.

An approval counts while the active bundle names the person, with that key, as an approver or as a
deputy of one; whoever was removed since counts no more from that moment on.
"""

from strongroom.db.database import UnitOfWork
from strongroom.withdrawals import repository, sequence, wallet
from strongroom.withdrawals.judging import judge
from strongroom.withdrawals.models import Withdrawal, WithdrawalApproval
from strongroom.withdrawals.sequence import Need, Round
from strongroom.withdrawals.types import ApprovalView
from strongroom_protocol.addresses import checksum
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.consent import APPROVER, Demand, standing
from strongroom_protocol.policy import THRESHOLD
from strongroom_protocol.rules import Group

_DONE = ("mined", "finalized")
"""Their signatures have been used; what changed since changes nothing about them."""


def counted(
    uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: str
) -> list[WithdrawalApproval]:
    """The approvals that count now."""
    return [
        one for one in repository.approvals(uow, row, kind) if _void(uow, row, bundle, one) is None
    ]


def views(uow: UnitOfWork, row: Withdrawal, bundle: Bundle) -> tuple[ApprovalView, ...]:
    """Every signature that was handed in, and why one is void."""
    kind = "rejection" if row.state == "voiding" else "payment"
    found = []
    for one in repository.approvals(uow, row, kind):
        void = None if row.state in _DONE else _void(uow, row, bundle, one)
        person = next((each for each in bundle.people if each.id == one.person), None)
        others = () if person is None or void else standing(bundle, person, _now(uow))[1:]
        found.append(
            ApprovalView(
                one.person,
                checksum(one.address),
                one.created_at,
                void,
                tuple(other.id for other in others),
            )
        )
    return tuple(found)


def demands(uow: UnitOfWork, row: Withdrawal, bundle: Bundle) -> tuple[Demand, ...]:
    """What rules and wallet ask for: of the payment, or in `voiding` of its rejection."""
    if row.state != "voiding":
        return judge(uow, row, bundle, frozenset()).required
    if wallet.is_spending(row):
        return ()
    group = Group(APPROVER, None, wallet.threshold(row, bundle))
    return (Demand(THRESHOLD, ((group,),)),)


def required(uow: UnitOfWork, row: Withdrawal, bundle: Bundle) -> tuple[str, ...]:
    """The same in words."""
    if row.state == "voiding" and not wallet.is_spending(row):
        return (f"{wallet.threshold(row, bundle)} owners of the vault",)
    return tuple(one.sentence() for one in demands(uow, row, bundle))


def round_of(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: str) -> Round:
    """The approvals so far, and whose would count. A rejection may be signed by its initiator."""
    signed = frozenset(one.person for one in counted(uow, row, bundle, kind))
    initiator = row.initiator if kind == "payment" else ""
    able = wallet.approvers(row, bundle, _now(uow))
    others = tuple(one for one in able if one.id != initiator)
    return Round(bundle, initiator, signed, others, _now(uow))


def needs(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: str) -> tuple[Need, ...]:
    """Who is still needed, rule by rule and group by group."""
    return sequence.needs(demands(uow, row, bundle), round_of(uow, row, bundle, kind))


def may_sign_now(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: str) -> tuple[str, ...]:
    """Ids of those whose turn it is."""
    found = sequence.may_sign_now(demands(uow, row, bundle), round_of(uow, row, bundle, kind))
    return tuple(one.id for one in found)


def _void(
    uow: UnitOfWork, row: Withdrawal, bundle: Bundle, approval: WithdrawalApproval
) -> str | None:
    person = next((one for one in bundle.people if one.id == approval.person), None)
    if person is None:
        return "void: the active policy names this person no more"
    if person.address != approval.address:
        return "void: the person has another key in the active policy"
    if person not in wallet.approvers(row, bundle, _now(uow)):
        return "void: this person approves for this wallet no more"
    return None


def _now(uow: UnitOfWork) -> int:
    return int(uow.now.timestamp())
