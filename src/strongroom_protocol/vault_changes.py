"""The changes that bring a vault on chain to what the active bundle says: each one's call, and
whether the bundle says it. Nobody signs "a configuration": a change that no bundle names is none.

What tightens, or only begins a delay, happens at once; the rest is announced by its hash first and
executed after the guard's delay. `guard` is the one that stands on the vault now.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.controls import (
    AssetLimit,
    Controls,
    founded,
    limits_document,
    read_day_units,
    read_freezers,
    read_limits,
)
from strongroom_protocol.deployment import Deployment, limit_rows
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import Call, SafeTx, SafeTxRefused, batch_call

THRESHOLD_MAX = 10_000
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "add_owner": ("owner", "threshold"),
    "remove_owner": ("previous", "owner", "threshold"),
    "swap_owner": ("previous", "owner", "new_owner"),
    "change_threshold": ("threshold",),
    "set_limit": ("token", "day_units"),
    "lower_limit": ("token", "day_units"),
    "set_permit_signer": ("permit_signer",),
    "set_freezers": ("freezers",),
    "announce_destination": ("destination",),
    "revoke_destination": ("destination",),
    "replace_guard": ("guard", "permit_signer", "limits", "destinations", "freezers"),
    "cancel": ("change_hash",),
}
IMMEDIATE = frozenset({"lower_limit", "announce_destination", "revoke_destination", "cancel"})


@dataclass(frozen=True, slots=True)
class Change:
    """One change. Only the members of its kind count; `token` None = the native coin, `previous` =
    the owner before it in the Safe's own list, where 0x…01 begins it.
    """

    kind: str
    owner: Address = ZERO
    previous: Address = ZERO
    new_owner: Address = ZERO
    threshold: int = 0
    token: Address | None = None
    day_units: int = 0
    permit_signer: Address = ZERO
    guard: Address = ZERO
    destination: Address = ZERO
    limits: tuple[AssetLimit, ...] = ()
    destinations: tuple[Address, ...] = ()
    freezers: tuple[Address, ...] = ()
    change_hash: bytes = bytes(32)


def parse_change(value: object, path: str) -> Change:
    """Raises FieldInvalid, AddressInvalid."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    names = MEMBERS.get(kind, ()) if isinstance(kind, str) else ()
    members = Members(value, path, {"kind", *names})
    kind = members.choice("kind", frozenset(MEMBERS))
    return Change(kind, **{name: _READ[name](members) for name in names})


def change_document(change: Change) -> dict[str, Any]:
    """The JSON that `parse_change` reads."""
    texts = {name: _text(getattr(change, name)) for name in MEMBERS[change.kind]}
    if "day_units" in texts:
        texts["day_units"] = str(change.day_units)
    return {"kind": change.kind, **texts}


def change_call(change: Change, vault: Address, guard: Address, deployment: Deployment) -> Call:
    """What the vault calls to make this change."""
    make = _CALLS[change.kind]
    if change.kind == "replace_guard":
        return batch_call(_guard_calls(change, vault), deployment.multi_send)
    to = vault if change.kind in _ON_THE_SAFE else guard
    return Call(to, 0, make(change))


def change_hash(call: Call) -> bytes:
    """What is announced: keccak256(abi.encode(to, value, keccak256(data), operation))."""
    parts = (abi.address(call.to), abi.uint(call.value), keccak256(call.data))
    return keccak256(abi.arguments(*parts, abi.uint(call.operation, 8)))


def change_safe_tx(
    change: Change,
    phase: str,
    nonce: int,
    vault: Address,
    guard: Address,
    deployment: Deployment,
) -> SafeTx:
    """The Safe transaction of one step. Raises SafeTxRefused: a step that the kind does not have,
    so that nothing waits which could be had at once, and nothing is had at once which must wait.
    """
    steps = ("now",) if change.kind in IMMEDIATE else ("announce", "execute")
    if phase not in steps:
        raise SafeTxRefused(f"{change.kind} goes by {' and '.join(steps)}, not by {phase}")
    call = change_call(change, vault, guard, deployment)
    if phase == "announce":
        call = Call(guard, 0, abi.call("announce(bytes32)", change_hash(call)))
    return call.safe_tx(nonce)


