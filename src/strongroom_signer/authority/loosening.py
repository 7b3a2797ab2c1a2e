"""Is a new policy nowhere looser than the active one? Then it acts at once; else after a delay,
counted by the signer's own clock. What is not plainly a tightening counts as loosening.
"""

from __future__ import annotations

from strongroom_protocol.bundle import Bundle, Limit


def is_tightening(active: Bundle, new: Bundle) -> bool:
    """Nobody and nothing is added, no number rises, rules stay as they are."""
    return (
        set(new.people) <= set(active.people)
        and new.administrator_quorum >= active.administrator_quorum
        and set(new.tokens) <= set(active.tokens)
        and {entry.address for entry in new.address_book}
        <= {entry.address for entry in active.address_book}
        and all(_is_lower(active, limit) for limit in new.limits)
        and new.rules == active.rules
        and (active.sweep_mandate or not new.sweep_mandate)
        and new.max_fee_per_gas_wei <= active.max_fee_per_gas_wei
        and new.max_total_fee_wei <= active.max_total_fee_wei
    )


def _is_lower(active: Bundle, limit: Limit) -> bool:
    before = active.limit_of(limit.asset)
    return (
        before is not None
        and limit.per_payment_units <= before.per_payment_units
        and limit.per_day_units <= before.per_day_units
    )
