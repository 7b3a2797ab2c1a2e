"""A vault's own change in plain words: people, threshold, limits, destinations, guard.

An announcement is a hash only: it is put into words by the call that it stands for, which must be
given and give that hash. A change that no words are known for is refused.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from strongroom_protocol import cautions
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.amounts import Amount, grouped
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.calls import GUARD_CALLS, SAFE_CALLS, ReadCall, read_call
from strongroom_protocol.decoded import Caution, DecodingRefused, Known, Line, LineKind, Place
from strongroom_protocol.safe import Call, SafeTx, SafeTxRefused, decode_calls
from strongroom_protocol.vault_changes import change_hash

OWNER_CALLS: Final = frozenset(
    {"addOwnerWithThreshold", "removeOwner", "swapOwner", "changeThreshold"}
)
_STEPS: Final = (
    "setModuleGuard(address)",
    "setGuard(address)",
    "configure(address,(address,uint128)[],address[],address[])",
)


def change_line(tx: SafeTx, bundle: Bundle, place: Place, known: Known) -> Line:
    """A plain call of the vault to itself or to its guard. Raises DecodingRefused."""
    read = read_call(tx.data, SAFE_CALLS if tx.to == place.vault else GUARD_CALLS)
    if read.name in ("announce", "cancel"):
        return _hashed(read, tx, bundle, place, known)
    kind: LineKind = "announcement" if read.name == "announceDestination" else "vault_change"
    return _line(kind, read, tx.to, bundle, place)


def succession_line(calls: tuple[Call, ...], bundle: Bundle, place: Place) -> Line:
    """The batch that puts one guard in the place of another: both of the vault's slots, then the
    new guard's configuration, and nothing else. Raises DecodingRefused.
    """
    if [call.to for call in calls[:2]] != [place.vault, place.vault] or len(calls) != len(_STEPS):
        raise DecodingRefused("a batch is either payments or the vault's change of guards")
    found = tuple(read_call(call.data, (step,)) for call, step in zip(calls, _STEPS, strict=True))
    guard = found[0].arguments[0]
    if found[1].arguments[0] != guard or calls[2].to != guard:
        raise DecodingRefused("a change of guards that names more than one guard, or none")
    if any(call.value or call.operation for call in calls):
        raise DecodingRefused("a change of guards with value or delegatecall")
    nested = tuple(
        _line("vault_change", read, call.to, bundle, place)
        for read, call in zip(found, calls, strict=True)
    )
    return Line("batch", "Change the guard.", "multiSend(bytes)", place.multi_send, nested=nested)


def _line(kind: LineKind, read: ReadCall, to: Address, bundle: Bundle, place: Place) -> Line:
    words = _words(read, bundle, place)
    return Line(kind, words, read.function, to, arguments=read.texts())


def change_cautions(line: Line, bundle: Bundle, known: Known) -> Iterator[Caution]:
    """What to look at before a vault's change is signed."""
    if line.kind == "cancellation":
        return
    if line.kind == "announcement":
        yield Caution(
            "change_announced",
            "This begins a delay; after it the announced change can be executed. Who did not "
            "expect it should not sign, and tell the others.",
        )
    for one in _inner(line):
        name = one.call.partition("(")[0]
        if name in OWNER_CALLS:
            yield Caution("owner_change", "This changes whose signatures move the vault's money.")
            yield from _deadlock(one, bundle, known)
        if name in ("setGuard", "setModuleGuard", "configure"):
            yield Caution("guard_change", "This replaces the contract that guards the vault.")
        if name == "setPermitSigner":
            yield Caution("permit_key_change", "This replaces the custodian's key for permits.")


def _inner(line: Line) -> tuple[Line, ...]:
    """What a line does in the end: an announcement's change, a change's parts."""
    return tuple(part for one in line.nested for part in _inner(one)) or (line,)


def _hashed(read: ReadCall, tx: SafeTx, bundle: Bundle, place: Place, known: Known) -> Line:
    wanted = read.arguments[0]
    call = next((one for one in known.announced if change_hash(one) == wanted), None)
    if call is None:
        raise DecodingRefused(
            f"{read.name} names the hash 0x{cast(bytes, wanted).hex()}, and the change that it "
            "stands for was not given: nobody can say what it is"
        )
    inner = _announced(call, bundle, place, known)
    announces = read.name == "announce"
    verb = "Announce" if announces else "Call off what was announced"
    return Line(
        "announcement" if announces else "cancellation",
        f"{verb}: {inner.text}",
        read.function,
        tx.to,
        arguments=read.texts(),
        nested=(inner,),
    )