def conforms(
    change: Change, bundle: Bundle, deployment: Deployment, before: Controls | None = None
) -> str | None:
    """Why `bundle` does not ask for this change; None = it does. `before` are the controls that
    the vault comes from (as founded, if not given): while people are exchanged the threshold may
    lie between theirs and the new one.
    """
    return _CONFORMS[change.kind](change, bundle, deployment, before or founded(bundle.vault))


def guard_as_signed(bundle: Bundle, deployment: Deployment) -> Change:
    """The guard that the bundle asks for, with everything it is to be configured with."""
    control = bundle.control
    return Change(
        "replace_guard",
        guard=control.guard or deployment.guard,
        permit_signer=control.permit_signer,
        limits=bundle.guard_limits,
        destinations=tuple(sorted(entry.address for entry in bundle.address_book)),
        freezers=control.freezers,
    )


# --- the calls ---

_ON_THE_SAFE = frozenset({"add_owner", "remove_owner", "swap_owner", "change_threshold"})


def _addresses(*addresses: Address) -> tuple[bytes, ...]:
    return tuple(abi.address(one) for one in addresses)


def _list(addresses: tuple[Address, ...]) -> abi.Dynamic:
    return abi.array(_addresses(*addresses))


def _limit_call(name: str) -> Callable[[Change], bytes]:
    def call(change: Change) -> bytes:
        units = abi.uint(change.day_units, 128)
        return abi.call(f"{name}(address,uint128)", abi.address(change.token or ZERO), units)

    return call


def _configure(change: Change) -> bytes:
    return abi.call(
        "configure(address,(address,uint128)[],address[],address[])",
        abi.address(change.permit_signer),
        limit_rows(change.limits),
        _list(change.destinations),
        _list(change.freezers),
    )


def _guard_calls(change: Change, vault: Address) -> list[Call]:
    """Both guards, then the new one's configuration: it looks whether it stands."""
    guard = abi.address(change.guard)
    return [
        Call(vault, 0, abi.call("setModuleGuard(address)", guard)),
        Call(vault, 0, abi.call("setGuard(address)", guard)),
        Call(change.guard, 0, _configure(change)),
    ]


_CALLS: Mapping[str, Callable[[Change], bytes]] = {
    "add_owner": lambda c: abi.call(
        "addOwnerWithThreshold(address,uint256)", abi.address(c.owner), abi.uint(c.threshold)
    ),
    "remove_owner": lambda c: abi.call(
        "removeOwner(address,address,uint256)",
        *_addresses(c.previous, c.owner),
        abi.uint(c.threshold),
    ),
    "swap_owner": lambda c: abi.call(
        "swapOwner(address,address,address)", *_addresses(c.previous, c.owner, c.new_owner)
    ),
    "change_threshold": lambda c: abi.call("changeThreshold(uint256)", abi.uint(c.threshold)),
    "set_limit": _limit_call("setLimit"),
    "lower_limit": _limit_call("lowerLimit"),
    "set_permit_signer": lambda c: abi.call(
        "setPermitSigner(address)", abi.address(c.permit_signer)
    ),
    "set_freezers": lambda c: abi.call("setFreezers(address[])", _list(c.freezers)),
    "announce_destination": lambda c: abi.call(
        "announceDestination(address)", abi.address(c.destination)
    ),
    "revoke_destination": lambda c: abi.call(
        "revokeDestination(address)", abi.address(c.destination)
    ),
    "replace_guard": _configure,
    "cancel": lambda c: abi.call("cancel(bytes32)", c.change_hash),
}


# --- whether the bundle asks for it ---

Judge = Callable[[Change, Bundle, Deployment, Controls], str | None]


