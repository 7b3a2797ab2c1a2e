"""Every listed address in memory, kept up to a version by reading only what changed."""

from dataclasses import dataclass, field

from strongroom.screening.repository import EntryChange


@dataclass(frozen=True, slots=True)
class Listing:
    """Where an address is listed, and as what."""

    list_name: str
    label: str


@dataclass
class Watchlist:
    """Address → its listings, as of `version`; version 0 knows nothing and clears nobody."""

    version: int = 0
    _listings: dict[bytes, dict[str, Listing]] = field(default_factory=dict)

    def apply(self, changes: list[EntryChange], version: int) -> None:
        """Take changes in their order, up to `version`."""
        for change in changes:
            if change.listed:
                listing = Listing(change.list_name, change.label)
                self._listings.setdefault(change.address, {})[change.list_name] = listing
                continue
            left = self._listings.get(change.address, {})
            left.pop(change.list_name, None)
            if not left:
                self._listings.pop(change.address, None)
        self.version = version

    def find(self, address: bytes) -> tuple[Listing, ...]:
        """The listings of an address, none if it is on no list."""
        return tuple(self._listings.get(address, {}).values())

    def __len__(self) -> int:
        """How many addresses are listed."""
        return len(self._listings)
