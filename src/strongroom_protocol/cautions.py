"""What an approver should look at twice: whom a payment goes to. It warns and never clears."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.decoded import Caution, Known, Place

ALIKE_BYTES: Final = 2
"""Four hexadecimal digits at each end: what people compare, and what a vanity address copies."""


def looks_alike(one: Address, other: Address) -> bool:
    """Whether two different addresses begin and end with the same four hexadecimal digits; the
    letters' case is that of a checksum and means nothing.
    """
    return (
        one != other
        and one[:ALIKE_BYTES] == other[:ALIKE_BYTES]
        and one[-ALIKE_BYTES:] == other[-ALIKE_BYTES:]
    )


def names(bundle: Bundle, place: Place | None) -> dict[Address, str]:
    """Who is who by the signed bundle: the address book, own wallets, people."""
    found = {person.address: person.name for person in bundle.people if person.address is not None}
    found |= {token.contract: token.asset.symbol for token in bundle.tokens if token.contract}
    found |= {key.address: f"own {key.kind} wallet {key.index}" for key in bundle.spending}
    if place is not None:
        found[place.vault] = "the vault"
    return found | {entry.address: entry.label for entry in bundle.address_book}


def of_recipient(
    recipient: Address, bundle: Bundle, known: Known, known_names: Mapping[Address, str]
) -> Iterator[Caution]:
    """Cautions about one recipient of money."""
    shown = checksum(recipient)
    if recipient not in {entry.address for entry in bundle.address_book}:
        yield Caution("not_in_address_book", f"{shown} is not in the signed address book.")
    if recipient not in known.paid:
        yield Caution("first_payment", f"Nothing was paid to {shown} before.")
    paid = dict.fromkeys(known.paid, "an address paid before")
    yield from _alike(recipient, paid | dict(known_names))
    until = (known.usable_from or {}).get(recipient)
    if until == 0:
        yield Caution(
            "not_announced",
            f"The vault's guard does not let {shown} be paid: it must be announced to it first.",
        )
    elif until is not None and until > known.now:
        moment = datetime.fromtimestamp(until, UTC).strftime("%d %b %Y %H:%M")
        yield Caution(
            "cooling", f"{shown} is new in the address book; it can be paid from {moment} UTC on."
        )


def _alike(recipient: Address, known_names: Mapping[Address, str]) -> Iterator[Caution]:
    for other, name in sorted(known_names.items()):
        if looks_alike(recipient, other):
            yield Caution(
                "look_alike",
                f"{checksum(recipient)} begins and ends like {checksum(other)} ({name}), and is "
                "another address. Compare every digit.",
            )


def distinct(cautions: Iterable[Caution]) -> tuple[Caution, ...]:
    """Each caution once, in the order of its first coming."""
    return tuple(dict.fromkeys(cautions))
