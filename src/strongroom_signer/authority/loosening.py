"""Is a new policy nowhere looser than the active one? Then it acts at once; else after a delay,
counted by the signer's own clock. What is not plainly a tightening counts as loosening.
"""

from __future__ import annotations

from dataclasses import fields

from strongroom_protocol.addresses import Address
from strongroom_protocol.bundle import Bundle, FiatSource, Limit, Spending
from strongroom_protocol.controls import Controls
from strongroom_protocol.rules import Rule, When


def is_tightening(active: Bundle, new: Bundle) -> bool:
    """Nobody and nothing is added, no number rises, rules permit nothing more, ask for no less."""
    return (
        set(new.people) <= set(active.people)
        and new.administrator_quorum >= active.administrator_quorum
        and set(new.tokens) <= set(active.tokens)
        and _places(new) <= _places(active)
        and all(_is_lower(active.limit_of(limit.asset), limit) for limit in new.limits)
        and _are_rules_tighter(active.rules, new.rules)
        and _is_control_tighter(active.control, new.control)
        and set(new.deputies) <= set(active.deputies)
        and new.rates == active.rates
        and (active.sweep_mandate or not new.sweep_mandate)
        and new.max_fee_per_gas_wei <= active.max_fee_per_gas_wei
        and new.max_total_fee_wei <= active.max_total_fee_wei
        and all(_is_tighter_key(active.spending_at(key.address), key) for key in new.spending)
        and _is_gas_tighter(active, new)
        and all(_is_tighter_source(active.fiat_source(one.source), one) for one in new.fiat)
    )


def _are_rules_tighter(before: tuple[Rule, ...], rules: tuple[Rule, ...]) -> bool:
    """Each rule that denies or asks for approvals stays; the others that permit are those from
    before, or fewer, or narrower. Rules that deny may come: they win. One that asks for approvals
    permits as well, so a new one is looser.
    """
    kept = {rule for rule in before if rule.verdict != "allow"}
    permitting = {rule.id: rule for rule in before if rule.verdict == "allow"}
    for rule in rules:
        if rule.verdict == "deny" or rule in kept:
            continue
        earlier = permitting.get(rule.id)
        if rule.verdict != "allow" or earlier is None or not _is_narrower(earlier.when, rule.when):
            return False
    return kept <= set(rules)


def _is_narrower(before: When, when: When) -> bool:
    """Each condition is as it was, or stands where there was none."""
    return all(
        getattr(before, each.name) in (None, (), getattr(when, each.name)) for each in fields(When)
    )


def _is_control_tighter(before: Controls, control: Controls) -> bool:
    """Of the vault's owners none is new, no fewer must sign, guard and permit key are the same."""
    return (
        set(control.owners) <= set(before.owners)
        and control.threshold >= before.threshold
        and (control.guard, control.permit_signer) == (before.guard, before.permit_signer)
        and set(before.freezers) <= set(control.freezers)
    )


def _places(bundle: Bundle) -> set[tuple[Address, tuple[str, ...]]]:
    """Where money may go, and as what rules take it: a tag more may be what a rule allows."""
    return {(entry.address, entry.tags) for entry in bundle.address_book}


def _is_lower(before: Limit | None, limit: Limit) -> bool:
    return (
        before is not None
        and limit.per_payment_units <= before.per_payment_units
        and limit.per_day_units <= before.per_day_units
    )


def _is_tighter_key(before: Spending | None, key: Spending) -> bool:
    return (
        before is not None
        and (before.index, before.kind) == (key.index, key.kind)
        and key.threshold >= before.threshold
        and all(_is_lower(before.limit_of(limit.asset), limit) for limit in key.limits)
    )


def _is_gas_tighter(active: Bundle, new: Bundle) -> bool:
    if new.gas is None or active.gas is None:
        return new.gas is None
    return new.gas.source == active.gas.source and new.gas.per_day_wei <= active.gas.per_day_wei


def _is_tighter_source(before: FiatSource | None, source: FiatSource) -> bool:
    if before is None or (before.rail, before.asset) != (source.rail, source.asset):
        return False
    if before.beneficiaries is not None and (
        source.beneficiaries is None or set(source.beneficiaries) - set(before.beneficiaries)
    ):
        return False
    return (
        source.threshold >= before.threshold
        and source.per_order_units <= before.per_order_units
        and source.per_day_units <= before.per_day_units
    )
