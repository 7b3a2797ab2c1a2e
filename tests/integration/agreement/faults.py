"""Faults to be planted, one at a time, in one enforcer: a run that misses one of them is no proof.

Those of the signer patch what its operations call; those of the guard change single bytes of the
code on chain; the rules and the model stay as they are.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from strongroom_protocol.addresses import checksum
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.facts import Facts
from strongroom_protocol.policy import Verdict, evaluate
from strongroom_protocol.rules import Rule, When
from strongroom_protocol.windows import BUCKET_SECONDS
from strongroom_signer.operations import history, judging, limits
from tests.integration.agreement.world import World

Fault = Callable[[World], AbstractContextManager[None]]
Judgement = Callable[[Bundle, Facts], Verdict]


def _signer(place: Any, name: str, instead: Any) -> Fault:
    @contextmanager
    def planted(_world: World) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, name, instead)
            yield

    return planted


def _judging(instead: Judgement) -> Fault:
    return _signer(judging, "evaluate", instead)


def _rules(change: Callable[[Rule], Rule | None]) -> Fault:
    """The signer judges by other rules than were signed."""

    def judged(bundle: Bundle, facts: Facts) -> Verdict:
        rules = tuple(kept for rule in bundle.rules if (kept := change(rule)) is not None)
        # The rulebook is remembered by the bundle's name: another name for another content.
        named = bytes(b ^ 0xFF for b in bundle.previous)
        return evaluate(replace(bundle, rules=rules, previous=named), facts)

    return _judging(judged)


def _when(**changes: Any) -> Callable[[Rule], Rule]:
    def changed(rule: Rule) -> Rule:
        when: When = replace(rule.when, **changes)
        return replace(rule, when=when)

    return changed


def _without_this_payment(bundle: Bundle, facts: Facts) -> Verdict:
    return evaluate(bundle, replace(facts, spent_units=max(0, facts.spent_units - facts.units)))


def _unknown_is_nothing(bundle: Bundle, facts: Facts) -> Verdict:
    return evaluate(bundle, replace(facts, value_units=facts.value_units or 0))


def _float_is_fresh(bundle: Bundle, facts: Facts) -> Verdict:
    return evaluate(bundle, replace(facts, wallet_spent_units=0))


def _absent_count(bundle: Bundle, facts: Facts) -> Verdict:
    absent = {one.person for one in bundle.deputies}
    return evaluate(bundle, replace(facts, approvers=facts.approvers | absent))


def _one_bucket_less(now: int, window: int = 86_400) -> int:
    return now // BUCKET_SECONDS - window // BUCKET_SECONDS + 1


def _guard(pattern: str, instead: str) -> Fault:
    """Bytes of the guard's deployed code, by a pattern in hex."""

    @contextmanager
    def planted(world: World) -> Iterator[None]:
        place = checksum(world.desk.house.deployment.guard)
        code = str(world.node.ask([("eth_getCode", [place, "latest"])])[0]["result"])
        changed, count = re.subn(pattern, instead, code)
        if not count:
            raise LookupError(f"the guard's code has no {pattern!r} any more: renew the fault")
        world.node.ask([("anvil_setCode", [place, changed])])
        try:
            yield
        finally:
            world.node.ask([("anvil_setCode", [place, code])])

    return planted


FAULTS: dict[str, Fault] = {
    "signer: the limit of a day counts without this payment": _judging(_without_this_payment),
    "signer: a day has 8 buckets": _signer(limits, "oldest_bucket", _one_bucket_less),
    "signer: windows of rules lack a bucket": _signer(history, "oldest_bucket", _one_bucket_less),
    "signer: tags are ignored": _rules(_when(tags=None)),
    "signer: rules that deny are skipped": _rules(
        lambda rule: None if rule.verdict == "deny" else rule
    ),
    "signer: an unknown value is zero": _judging(_unknown_is_nothing),
    "signer: business hours are ignored": _rules(_when(hours=None)),
    "signer: what was paid before is ignored": _rules(_when(over=())),
    "signer: the initiator is ignored": _rules(_when(initiators=None)),
    "signer: who has a deputy has approved": _judging(_absent_count),
    "signer: history of everybody, not of one": _signer(
        history,
        "_WHOSE",
        {"organisation": "", **dict.fromkeys(("initiator", "source", "destination"), " AND ?<>''")},
    ),
    "signer: what a spending key paid is forgotten": _judging(_float_is_fresh),
    "signer: new destinations do not cool": _signer(judging, "_check_cooled", lambda *_: None),
    # PUSH3 86400, TIMESTAMP in `announceDestination`
    "guard: new destinations do not cool": _guard("6201518042", "6200000042"),
    # PUSH32 -8 in `spentUnits`: the oldest bucket becomes the one after it.
    "guard: a day has 8 buckets": _guard("7f" + "f" * 63 + "8", "7f" + "f" * 63 + "9"),
    # PUSH2 10800
    "guard: buckets are a second longer": _guard("612a30", "612a31"),
}
