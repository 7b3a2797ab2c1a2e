"""Who enforces what: the API previews, the signer decides, the chain knows little. One table.

The report to administrators and the agreement run read the same rows, so that a claim in words is a
claim that was tried. A row is named after a member of the bundle, or a condition of `rules.When`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from strongroom.policy.probes import probes_of
from strongroom.policy.words import grouped
from strongroom_protocol.amounts import Amount
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.policy import evaluate

Where = Literal["api", "signer", "chain"]


@dataclass(frozen=True, slots=True)
class Row:
    """`signer` and `chain`: how they enforce it, or None with `because` saying why not."""

    what: str
    signer: str | None
    chain: str | None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one enforcer does about one thing that this policy says."""

    name: str
    where: Where
    enforced: bool
    words: str


_BLIND: Final = "the chain sees neither people's roles nor prices nor its own past beyond a day"
_PREVIEWS: Final = "shows the verdict before anybody signs, by the signer's own rules"

ALWAYS: Final[Mapping[str, Row]] = {
    "valid_until": Row(
        "the policy's end",
        "permits nothing after it, by its own clock",
        None,
        "the chain knows the end of a single Permit only",
    ),
    "initiator": Row(
        "who may order a payment",
        "wants the initiator's own signature",
        None,
        "orders never reach the chain",
    ),
    "tokens": Row(
        "which assets may leave",
        "knows no others",
        "lists them for each vault; any other call is refused",
    ),
    "address_book": Row(
        "whom the vault may pay",
        "pays entries of the signed book alone, own wallets too must stand there; a new one a day "
        "after it first saw it",
        "pays destinations alone that the owners announced on it a day before",
    ),
    "per_payment": Row(
        "the most of one payment",
        "refuses more",
        None,
        "its guard counts days, not payments: a whole day's limit may go at once",
    ),
    "per_day": Row(
        "the most of a day",
        "counts what it permitted, in nine buckets of three hours",
        "counts what left the vault, in nine buckets of three hours",
    ),
    "threshold": Row(
        "how many owners must sign",
        "counts their signatures, never the initiator's",
        "counts owners' signatures; it can't tell who ordered the payment",
    ),
    "permit": Row(
        "that the signer agreed",
        "signs a Permit for one exact transaction",
        "executes nothing of the vault without it, until the owners have left",
    ),
}
"""What every policy says of its vault."""

CONDITIONS: Final[Mapping[str, Row]] = {
    "initiators": Row("who ordered it", "by the order's signature", None, _BLIND),
    "departments": Row("the initiator's department", "by the signed policy", None, _BLIND),
    "sources": Row("which wallet pays", "by the order itself", None, "each vault stands alone"),
    "destinations": Row(
        "which payee",
        "by the transaction's own bytes",
        None,
        "to the chain all announced destinations are alike",
    ),
    "tags": Row("the payee's tags", "by the signed address book", None, _BLIND),
    "assets": Row(
        "which asset",
        "by the transaction's own bytes",
        None,
        "to the chain all listed assets are alike, but for their day's limit",
    ),
    "units_above": Row("the amount", "by the transaction's own bytes", None, "see the day's limit"),
    "units_at_most": Row("the amount", "by the transaction's own bytes", None, "see above"),
    "value_above": Row(
        "the value",
        "by two fresh rates that their sources signed; without them it takes the value as highest",
        None,
        "no price reaches the chain",
    ),
    "value_at_most": Row(
        "the value",
        "by two fresh rates that their sources signed; without them it takes the value as highest",
        None,
        "no price reaches the chain",
    ),
    "over": Row(
        "sums and counts over time",
        "by its own journal, in buckets of three hours",
        None,
        "the chain sums an asset's day for the whole vault, nothing else",
    ),
    "hours": Row("business hours", "by its own clock", None, "a Permit holds until its end"),
    "screening": Row(
        "the screening's result",
        "by permitting only what was cleared; a rule for another result lets nothing pass",
        None,
        "no result reaches the chain",
    ),
}
"""What a rule's conditions say, by their names in `When`."""

