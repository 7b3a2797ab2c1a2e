"""Names of a source document's address book: entries, and groups of entries and of groups."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from strongroom.policy.findings import Findings
from strongroom_protocol.addresses import Address, AddressInvalid, parse_address

MARK: Final = "@"
"""Before the name of a group, where an entry could stand too."""


class Names:
    """Resolves what rules call their destinations. Everything unknown becomes a finding."""

    def __init__(
        self, entries: Mapping[str, Address], groups: Mapping[str, Any], findings: Findings
    ) -> None:
        """`entries` by name; `groups`: name → list of entry names and @group names."""
        self._entries, self._groups, self._findings = entries, groups, findings
        for name in groups:
            self._members(name, f"groups.{name}", ())

    def addresses(self, names: Sequence[object], path: str) -> list[Address]:
        """Of entries, @groups and addresses, ascending, each once."""
        found: set[Address] = set()
        for name in names:
            found |= self._one(name, path, ())
        return sorted(found)

    def _one(self, name: object, path: str, within: tuple[str, ...]) -> set[Address]:
        if isinstance(name, str) and name.startswith(MARK):
            return self._members(name.removeprefix(MARK), path, within)
        if isinstance(name, str) and name in self._entries:
            return {self._entries[name]}
        try:
            return {parse_address(name)}
        except AddressInvalid:
            self._findings.error(
                "entry_unknown",
                path,
                f"{name!r} is no entry of the address book and no address; groups begin with @.",
            )
            return set()

    def _members(self, group: str, path: str, within: tuple[str, ...]) -> set[Address]:
        if group in within:
            if group == min(within):
                loop = " → ".join(MARK + one for one in (*within[within.index(group) :], group))
                self._findings.error("groups_cyclic", path, f"Groups contain each other: {loop}.")
            return set()
        members = self._groups.get(group)
        if not isinstance(members, list) or not members:
            self._findings.error("group_unknown", path, f"There is no group {MARK}{group}.")
            return set()
        found: set[Address] = set()
        for name in members:
            found |= self._one(name, path, (*within, group))
        return found
