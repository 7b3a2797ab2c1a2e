"""What approvers see of a withdrawal: plain lines from the bytes, cautions, simulation (P5).

Lines come from `strongroom_protocol.decoder` and the signed bundle alone. What was paid before, the
chain's answers and rates add cautions and a value; none of them can take a caution away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from strongroom.db.database import UnitOfWork
from strongroom.policy import service as policy
from strongroom.vaults import room
from strongroom.vaults import service as vaults
from strongroom.vaults.configuration import Configuration
from strongroom.vaults.errors import NotExamined
from strongroom.withdrawals import rates, recipients, repository, wallet
from strongroom.withdrawals.errors import NotDecodable
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.types import Kind
from strongroom_protocol import safe
from strongroom_protocol.addresses import Address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.decoded import Caution, Decoded, DecodingRefused, Known, Place
from strongroom_protocol.decoder import decode_order, decode_safe_tx


@dataclass(frozen=True, slots=True)
class SimulationView:
    """What the node said last; `changes` as (address, token, units) in lower-case hex, decimal."""

    method: str
    block_height: int | None
    succeeded: bool | None
    changes: tuple[Mapping[str, str], ...]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """`decoded` is None where the bytes have no plain words: `refused` says why, and nobody signs.
    `cautions` are all of them, the bytes' own first.
    """

    decoded: Decoded | None
    refused: str | None
    cautions: tuple[Caution, ...]
    simulation: SimulationView | None


def seen(uow: UnitOfWork, row: Withdrawal) -> Seen | None:
    """Of what is to be signed now; None when nothing is."""
    kind = wallet.kind_to_sign(row)
    if kind is None:
        return None
    bundle = policy.active(uow, row.organisation_id).bundle
    simulation, cautions = _simulation(uow, row, kind, bundle)
    if kind == "payment":
        cautions = recipients.cautions(uow, row) + cautions
    try:
        decoded = decode(row, kind, bundle, place_of(uow, bundle), known(uow, row, bundle))
    except DecodingRefused as error:
        return Seen(None, str(error), cautions, simulation)
    return Seen(decoded, None, decoded.cautions + cautions, simulation)


def check_decodable(uow: UnitOfWork, row: Withdrawal, kind: Kind, bundle: Bundle) -> None:
    """Check: what is signed can be put into plain words completely. Raises NotDecodable."""
    try:
        decode(row, kind, bundle, place_of(uow, bundle), Known(int(uow.now.timestamp())))
    except DecodingRefused as error:
        raise NotDecodable(
            f"What would be signed can't be put into plain words: {error}. Nobody can sign it; "
            "reject it and have it ordered again."
        ) from error


def decode(row: Withdrawal, kind: Kind, bundle: Bundle, place: Place, facts: Known) -> Decoded:
    """The very bytes that are signed, in words. Raises DecodingRefused."""
    if wallet.is_spending(row):
        return decode_order(wallet.intent_of(row), bundle, facts)
    within = safe.domain(bundle.chain_id, Address(row.wallet))
    return decode_safe_tx(wallet.safe_tx_of(row, kind), within, bundle, place, facts)


def place_of(uow: UnitOfWork, bundle: Bundle) -> Place:
    """The vault and its contracts, computed from the bundle and the platform's keys."""
    platform = vaults.platform(uow, bundle.chain_id).deployment
    guard = bundle.control.guard or platform.guard
    return Place(platform.vault_address(bundle), guard, platform.multi_send)


def known(uow: UnitOfWork, row: Withdrawal, bundle: Bundle) -> Known:
    """What the service knows beside the bytes."""
    organisation_id = row.organisation_id
    paid = repository.paid_before(uow, organisation_id)
    on_chain = _on_chain(uow) if row.wallet_kind == "vault" else None
    return Known(
        now=int(uow.now.timestamp()),
        paid=frozenset(map(Address, paid)),
        usable_from=None
        if on_chain is None or on_chain.record is None
        else on_chain.record.destinations,
        owners=None if on_chain is None else on_chain.owners,
        threshold=None if on_chain is None else on_chain.threshold,
        value_of=lambda asset, units: rates.worth(uow, organisation_id, bundle, asset, units),
    )


def _on_chain(uow: UnitOfWork) -> Configuration | None:
    """The vault as it was last examined, if it was."""
    try:
        return room.standing(uow).found
    except NotExamined:
        return None


def _simulation(
    uow: UnitOfWork, row: Withdrawal, kind: Kind, bundle: Bundle
) -> tuple[SimulationView | None, tuple[Caution, ...]]:
    """A payment's; an answer about other bytes is none, and none is a caution."""
    if kind == "rejection":
        return None, ()
    found = repository.simulation(uow, row)
    if found is None or found.digest != wallet.to_sign(row, kind, bundle.chain_id).digest:
        text = "The node was not asked yet what this payment would do."
        return None, (Caution("simulation_missing", text),)
    view = SimulationView(
        found.method, found.block_height, found.succeeded, tuple(found.changes), found.asked_at
    )
    return view, tuple(Caution(one["code"], one["text"]) for one in found.cautions)
