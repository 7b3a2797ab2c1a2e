"""A policy in plain sentences, and what one version changes of another. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Amount, Asset, format_amount
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.hours import Hours
from strongroom_protocol.rules import ADDRESS_BOOK, OWN_WALLETS, VAULT, Over, Rule

_LISTED_MAX: Final = 6
"""More names than these are counted, not listed."""
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its sentences."""

    title: str
    lines: tuple[str, ...]


def policy_words(bundle: Bundle) -> list[Section]:
    """The whole policy, in the order in which people ask about it."""
    found = [
        Section("What the rules say", tuple(rule_words(rule, bundle) for rule in bundle.rules)),
        Section("How much may leave", tuple(_limits(bundle))),
        Section("Who decides", tuple(_people(bundle))),
        Section("Whom the vault may pay", tuple(_entries(bundle))),
        Section("What runs by itself", tuple(_mandates(bundle))),
    ]
    if not bundle.rules:
        found[0] = Section("What the rules say", ("No rule lets anything leave: deposits only.",))
    return [section for section in found if section.lines]


def rule_words(rule: Rule, bundle: Bundle) -> str:
    """`Payments of USDC above 10,000 USDC: 2 approvers of treasury, then 1 approver of board.`"""
    then = {"deny": "are denied", "allow": "need no one beyond the wallet's own threshold"}
    outcome = then.get(rule.verdict)
    if outcome is None:
        paths = ("; or ".join(", then ".join(g.sentence() for g in p) for p in rule.approvals),)
        outcome = f"need {paths[0]}"
    return f"{rule.id}: payments{_conditions(rule, bundle)} {outcome}."


def diff_words(before: Bundle | None, after: Bundle) -> list[Section]:
    """What `after` changes of `before`, in words; nothing changed: no section."""
    if before is None:
        return policy_words(after)
    found = [
        Section("Rules", tuple(_rules_changed(before, after))),
        Section("How much may leave", tuple(_lines_changed(_limits(before), _limits(after)))),
        Section("People", tuple(_people_changed(before, after))),
        Section("Address book", tuple(_book_changed(before, after))),
        Section("The rest", tuple(_lines_changed(_mandates(before), _mandates(after)))),
    ]
    return [section for section in found if section.lines]


def grouped(amount: Amount) -> str:
    """`10,000.5 USDC`: thousands apart."""
    whole, point, rest = format_amount(amount).partition(".")
    return f"{int(whole):,}{point}{rest} {amount.asset.symbol}"


def _conditions(rule: Rule, bundle: Bundle) -> str:
    """Every condition in words, each with a space before it."""
    when = rule.when
    parts: list[str] = []
    if when.assets is not None:
        parts.append("of " + _listed([Asset(code).symbol for code in when.assets], "or"))
    if when.initiators is not None:
        parts.append("ordered by " + _listed(_names(bundle, when.initiators), "or"))
    if when.departments is not None:
        parts.append("ordered from " + _listed(when.departments, "or"))
    if when.sources is not None:
        wallets = ["the vault" if one == VAULT else _place(bundle, one) for one in when.sources]
        parts.append("from " + _listed(wallets, "or"))
    parts += _to(rule, bundle)
    parts += _amounts(rule, bundle)
    parts += [_over(over, rule, bundle) for over in when.over]
    if when.hours is not None:
        parts.append(_hours(when.hours))
    if when.screening is not None:
        parts.append("that screening finds " + _listed(when.screening, "or"))
    return "".join(" " + part for part in parts)


def _to(rule: Rule, bundle: Bundle) -> list[str]:
    when = rule.when
    parts = []
    if when.destinations == ADDRESS_BOOK:
        parts.append("to the address book")
    elif when.destinations == OWN_WALLETS:
        parts.append("to own wallets")
    elif when.destinations is not None:
        places = [_place(bundle, one) for one in when.destinations if isinstance(one, bytes)]
        parts.append("to " + _listed(places, "or"))
    if when.tags is not None:
        parts.append("to payees tagged " + _listed(when.tags, "or"))
    return parts