def _unless(holds: bool, why: str) -> str | None:
    return None if holds else why


def _between(change: Change, bundle: Bundle, before: Controls) -> str | None:
    low, high = sorted((bundle.control.threshold, before.threshold))
    return _unless(
        low <= change.threshold <= high,
        f"the policy asks for a threshold of {bundle.control.threshold}, not {change.threshold}",
    )


def _added(change: Change, bundle: Bundle, _: Deployment, before: Controls) -> str | None:
    if change.owner not in bundle.control.owners:
        return f"the policy names no owner {checksum(change.owner)}"
    return _between(change, bundle, before)


def _removed(change: Change, bundle: Bundle, _: Deployment, before: Controls) -> str | None:
    if change.owner in bundle.control.owners:
        return f"the policy keeps the owner {checksum(change.owner)}"
    return _between(change, bundle, before)


def _swapped(change: Change, bundle: Bundle, _: Deployment, _before: Controls) -> str | None:
    owners = bundle.control.owners
    return _unless(
        change.owner not in owners and change.new_owner in owners,
        f"the policy does not put {checksum(change.new_owner)} in the place of "
        f"{checksum(change.owner)}",
    )


def _limited(change: Change, bundle: Bundle, _: Deployment, _before: Controls) -> str | None:
    wanted = {limit.token: limit.day_units for limit in bundle.guard_limits}
    units = wanted.get(change.token, 0)
    if change.kind == "set_limit" and change.token not in wanted:
        return "the policy does not have this asset"
    return _unless(
        change.day_units == units,
        f"the policy asks for a limit of {units} units a day, not {change.day_units}",
    )


def _listed(change: Change, bundle: Bundle, _: Deployment, _before: Controls) -> str | None:
    there = change.destination in {entry.address for entry in bundle.address_book}
    return _unless(
        there == (change.kind == "announce_destination"),
        f"{checksum(change.destination)} is {'' if there else 'not '}in the address book",
    )


_CONFORMS: Mapping[str, Judge] = {
    "add_owner": _added,
    "remove_owner": _removed,
    "swap_owner": _swapped,
    "change_threshold": lambda c, b, _d, _b: _unless(
        c.threshold == b.control.threshold,
        f"the policy asks for a threshold of {b.control.threshold}, not {c.threshold}",
    ),
    "set_limit": _limited,
    "lower_limit": _limited,
    "set_permit_signer": lambda c, b, _d, _b: _unless(
        c.permit_signer == b.control.permit_signer,
        f"the policy names {checksum(b.control.permit_signer)} as permit signer",
    ),
    "set_freezers": lambda c, b, _d, _b: _unless(
        c.freezers == b.control.freezers, "the policy names other people who may freeze"
    ),
    "announce_destination": _listed,
    "revoke_destination": _listed,
    "replace_guard": lambda c, b, d, _b: _unless(
        c == guard_as_signed(b, d), "the policy names another guard, or other lists for it"
    ),
    # An announcement that is taken back leaves everything as it is.
    "cancel": lambda _c, _b, _d, _before: None,
}


# --- reading and writing ---

_ADDRESSES = ("owner", "previous", "new_owner", "permit_signer", "guard", "destination")
_READ: Mapping[str, Callable[[Members], Any]] = {
    **{name: partial(Members.address, name=name) for name in _ADDRESSES},
    "threshold": lambda members: members.integer("threshold", 1, THRESHOLD_MAX),
    "token": lambda members: members.address_or_none("token"),
    "day_units": read_day_units,
    "limits": read_limits,
    "destinations": lambda members: members.addresses("destinations"),
    "freezers": read_freezers,
    "change_hash": lambda members: members.hash32("change_hash"),
}


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return checksum(Address(value)) if len(value) == len(ZERO) else to_hex(value)
    if isinstance(value, tuple):
        limits = [one for one in value if isinstance(one, AssetLimit)]
        return limits_document(limits) if limits else [checksum(one) for one in value]
    return value