SOMETIMES: Final[Mapping[str, tuple[Callable[[Bundle], bool], Row]]] = {
    "approvals": (
        lambda bundle: any(rule.approvals for rule in bundle.rules),
        Row(
            "which people approve",
            "counts the set of signatures against every path",
            None,
            "the chain counts owners, whoever they are",
        ),
    ),
    "order_of_groups": (
        lambda bundle: any(len(path) > 1 for rule in bundle.rules for path in rule.approvals),
        Row(
            "that one group signs after the other",
            None,
            None,
            "a signature says nothing of when it was made: the API alone asks in this order",
        ),
    ),
    "deputies": (
        lambda bundle: bool(bundle.deputies),
        Row("deputies and their dates", "by its own clock", None, _BLIND),
    ),
    "spending": (
        lambda bundle: bool(bundle.spending),
        Row(
            "the float of hot and cold keys",
            "counts each key's payments",
            None,
            "no contract guards these keys: whatever the key signs is paid",
        ),
    ),
    "gas": (
        lambda bundle: bundle.gas is not None,
        Row("the gas fed in a day", "counts it", None, "no contract guards the feeding key"),
    ),
    "fiat": (
        lambda bundle: bool(bundle.fiat),
        Row(
            "orders outside the chain",
            "counts people and limits",
            None,
            "they are not on the chain; the gateway verifies the signer's signature",
        ),
    ),
}
"""What only some policies say."""


def claims(bundle: Bundle) -> list[Claim]:
    """What API, signer and chain each do about everything that this policy says."""
    rows = dict(ALWAYS)
    rows |= {name: CONDITIONS[name] for name in used_conditions(bundle)}
    rows |= {name: row for name, (applies, row) in SOMETIMES.items() if applies(bundle)}
    found: list[Claim] = []
    for name, row in rows.items():
        asks = "asks in this order" if name == "order_of_groups" else _PREVIEWS
        found.append(Claim(name, "api", True, f"{_capital(row.what)}: the API {asks}."))
        sides: tuple[tuple[Where, str | None], ...] = (("signer", row.signer), ("chain", row.chain))
        for where, how in sides:
            verb = "enforces it " if name in CONDITIONS else ""
            does = f"the {where} {verb}{how}" if how else f"the {where} does not enforce it"
            why = "" if how else f": {row.because}"
            found.append(Claim(name, where, how is not None, f"{_capital(row.what)}: {does}{why}."))
    return found


def used_conditions(bundle: Bundle) -> list[str]:
    """The names of the conditions that the rules use, in the table's order."""
    return [
        name
        for name in CONDITIONS
        if any(getattr(rule.when, name) not in (None, ()) for rule in bundle.rules)
    ]


def against_the_chain(bundle: Bundle, now: int) -> list[str]:
    """Where the chain is looser or tighter than the rules: of each asset, in one payment and in a
    day, and what the vault's guard was made with where that is not what this version wants.
    """
    largest = _largest(bundle, now)
    made = {limit.token: limit.day_units for limit in bundle.vault.limits}
    found = []
    for token, limit in zip(bundle.tokens, bundle.limits, strict=True):
        asset = token.asset
        name, most, day = asset.symbol, largest.get(asset.code, 0), limit.per_day_units
        once, a_day = grouped(Amount(most, asset)), grouped(Amount(day, asset))
        signed = "if owners and signer signed it"
        if most == 0:
            found.append(
                f"{name}: no rule lets it go; the chain would let {a_day} go in a day, {signed}."
            )
        elif most < day:
            found.append(
                f"{name}: the rules let {once} go in one payment at most; the chain is looser and "
                f"would let {a_day} go at once, {signed}."
            )
        else:
            found.append(f"{name}: rules and chain both end at {a_day} in a day.")
        was = made.get(token.contract)
        if was is None:
            found.append(
                f"{name}: the vault was made without it; until its owners have listed it on the "
                "guard, two days after they announced that, the chain is tighter and pays none."
            )
        elif was != day:
            found.append(
                f"{name}: the vault was made with {grouped(Amount(was, asset))} a day; until its "
                f"guard has been brought to {a_day}, the chain is "
                f"{'tighter' if was < day else 'looser'}."
            )
    return found


def _largest(bundle: Bundle, now: int) -> dict[str, int]:
    """The largest payment of each asset out of the vault that the rules do not deny."""
    found: dict[str, int] = {}
    for probe in probes_of(bundle, now).probes:
        facts = probe.facts
        more = facts.wallet is None and facts.units > found.get(facts.asset, 0)
        if more and evaluate(bundle, facts).kind != "denied":
            found[facts.asset] = facts.units
    return found


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