def _amounts(rule: Rule, bundle: Bundle) -> list[str]:
    when, found = rule.when, []
    currency = None if bundle.rates is None else bundle.rates.currency
    asset = Asset(when.assets[0]) if when.assets else None
    for unit, above, at_most, worth in (
        (asset, when.units_above, when.units_at_most, ""),
        (currency, when.value_above, when.value_at_most, "worth "),
    ):
        bounds = []
        if above is not None and unit is not None:
            bounds.append(f"more than {grouped(Amount(above, unit))}")
        if at_most is not None and unit is not None:
            bounds.append(f"at most {grouped(Amount(at_most, unit))}")
        if bounds:
            found.append(worth + " and ".join(bounds))
    return found


def _over(over: Over, rule: Rule, bundle: Bundle) -> str:
    hours = over.window_seconds // _HOUR
    window = f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} hours"
    whose = {
        "organisation": "the organisation's",
        "initiator": "the initiator's",
        "source": "the wallet's",
        "destination": "the payee's",
    }[over.per]
    if over.count_above is not None:
        return f"when {whose} payments of {window} are more than {over.count_above}"
    if over.units_above is not None:
        asset = Asset((rule.when.assets or ("",))[0])
        return (
            f"when {whose} sum of {window} is more than {grouped(Amount(over.units_above, asset))}"
        )
    currency = Asset("?/0") if bundle.rates is None else bundle.rates.currency
    most = grouped(Amount(over.value_above or 0, currency))
    return f"when {whose} sum of {window} is worth more than {most}"


def _hours(hours: Hours) -> str:
    clock = [
        f"{minute // 60:02}:{minute % 60:02}" for minute in (hours.from_minute, hours.until_minute)
    ]
    when = f"{', '.join(hours.days)} {clock[0]}-{clock[1]} in {hours.zone}"
    return f"outside {when}" if hours.outside else f"on {when}"


def _limits(bundle: Bundle) -> Iterable[str]:
    for limit in bundle.limits:
        once, day = (
            grouped(Amount(units, limit.asset))
            for units in (limit.per_payment_units, limit.per_day_units)
        )
        yield f"{limit.asset.symbol}: at most {once} in one payment and {day} in any rolling day."
    for key in bundle.spending:
        for limit in key.limits:
            once, day = (
                grouped(Amount(units, limit.asset))
                for units in (limit.per_payment_units, limit.per_day_units)
            )
            yield (
                f"The {key.kind} key {checksum(key.address)} pays at most {once} at once and {day} "
                f"a day, with {key.threshold} approvers."
            )


def _people(bundle: Bundle) -> Iterable[str]:
    administrators = [one.name for one in bundle.people if "administrator" in one.roles]
    yield (
        f"This policy is changed by {bundle.administrator_quorum} of {len(administrators)} "
        f"administrators: {_listed(administrators, 'and')}."
    )
    control = bundle.control
    owners = [one.name for one in bundle.people if one.address in control.owners]
    yield (
        f"The vault is held by {len(control.owners)} owners, of whom {control.threshold} sign: "
        f"{_listed(owners, 'and')}."
    )
    freezers = [one.name for one in bundle.people if one.address in control.freezers]
    if freezers:
        yield f"{_listed(freezers, 'or')} can freeze the vault for three days, each alone."
    for role in ("initiator", "approver", "compliance", "auditor"):
        names = [_titled(one) for one in bundle.people if role in one.roles]
        if names:
            yield f"{role.capitalize()}: {_listed(names, 'and')}."
    for deputy in bundle.deputies:
        who, whom = _names(bundle, (deputy.deputy, deputy.person))
        yield f"{who} approves for {whom} from {_day(deputy.begins)} to {_day(deputy.ends)}."


def _entries(bundle: Bundle) -> Iterable[str]:
    for entry in bundle.address_book:
        tags = f", tagged {', '.join(entry.tags)}" if entry.tags else ""
        owner = f" of {entry.owner}" if entry.owner else ""
        yield f"{entry.label}{owner}{tags}: {checksum(entry.address)}."


