"""The facts of a payment in words: what a verdict was made of, so that people can follow it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from strongroom_protocol.addresses import checksum
from strongroom_protocol.amounts import UNITS_MAX, Amount, Asset
from strongroom_protocol.bundle import Person
from strongroom_protocol.facts import Facts, Used
from strongroom_protocol.hours import local_time
from strongroom_protocol.rulebook import Rulebook
from strongroom_protocol.rules import Over, Rule, When

ZONES_SHOWN = 5
_HOUR = 3600
_OF = {
    "organisation": "the organisation",
    "initiator": "this initiator",
    "source": "this wallet",
    "destination": "this destination",
}


@dataclass(frozen=True, slots=True)
class Words:
    """Says what was known about one payment; `used` is what had been paid before."""

    book: Rulebook
    facts: Facts
    person: Person
    used: Mapping[Over, Used]

    @property
    def amount(self) -> str:
        """`12.5 TUSD`."""
        return str(Amount(self.facts.units, Asset(self.facts.asset)))

    @property
    def unknown(self) -> str:
        """What is to be added where a value was asked for that nobody knows."""
        if self.facts.value_units is None and self.book.valued:
            return "; what it is worth is not known, so it counts as the highest"
        return ""

    def of(self, rules: Iterable[Rule]) -> tuple[str, ...]:
        """Each fact that these rules could use."""
        when = [rule.when for rule in rules]
        found = [self._who(), self._source(), self._destination()]
        if self.book.bundle.rates is not None:
            found.append(self._value())
        if any(one.screening for one in when):
            found.append(f"screening: {self.facts.screening}")
        zones = dict.fromkeys(one.hours.zone for one in when if one.hours is not None)
        found += [self._time(zone) for zone in list(zones)[:ZONES_SHOWN]]
        found += [self._over(over, used) for over, used in self.used.items()]
        return tuple(found)

    def because(self, rule: Rule) -> str:
        """`: Tue 23:10 in Europe/Berlin`: what this rule looked at, beyond the amount."""
        words = ", ".join(self._asked(rule.when))
        return f": {words}" if words else ""

    def _asked(self, when: When) -> Iterator[str]:
        if when.initiators is not None or when.departments is not None:
            yield self._who()
        if when.sources is not None:
            yield self._source()
        if when.destinations is not None or when.tags is not None:
            yield self._destination()
        if when.asks_value:
            yield self._value()
        if when.screening is not None:
            yield f"screening: {self.facts.screening}"
        if when.hours is not None:
            yield self._time(when.hours.zone)
        for over in when.over:
            if over in self.used:
                yield self._over(over, self.used[over])

    def _who(self) -> str:
        of = f" of {self.person.department}" if self.person.department else ""
        return f"ordered by {self.person.name}{of}"

    def _source(self) -> str:
        wallet = self.facts.wallet
        return "from the vault" if wallet is None else f"from the key {checksum(wallet)}"

    def _destination(self) -> str:
        where = checksum(self.facts.destination)
        entry = self.book.entries.get(self.facts.destination)
        if entry is None:
            return f"to the own wallet {where}"
        tags = f", tagged {', '.join(entry.tags)}" if entry.tags else ""
        return f"to {entry.label} ({where}{tags})"

    def _value(self) -> str:
        value = self.facts.value_units
        return "of unknown worth" if value is None else f"worth {self._money(value)}"

    def _time(self, zone: str) -> str:
        return f"{local_time(zone, self.facts.now):%a %H:%M} in {zone}"

    def _over(self, over: Over, used: Used) -> str:
        hours = over.window_seconds // _HOUR
        span = f"{hours // 24} days" if hours % 24 == 0 and hours > 24 else f"{hours} hours"
        if over.count_above is not None:
            before = f"{used.count} payments"
        elif over.units_above is not None:
            before = str(Amount(min(used.units, UNITS_MAX), Asset(self.facts.asset)))
        elif used.value_units is None:
            before = "an unknown worth"
        else:
            before = self._money(used.value_units)
        return f"{before} before it in {span} by {_OF[over.per]}"

    def _money(self, units: int) -> str:
        rates = self.book.bundle.rates
        return str(units) if rates is None else str(Amount(min(units, UNITS_MAX), rates.currency))
