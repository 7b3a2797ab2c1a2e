"""The relay's examiner: each vault's configuration at the finalized block, kept, and told of where
somebody changed it who is not us.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from strongroom.auditlog import service as auditlog
from strongroom.chain.errors import ChainError
from strongroom.chain.node import Node
from strongroom.db.actor import system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.errors import StrongroomError
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter, gauge
from strongroom.policy import service as policy
from strongroom.relay import service as relay
from strongroom.screening import service as screening
from strongroom.vaults import service, snapshots
from strongroom.vaults.configuration import Configuration, Questions, examine, moment
from strongroom.vaults.health import judge
from strongroom.vaults.models import Vault, VaultStep
from strongroom.vaults.pending import changes, hashes, questions
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.deployment import Deployment

PAUSE_SECONDS: Final = 10.0
BLOCK: Final = "finalized"
LATE: Final = timedelta(minutes=10)
"""A step is done when its block is final; the examiner may see that block somewhat later."""
TAKING_IN: Final = frozenset({"take_in"})
"""Its owners put our guard and our exit onto a Safe that comes to us: what was asked of them."""
_ORDERED_BY: Final[Mapping[str, frozenset[str]]] = {
    "people": frozenset({"add_owner", "remove_owner", "swap_owner", "change_threshold"}),
    "guard": TAKING_IN | {"replace_guard"},
    "modules": TAKING_IN,
}
"""Our own changes that bring what would else be an alarm of this kind."""

log = logger(__name__)


class Examiner:
    """One step() looks at every vault of the chain once."""

    def __init__(self, database: Database, node: Node, chain_id: int) -> None:
        """`database` connects as strongroom_relay."""
        self._database = database
        self._node = node
        self._chain_id = chain_id

    def step(self) -> bool:
        """Always False: now and then is enough. A vault that can't be read is left for later."""
        with self._database.unit(None, system("relay")) as uow:
            vaults = _vaults(uow, self._chain_id)
        for organisation_id in vaults:
            try:
                self.examine(organisation_id)
            except (ChainError, StrongroomError) as error:
                log.warning(
                    "vault.not_examined", organisation=str(organisation_id), reason=error.message
                )
        return False

    def examine(self, organisation_id: UUID) -> None:
        """One vault. Raises ChainError, NotASafe."""
        with self._database.unit(None, system("relay")) as uow:
            vault = service.lock(uow, organisation_id)
            address, deployment = Address(vault.address), _deployment(uow, vault)
            bundle = policy.active(uow, organisation_id).bundle
            before = snapshots.asked(snapshots.newest(uow, organisation_id, vault.id))
        found = self._read(address, bundle, deployment, before)
        with self._database.unit(organisation_id, system("relay")) as uow:
            vault = service.lock(uow, organisation_id)
            last = snapshots.newest(uow, organisation_id, vault.id)
            previous = None if last is None else snapshots.configuration(last)
            if last is not None and found.height < last.seen_height:
                return  # another examiner was faster, or the node lags
            ours = _own_kinds(uow, vault, None if last is None else last.seen_at)
            if vault.state != "active" and judge(found, deployment).guarded:
                ours |= TAKING_IN
            if snapshots.keep(uow, vault, found, bundle.version):
                _report(uow, vault, previous, found, ours)
            _follow(uow, vault, found, bundle, deployment)
        _measure(vault.address, found, judge(found, deployment).score)

    def _read(
        self, address: Address, bundle: Bundle, deployment: Deployment, before: Questions
    ) -> Configuration:
        """First what stands there; then, at the same block, what the guard knows of the changes."""
        asked = questions(bundle, before)
        found = examine(
            self._node, address, exit_module=deployment.exit, block=BLOCK, questions=asked
        )
        wanted = hashes(found, changes(found, bundle, deployment), deployment)
        if not wanted and not before.changes:
            return found
        return examine(
            self._node,
            address,
            exit_module=deployment.exit,
            block=found.block_hash,
            questions=replace(asked, changes=before.changes | wanted.keys()),
        )