def _mandates(bundle: Bundle) -> Iterable[str]:
    if bundle.sweep_mandate:
        yield "Cleared deposits are swept into the vault."
    if bundle.gas is not None:
        a_day = grouped(Amount(bundle.gas.per_day_wei, Asset("COINS/18"))).lower()
        yield f"{checksum(bundle.gas.source)} feeds gas, at most {a_day} a day."
    for source in bundle.fiat:
        a_day = grouped(Amount(source.per_day_units, source.asset))
        yield f"{source.source} ({source.rail}) pays at most {a_day} a day by order."
    if bundle.rates is not None:
        names = _listed([one.name for one in bundle.rates.sources], "and")
        yield f"Values are in {bundle.rates.currency.symbol}, by two fresh rates of {names}."
    each = grouped(Amount(bundle.max_fee_per_gas_wei, Asset("GWEI/9"))).removesuffix(" GWEI")
    total = grouped(Amount(bundle.max_total_fee_wei, Asset("COINS/18"))).removesuffix(" COINS")
    yield f"Gas costs at most {each} gwei each, and {total} of the native coin a transaction."
    yield f"The policy ends on {_day(bundle.valid_until)}."


def _rules_changed(before: Bundle, after: Bundle) -> Iterable[str]:
    old, new = ({rule.id: rule for rule in one.rules} for one in (before, after))
    for identifier, rule in old.items():
        if identifier not in new:
            yield f"Gone: {rule_words(rule, before)}"
    for identifier, rule in new.items():
        words = rule_words(rule, after)
        if identifier not in old:
            yield f"New: {words}"
        elif rule != old[identifier]:
            yield f"Changed: {words} Before: {rule_words(old[identifier], before)}"
    if [one for one in old if one in new] != [one for one in new if one in old]:
        yield "The rules stand in another order; the verdicts do not depend on it."


def _people_changed(before: Bundle, after: Bundle) -> Iterable[str]:
    old, new = ({person.id: person for person in one.people} for one in (before, after))
    yield from (f"{old[one].name} is no longer there." for one in old if one not in new)
    for one, person in new.items():
        was = old.get(one)
        if was is None:
            yield f"New: {_titled(person)}, {', '.join(person.roles)}, {_key(person)}."
            continue
        if set(was.roles) != set(person.roles):
            yield f"{person.name} is now {', '.join(person.roles)}; was {', '.join(was.roles)}."
        if was.department != person.department:
            yield f"{person.name} is now of {person.department or 'no department'}."
        if was.address != person.address:
            yield f"{person.name} signs with another key: {_key(person)}; was {_key(was)}."
        if was.name != person.name:
            yield f"{was.name} is now called {person.name}."
    told = [line for line in _people(before) if _governs(line)]
    yield from _lines_changed(told, [line for line in _people(after) if _governs(line)])


def _book_changed(before: Bundle, after: Bundle) -> Iterable[str]:
    old, new = ({entry.address: entry for entry in one.address_book} for one in (before, after))
    lines = {
        entry.address: line
        for entry, line in zip(before.address_book, _entries(before), strict=True)
    }
    yield from (f"Gone: {lines[one]}" for one in old if one not in new)
    for entry, line in zip(after.address_book, _entries(after), strict=True):
        if entry.address not in old:
            yield f"New, payable a day after this version is active: {line}"
        elif old[entry.address] != entry:
            yield f"Changed: {line} Before: {lines[entry.address]}"


def _lines_changed(before: Iterable[str], after: Iterable[str]) -> Iterable[str]:
    old, new = list(before), list(after)
    yield from (f"Gone: {line}" for line in old if line not in new)
    yield from (f"New: {line}" for line in new if line not in old)


def _governs(line: str) -> bool:
    return line.startswith(("This policy", "The vault")) or "freeze" in line or " for " in line


def _listed(names: Sequence[str], word: str) -> str:
    """`a, b and c`; of many, how many more."""
    shown = list(names[:_LISTED_MAX])
    if len(names) > len(shown):
        shown.append(f"{len(names) - len(shown)} more")
        word = "and"
    if len(shown) < 2:
        return "".join(shown) or "nobody"
    return f"{', '.join(shown[:-1])} {word} {shown[-1]}"


def _names(bundle: Bundle, ids: Iterable[str]) -> list[str]:
    names = {person.id: person.name for person in bundle.people}
    return [names.get(one, one) for one in ids]


def _titled(person: Person) -> str:
    return person.name if person.department is None else f"{person.name} ({person.department})"


def _key(person: Person) -> str:
    return "no key" if person.address is None else f"key {checksum(person.address)}"


def _place(bundle: Bundle, address: Address) -> str:
    for entry in bundle.address_book:
        if entry.address == address:
            return entry.label
    key = bundle.spending_at(address)
    return checksum(address) if key is None else f"the {key.kind} key {checksum(address)}"


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%d %b %Y %H:%M} UTC"
