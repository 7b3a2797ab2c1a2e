"""Whether a bundle's rules and deputies name only what the bundle has, and ask for no more people
than there are. What a rule is by itself, `rules.parse_rule` has checked.
"""

from collections.abc import Iterable
from itertools import pairwise

from strongroom_protocol.bundle import Bundle
from strongroom_protocol.consent import APPROVER, crowd, remaining
from strongroom_protocol.deputies import Deputy
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.rules import VAULT, Rule


def check_rules(bundle: Bundle) -> None:
    """Raises FieldInvalid with the path of what names nothing, or can never be met."""
    keys = {key.address for key in bundle.spending}
    known: dict[str, set[object]] = {
        "initiators": {person.id for person in bundle.people},
        "departments": {person.department for person in bundle.people},
        "sources": {VAULT, *keys},
        "destinations": {*keys, *(entry.address for entry in bundle.address_book)},
        "tags": {tag for entry in bundle.address_book for tag in entry.tags},
        "assets": {token.asset.code for token in bundle.tokens},
    }
    everybody = crowd((one,) for one in bundle.people if APPROVER in one.roles)
    for i, rule in enumerate(bundle.rules):
        path = f"bundle.rules[{i}]"
        for what, names in _named(rule):
            if not set(names) <= known[what]:
                raise FieldInvalid(f"{path}.when.{what}: names something the bundle does not have")
        if rule.when.asks_value and bundle.rates is None:
            raise FieldInvalid(f"{path}.when: asks what a payment is worth, but there are no rates")
        for j, groups in enumerate(rule.approvals):
            if any(remaining(groups, everybody)):
                words = ", then ".join(group.sentence() for group in groups)
                raise FieldInvalid(f"{path}.approvals[{j}]: {words} can never be met")


def check_deputies(bundle: Bundle) -> None:
    """A deputy is a known person with a key, one at a time. Raises FieldInvalid with the path."""
    people = {person.id: person for person in bundle.people}
    dated: dict[str, list[tuple[Deputy, str]]] = {}
    for i, one in enumerate(bundle.deputies):
        path = f"bundle.deputies[{i}]"
        if one.person not in people or one.deputy not in people:
            raise FieldInvalid(f"{path}: names somebody who is not among the people")
        if people[one.deputy].address is None:
            raise FieldInvalid(f"{path}.deputy: has no key to approve with")
        dated.setdefault(one.person, []).append((one, path))
    for times in dated.values():
        times.sort(key=lambda each: each[0].begins)
        for (before, _), (after, path) in pairwise(times):
            if after.begins <= before.ends:
                raise FieldInvalid(f"{path}.from: {before.person} has another deputy at that time")


def _named(rule: Rule) -> Iterable[tuple[str, Iterable[object]]]:
    when = rule.when
    places = when.destinations if isinstance(when.destinations, tuple) else ()
    return (
        ("initiators", when.initiators or ()),
        ("departments", when.departments or ()),
        ("sources", when.sources or ()),
        ("destinations", places),
        ("tags", when.tags or ()),
        ("assets", when.assets or ()),
    )
