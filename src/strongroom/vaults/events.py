"""What Safes tell of themselves in final blocks, kept; and told to people where nobody of ours
ordered it.

An event is ours when its transaction executed one of our steps, or is the one that made the vault.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.chain.ports import BlockView, Log, TransactionSeen
from strongroom.db.database import UnitOfWork
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter
from strongroom.relay.types import OutgoingView
from strongroom.screening import service as screening
from strongroom.vaults.models import Vault, VaultEvent, VaultStep
from strongroom_protocol.addresses import checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256

SUCCESS: Final = "ExecutionSuccess"
_ADDRESS: Final = ("address",)
_HASH: Final = ("safe_tx_hash",)
_SIGNATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "ExecutionSuccess(bytes32,uint256)": _HASH,
    "ExecutionFailure(bytes32,uint256)": _HASH,
    "ExecutionFromModuleSuccess(address)": _ADDRESS,
    "ExecutionFromModuleFailure(address)": _ADDRESS,
    "AddedOwner(address)": _ADDRESS,
    "RemovedOwner(address)": _ADDRESS,
    "ChangedThreshold(uint256)": ("threshold",),
    "EnabledModule(address)": _ADDRESS,
    "DisabledModule(address)": _ADDRESS,
    "ChangedGuard(address)": _ADDRESS,
    "ChangedModuleGuard(address)": _ADDRESS,
    "ChangedFallbackHandler(address)": _ADDRESS,
    "ProxyCreation(address,address)": _ADDRESS,
}
"""Safe 1.5.0's events and what their first word is."""
_BY_TOPIC: Final = {
    keccak256(signature.encode()): (signature.partition("(")[0], words[0])
    for signature, words in _SIGNATURES.items()
}
EXECUTIONS: Final = frozenset({SUCCESS, "ExecutionFailure", "ProxyCreation"})
"""No change of the vault by themselves: whoever sent them, people had signed."""
PLACED: Final = "SweeperPlaced"
"""Not Safe's: the vault's sweep delegate was made, at its computed address."""


@dataclass(frozen=True, slots=True)
class EventView:
    """One event. `ours`: a step or a transaction of ours ordered it."""

    id: UUID
    height: int
    tx_hash: bytes
    name: str
    body: Mapping[str, Any]
    ours: bool
    at: datetime


def decode(log: Log) -> tuple[str, dict[str, Any]] | None:
    """Name and first word of an event that we know; indexed or not."""
    known = _BY_TOPIC.get(log.topics[0]) if log.topics else None
    if known is None:
        return None
    name, word = known
    value = log.topics[1] if len(log.topics) > 1 else log.data[:32]
    if len(value) != 32:
        return None
    if word == "address":
        return name, {word: checksum(value[12:])}
    return name, {word: int.from_bytes(value) if word == "threshold" else to_hex(value)}


def record(uow: UnitOfWork, block: BlockView, sent: Mapping[bytes, OutgoingView]) -> None:
    """Keep a final block's events of our vaults. `sent`: its transactions that the relay sent."""
    found = list(_of_vaults(uow, block))
    if not found:
        return
    steps = _own_steps(uow, {told.vault.id for told in found})
    for told in found:
        ours = _is_ours(told, steps, sent)
        vault = told.vault
        if _keep(uow, told, block, ours=ours):
            being_taken_in = vault.creation_id is None and vault.state != "active"
            if not (ours or being_taken_in or told.name in EXECUTIONS):
                _alarm(uow, told, block)


def record_sweeper(uow: UnitOfWork, vault: Vault, block: BlockView, tx_hash: bytes) -> None:
    """Keep that the vault's sweep delegate was placed."""
    for seen in block.transactions:
        if seen.hash == tx_hash:
            log = Log(len(seen.logs), vault.sweeper, (), b"")
            body = {"address": checksum(vault.sweeper)}
            _keep(uow, _Told(vault, seen, log, PLACED, body), block, ours=True)