def _announced(call: Call, bundle: Bundle, place: Place, known: Known) -> Line:
    """The change itself. Raises DecodingRefused."""
    if call.operation:
        try:
            calls = decode_calls(call.safe_tx(0), place.multi_send)
        except SafeTxRefused as error:
            raise DecodingRefused(f"what is announced has no plain words: {error}") from error
        return succession_line(calls, bundle, place)
    if call.value or call.to not in (place.vault, place.guard):
        raise DecodingRefused("what is announced is no change of the vault")
    return change_line(call.safe_tx(0), bundle, place, known)


def _words(read: ReadCall, bundle: Bundle, place: Place) -> str:
    names = cautions.names(bundle, place)

    def who(value: object) -> str:
        address = Address(cast(bytes, value))
        name = names.get(address)
        return f"{name} ({checksum(address)})" if name else checksum(address)

    def limit(token: object, units: object) -> str:
        contract = Address(cast(bytes, token))
        listed = bundle.token_of(None if contract == ZERO else contract)
        if listed is None:
            raise DecodingRefused(f"{who(contract)} is no asset of the signed policy")
        amount = Amount(cast(int, units), listed.asset)
        return f"{grouped(amount)} {listed.asset.symbol} in 24 hours"

    return _WORDS[read.name](read.arguments, Speaker(who, limit))


@dataclass(frozen=True, slots=True)
class Speaker:
    """Names an address; says how much of an asset a limit is."""

    who: Callable[[object], str]
    limit: Callable[[object, object], str]

    def all(self, addresses: object) -> str:
        """Several addresses, or nobody."""
        return ", ".join(map(self.who, cast(tuple[object, ...], addresses))) or "nobody"


Arguments = tuple[object, ...]


def _guard_words(arguments: Arguments, say: Speaker) -> str:
    return f"Put the guard {say.who(arguments[0])} in the place of the present one."


def _configure_words(arguments: Arguments, say: Speaker) -> str:
    signer, limits, destinations, freezers = arguments
    pairs = cast(tuple[tuple[object, object], ...], limits)
    return (
        f"Configure the guard: permits by {say.who(signer)}; at most "
        f"{', '.join(say.limit(*pair) for pair in pairs) or 'nothing'}; it pays "
        f"{say.all(destinations)}; it is frozen by {say.all(freezers)}."
    )


_WORDS: Final[Mapping[str, Callable[[Arguments, Speaker], str]]] = {
    "addOwnerWithThreshold": lambda a, say: (
        f"Add {say.who(a[0])} to the owners; from then on {a[1]} owners must sign."
    ),
    "removeOwner": lambda a, say: (
        f"Remove {say.who(a[1])} from the owners; from then on {a[2]} owners must sign."
    ),
    "swapOwner": lambda a, say: (
        f"Put {say.who(a[2])} in the place of {say.who(a[1])} among the owners."
    ),
    "changeThreshold": lambda a, _: f"From then on {a[0]} owners must sign.",
    "setGuard": _guard_words,
    "setModuleGuard": _guard_words,
    "announceDestination": lambda a, say: f"Let {say.who(a[0])} be paid, after a delay.",
    "revokeDestination": lambda a, say: f"Let {say.who(a[0])} be paid no more, at once.",
    "lowerLimit": lambda a, say: f"Lower the most that may leave the vault to {say.limit(*a)}.",
    "setLimit": lambda a, say: f"Set the most that may leave the vault to {say.limit(*a)}.",
    "setPermitSigner": lambda a, say: f"From then on permits are made by {say.who(a[0])}.",
    "setFreezers": lambda a, say: f"From then on the vault is frozen by {say.all(a[0])}.",
    "configure": _configure_words,
}


def _deadlock(line: Line, bundle: Bundle, known: Known) -> Iterator[Caution]:
    """Afterwards all owners are needed: the loss of one key would lock the vault."""
    before = known.owners if known.owners is not None else bundle.control.owners
    present = known.threshold if known.threshold is not None else bundle.control.threshold
    name = line.call.partition("(")[0]
    owners = len(before) + {"addOwnerWithThreshold": 1, "removeOwner": -1}.get(name, 0)
    threshold = present if name == "swapOwner" else int(line.arguments[-1])
    if threshold >= owners:
        yield Caution(
            "threshold_deadlock",
            f"Afterwards {threshold} of {owners} owners must sign: if one key is lost, nothing "
            "moves until the people leave by the exit.",
        )
