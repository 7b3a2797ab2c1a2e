"""What the ledger refuses, each code with its sentence."""

from collections.abc import Mapping
from typing import ClassVar, Final

from strongroom.kit.errors import Conflict, Invalid, StrongroomError

REFUSALS: Final[Mapping[str, str]] = {
    "ledger.insufficient_funds": "The account has not enough available: what is held for other "
    "payments does not count. Ask for less, or wait until money has come in.",
    "ledger.account_frozen": "The account is frozen, because a reversal took more than it held. "
    "Money may come in but not go out until a person has looked at it.",
    "ledger.unknown_account": "One of the accounts does not exist in this organisation for this "
    "asset. Open it first, or check its code.",
    "ledger.same_account": "Debit and credit are the same account; name two.",
    "ledger.amount_invalid": "An amount must be a whole number of smallest units, above zero and "
    "below 2^256.",
    "ledger.balance_too_large": "The balance would not fit 256 bits.",
    "ledger.no_legs": "A posting needs at least one leg.",
    "ledger.key_reused": "This key was booked before with another body. A key stands for one "
    "posting for ever; use a new one.",
    "ledger.other_organisation": "The posting belongs to another organisation than this session.",
    "ledger.not_yours": "This process may book transfers between clients, fiat credits and the "
    "holds of withdrawals that are not under way; all else is booked by what blocks show.",
    "ledger.original_not_found": "The posting that this one refers to does not exist.",
    "ledger.not_a_hold": "The posting referred to is not a hold.",
    "ledger.hold_resolved": "The hold was already posted, voided or expired.",
    "ledger.hold_not_expired": "The hold has not expired yet.",
    "ledger.not_reversible": "Only money that moved can be reversed; a hold is voided.",
    "ledger.reversal_pending": "Another reversal of the same posting stands before this one. Send "
    "it again.",
    "ledger.legs_differ": "The legs are not those of the posting referred to.",
    "ledger.more_than_original": "This is more than what is left of the posting referred to.",
}
_INVALID: Final = frozenset(
    {"ledger.unknown_account", "ledger.same_account", "ledger.amount_invalid", "ledger.no_legs"}
)


class AccountCodeInvalid(Invalid):
    """The code names no class of account that we keep."""

    code = "ledger.account_code_invalid"


class PostingRefused(Conflict):
    """The ledger's state does not allow the posting; `code` says why."""

    code: ClassVar[str] = "ledger.refused"

    def __init__(self, code: str, key: str) -> None:
        """`code` is one of REFUSALS."""
        super().__init__(REFUSALS.get(code, code), detail={"key": key})
        self.code = code  # type: ignore[misc]  # one class for all refusals of state


class PostingInvalid(Invalid):
    """The posting makes no sense; `code` says why."""

    code: ClassVar[str] = "ledger.invalid"

    def __init__(self, code: str, key: str) -> None:
        """`code` is one of REFUSALS."""
        super().__init__(REFUSALS.get(code, code), detail={"key": key})
        self.code = code  # type: ignore[misc]  # one class for all invalid postings


def refusal(code: str, key: str) -> StrongroomError:
    """The error for a refused posting."""
    return PostingInvalid(code, key) if code in _INVALID else PostingRefused(code, key)