def newest(uow: UnitOfWork, vault_id: UUID, limit: int) -> list[EventView]:
    """The last events of a vault of the unit's organisation, newest first."""
    rows = uow.session.scalars(
        select(VaultEvent)
        .where(VaultEvent.organisation_id == uow.organisation_id, VaultEvent.vault_id == vault_id)
        .order_by(VaultEvent.id.desc())
        .limit(limit)
    )
    return [
        EventView(row.id, row.height, row.tx_hash, row.name, row.body, row.ours, row.at)
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class _Told:
    """An event of a vault, in its transaction."""

    vault: Vault
    seen: TransactionSeen
    log: Log
    name: str
    body: Mapping[str, Any]


def _of_vaults(uow: UnitOfWork, block: BlockView) -> Iterator[_Told]:
    known = [
        (seen, log, event)
        for seen in block.transactions
        for log in seen.logs
        if (event := decode(log)) is not None
    ]
    if not known:
        return
    about = {_about(log, name) for _, log, (name, _) in known}
    rows = uow.session.scalars(
        select(Vault).where(Vault.chain_id == block.chain_id, Vault.address.in_(sorted(about)))
    )
    vaults = {row.address: row for row in rows}
    for seen, log, (name, body) in known:
        vault = vaults.get(_about(log, name))
        if vault is not None:
            yield _Told(vault, seen, log, name, body)


def _about(log: Log, name: str) -> bytes:
    """The Safe that an event is about: itself, or what a factory made."""
    return log.topics[1][12:] if name == "ProxyCreation" and len(log.topics) > 1 else log.address


def _own_steps(uow: UnitOfWork, vaults: set[UUID]) -> dict[UUID, set[str]]:
    found = uow.session.execute(
        select(VaultStep.vault_id, VaultStep.safe_tx_hash).where(VaultStep.vault_id.in_(vaults))
    )
    steps: dict[UUID, set[str]] = {}
    for vault_id, safe_tx_hash in found:
        steps.setdefault(vault_id, set()).add(to_hex(safe_tx_hash))
    return steps


def _is_ours(
    told: _Told, steps: Mapping[UUID, set[str]], sent: Mapping[bytes, OutgoingView]
) -> bool:
    """A payment may be executed by us, but only a step or the creation changes a vault."""
    own = steps.get(told.vault.id, set())
    for log in told.seen.logs:
        event = decode(log) if log.address == told.vault.address else None
        if event is not None and event[0] == SUCCESS and event[1]["safe_tx_hash"] in own:
            return True
    outgoing = sent.get(told.seen.hash)
    created = outgoing is not None and outgoing.id == told.vault.creation_id
    return created or (outgoing is not None and told.name in EXECUTIONS)


def _keep(uow: UnitOfWork, told: _Told, block: BlockView, *, ours: bool) -> bool:
    """False where it was kept before."""
    added = uow.session.execute(
        insert(VaultEvent)
        .values(
            organisation_id=told.vault.organisation_id,
            id=uow.new_id(),
            vault_id=told.vault.id,
            height=block.height,
            block_hash=block.hash,
            tx_hash=told.seen.hash,
            position=told.log.position,
            contract=told.log.address,
            name=told.name,
            body=dict(told.body),
            ours=ours,
            at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(VaultEvent.id)
    ).scalar_one_or_none()
    return added is not None


def _alarm(uow: UnitOfWork, told: _Told, block: BlockView) -> None:
    vault, tx_hash = checksum(told.vault.address), told.seen.hash
    words = ", ".join(str(value) for value in told.body.values())
    sentence = f"{vault} told {told.name} {words}; nobody of ours ordered it."
    foreign = counter("strongroom_vault_events_foreign_total", "Not by us.", ("name",))
    foreign.labels(told.name).inc()
    logger(__name__).error("vault.event", vault=vault, told=sentence)
    screening.open_alert(
        uow,
        organisation_id=told.vault.organisation_id,
        kind="vault.event",
        subject=vault,
        reference=f"vault:{told.vault.id}:{tx_hash.hex()}:{told.log.position}",
        detail={"sentence": sentence, "height": block.height, "tx_hash": to_hex(tx_hash)},
    )
