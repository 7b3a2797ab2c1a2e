"""Ten checks of a Safe's configuration, scored; and what must change before it can be taken in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from strongroom.vaults.configuration import Configuration, moment
from strongroom.vaults.official import PROXIES, SINGLETON, SINGLETONS
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.deployment import Deployment

State = Literal["good", "attention", "bad"]
POINTS: Final = {"good": 10, "attention": 5, "bad": 0}
Finding = tuple[State, str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """One of the ten. `remedy`: what to do, empty where nothing is to be done. `blocks`: whether
    the Safe cannot be taken in before that is done; the batch of taking in does the rest itself.
    """

    name: str
    state: State
    sentence: str
    remedy: str
    blocks: bool

    @property
    def points(self) -> int:
        """0, 5 or 10."""
        return POINTS[self.state]


@dataclass(frozen=True, slots=True)
class Health:
    """The ten checks of one Safe."""

    checks: tuple[Check, ...]
    guarded: bool
    """Whether Strongroom's guard stands on it."""

    @property
    def score(self) -> int:
        """0 to 100."""
        return sum(check.points for check in self.checks)

    @property
    def blockers(self) -> tuple[Check, ...]:
        """What people must change before the Safe can be taken in."""
        return tuple(check for check in self.checks if check.blocks)


def judge(found: Configuration, deployment: Deployment) -> Health:
    """All ten checks. `deployment`: whose guard and exit are ours."""
    guarded = found.guard == deployment.guard and found.record is not None
    checks = [
        _check(name, look(found, deployment), in_batch and not guarded)
        for name, look, in_batch in _CHECKS
    ]
    return Health(tuple(checks), guarded)


def _check(name: str, finding: Finding, batch_mends: bool) -> Check:
    state, sentence, remedy = finding
    if state == "bad" and batch_mends:
        remedy = f"{remedy} The batch of taking in does it.".strip()
    return Check(name, state, sentence, remedy, state == "bad" and not batch_mends)


def _proxy(found: Configuration, _: Deployment) -> Finding:
    name = PROXIES.get(found.code_hash)
    if name is None:
        return (
            "bad",
            f"The code at the address (hash 0x{found.code_hash.hex()}) is no official proxy.",
            "Make a new Safe with Safe's own factory and move the money there.",
        )
    return "good", f"The code at the address is {name}, official.", ""


def _singleton(found: Configuration, _: Deployment) -> Finding:
    at, code_hash = checksum(found.singleton), found.code_hashes.get(found.singleton, b"")
    name = SINGLETONS.get(code_hash)
    if name == SINGLETON:
        return "good", f"The implementation at {at} is {name}, official.", ""
    if name is None:
        return (
            "bad",
            f"The implementation at {at} (hash 0x{code_hash.hex()}) is no official Safe.",
            "Whoever wrote it controls the money: move it to a new Safe.",
        )
    return (
        "bad",
        f"The implementation at {at} is {name}, official; it has no module guard that we know.",
        f"Migrate to {SINGLETON} with Safe's own SafeMigration (migrateL2Singleton).",
    )


def _owners(found: Configuration, _: Deployment) -> Finding:
    if found.contract_owners:
        names = ", ".join(map(checksum, found.contract_owners))
        return (
            "bad",
            f"Owners that are contracts: {names}.",
            "Replace them by people's own keys: approvals are ECDSA signatures (rule 10).",
        )
    return "good", f"{len(found.owners)} owners, each with a key of its own.", ""


def _threshold(found: Configuration, _: Deployment) -> Finding:
    told = f"{found.threshold} of {len(found.owners)} owners sign."
    if found.threshold < 2:
        return "bad", told, "One stolen key moves everything: raise the threshold to 2 or more."
    if found.threshold == len(found.owners):
        return (
            "attention",
            told,
            "One lost key locks everything: add an owner, or lower the threshold.",
        )
    return "good", told, ""


def _guard_at(what: str, guard: Address, found: Configuration, ours: Deployment) -> Finding:
    if guard == ZERO:
        return "bad", f"No {what} guard stands on it.", "Set Strongroom's guard."
    at = checksum(guard)
    if found.code_hashes.get(guard) == ours.code_hash("PermitGuard") and guard == ours.guard:
        return "good", f"The {what} guard at {at} is Strongroom's.", ""
    return (
        "bad",
        f"The {what} guard at {at} is not Strongroom's.",
        "Find out what it is for, and remove it or take the next guard by a governed change.",
    )


def _guard(found: Configuration, deployment: Deployment) -> Finding:
    return _guard_at("transaction", found.guard, found, deployment)


def _module_guard(found: Configuration, deployment: Deployment) -> Finding:
    return _guard_at("module", found.module_guard, found, deployment)


def _modules(found: Configuration, deployment: Deployment) -> Finding:
    others = [one for one in found.modules if one != deployment.exit]
    if others:
        return (
            "bad",
            f"Modules that move money without signatures: {', '.join(map(checksum, others))}.",
            "Disable them.",
        )
    if not found.modules:
        return "bad", "No module is enabled, so its people have no exit yet.", "Enable the exit."
    return "good", "The only module is the exit.", ""


def _handler(found: Configuration, _: Deployment) -> Finding:
    if found.handler != ZERO:
        return (
            "bad",
            f"The fallback handler {checksum(found.handler)} can answer in the Safe's name.",
            "Set it to zero (rule 1: EIP-1271 goes round every guard).",
        )
    return "good", "No fallback handler: nothing answers in the Safe's name.", ""


def _record(found: Configuration, _: Deployment) -> Finding:
    record = found.record
    if record is None or record.permit_signer == ZERO:
        return "bad", "Its guard does not know it.", "Configure the guard."
    if (record.singleton, record.people_hash) != (found.singleton, found.people_hash):
        return (
            "bad",
            "Its guard remembers other people or another implementation than stand there.",
            "Ask the custodian at once: something changed that the guard did not see.",
        )
    return "good", f"Its guard knows it: Permits by {checksum(record.permit_signer)}.", ""


def _calm(found: Configuration, _: Deployment) -> Finding:
    if found.exit_usable_from:
        return (
            "attention",
            f"Its people announced their exit; it may end from {moment(found.exit_usable_from)}.",
            "Talk to them; n - k + 1 owners can cancel it.",
        )
    if found.record is not None and found.record.frozen_until > found.block_time:
        return (
            "attention",
            f"It is frozen until {moment(found.record.frozen_until)}.",
            "Its people can end that with their threshold of signatures.",
        )
    return "good", "No exit is announced and nothing is frozen.", ""


_Look = Callable[[Configuration, Deployment], Finding]
# Whether the batch by which a Safe is taken in mends it.
_CHECKS: Sequence[tuple[str, _Look, bool]] = (
    ("proxy", _proxy, False),
    ("implementation", _singleton, False),
    ("owners", _owners, False),
    ("threshold", _threshold, False),
    ("transaction guard", _guard, True),
    ("module guard", _module_guard, True),
    ("modules", _modules, True),
    ("fallback handler", _handler, True),
    ("guard's record", _record, True),
    ("exit and freeze", _calm, False),
)