def alarms(before: Configuration | None, after: Configuration) -> Iterator[tuple[str, str]]:
    """(kind, sentence) of what people must hear of; whether it was us is the caller's to know."""
    if before is not None:
        if before.people_hash != after.people_hash:
            yield "people", f"Its owners or threshold changed: {_people(after)}."
        if (before.guard, before.module_guard) != (after.guard, after.module_guard):
            yield "guard", f"Its guards are now {_places(after.guard, after.module_guard)}."
        if (before.modules, before.handler) != (after.modules, after.handler):
            places = _places(*after.modules, after.handler)
            yield "modules", f"Its modules and fallback handler are now {places}."
        if before.singleton != after.singleton:
            yield "singleton", f"Its implementation is now {checksum(after.singleton)}."
    announced = None if before is None else before.exit_usable_from
    if after.exit_usable_from and after.exit_usable_from != announced:
        yield (
            "exit",
            f"Its people announced their exit; it may end from {moment(after.exit_usable_from)}.",
        )
    was = None if before is None or before.record is None else before.record.frozen_until
    until = 0 if after.record is None else after.record.frozen_until
    if until > after.block_time and until != was:
        yield "freeze", f"It is frozen until {moment(until)}."


def _report(
    uow: UnitOfWork,
    vault: Vault,
    before: Configuration | None,
    after: Configuration,
    ours: set[str],
) -> None:
    """One alert for each thing that was not ours, and one record of what stands there now."""
    told = []
    for kind, sentence in alarms(before, after):
        if ours & _ORDERED_BY.get(kind, frozenset()):
            continue
        told.append({"kind": kind, "sentence": sentence})
        counter("strongroom_vault_alarms_total", "Not by us.", ("kind",)).labels(kind).inc()
        log.error("vault.alarm", vault=checksum(after.address), kind=kind, told=sentence)
        screening.open_alert(
            uow,
            organisation_id=vault.organisation_id,
            kind=f"vault.{kind}",
            subject=checksum(after.address),
            reference=f"vault:{vault.id}:{after.height}",
            detail={"sentence": sentence, "height": after.height},
        )
    body = {"height": after.height, "alarms": told, "configuration": snapshots.document(after)}
    auditlog.append(
        uow, "vault.examined", str(vault.id), body, organisation_id=vault.organisation_id
    )


def _own_kinds(uow: UnitOfWork, vault: Vault, since: datetime | None) -> set[str]:
    """Kinds of our own changes that may have been mined since the last look."""
    rows = uow.session.execute(
        select(VaultStep.change, VaultStep.state, VaultStep.updated_at).where(
            VaultStep.organisation_id == vault.organisation_id,
            VaultStep.phase != "announce",
            VaultStep.state.in_(("binding", "sent", "done")),
        )
    )
    return {
        str(change["kind"])
        for change, state, updated_at in rows
        if state != "done" or (since is not None and updated_at > since - LATE)
    }


def _follow(
    uow: UnitOfWork, vault: Vault, found: Configuration, bundle: Bundle, deployment: Deployment
) -> None:
    """The vault's row says who owns it now; one that was taken in is active once it is guarded and
    stands as its policy says.
    """
    owners = [checksum(one) for one in found.owners]
    if (vault.owners, vault.threshold) != (owners, found.threshold):
        vault.owners, vault.threshold, vault.updated_at = owners, found.threshold, uow.now
    guarded = judge(found, deployment).guarded
    if vault.state != "active" and guarded and not changes(found, bundle, deployment):
        delegate = relay.get(uow, vault.organisation_id, vault.delegate_id)
        if delegate.state == "finalized":
            vault.state, vault.active_at, vault.updated_at = "active", uow.now, uow.now


def _measure(address: bytes, found: Configuration, score: int) -> None:
    name = checksum(address)
    gauge("strongroom_vault_score", "Of 100.", ("vault",)).labels(name).set(score)
    pending = gauge("strongroom_vault_exit_usable_from", "Block time, 0 = none.", ("vault",))
    pending.labels(name).set(found.exit_usable_from)


def _vaults(uow: UnitOfWork, chain_id: int) -> list[UUID]:
    """Every vault that stands, or that is being taken in."""
    return list(
        uow.session.scalars(
            select(Vault.organisation_id)
            .where(
                Vault.chain_id == chain_id,
                (Vault.state == "active")
                | (Vault.creation_id.is_(None) & (Vault.state == "creating")),
            )
            .order_by(Vault.id)
        )
    )


def _deployment(uow: UnitOfWork, vault: Vault) -> Deployment:
    return service.platform(uow, vault.chain_id).deployment


def _people(found: Configuration) -> str:
    return f"{found.threshold} of {_places(*found.owners)}"


def _places(*addresses: Address) -> str:
    return ", ".join(map(checksum, addresses)) or "none"
