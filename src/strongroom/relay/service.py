"""Outgoing transactions as other rooms use them: put one in, look at it, ask for its cancel."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row
from sqlalchemy import select

from strongroom.db import arrays
from strongroom.db.database import UnitOfWork
from strongroom.relay.errors import NonceTaken, NotCancellable, OutgoingUnknown, RefTaken
from strongroom.relay.models import Outgoing, OutgoingAttempt
from strongroom.relay.types import (
    VIEWED,
    AttemptKind,
    FeeCap,
    Fees,
    OutgoingView,
    Purpose,
    SignedAttempt,
    view_of,
)

NO_CAP = FeeCap()
"""Only the relay's own cap, and the signer's."""
NONCES_AHEAD_MAX: Final = 64
"""Payments that were signed offline and are still on their way to us."""
_BY_HASH: Final = (
    f"SELECT a.hash, {', '.join('o.' + name for name in VIEWED)}"  # noqa: S608 - own constant
    " FROM outgoing_attempt AS a JOIN outgoing AS o"
    " ON (o.organisation_id, o.id) = (a.organisation_id, a.outgoing_id)"
    " WHERE a.hash = ANY(%s::bytea[])"
).encode()


def enqueue(
    uow: UnitOfWork,
    organisation_id: UUID,
    purpose: Purpose,
    ref: bytes,
    payload: Mapping[str, Any],
    *,
    chain_id: int,
    cap: FeeCap = NO_CAP,
    gas: int | None = None,
) -> UUID:
    """Put a transaction in line; gives its id. The same (chain, ref) again gives the same id.

    `ref`: 32 bytes, for ever this transaction's. `payload`: the signer's fields of operation
    `relay` for the purpose. `cap`: what it may cost; above it the transaction waits. `gas`:
    the limit, if the purpose's own would not do. Raises RefTaken when the ref stands for something
    else.
    """
    new = uow.execute(
        "INSERT INTO outgoing (organisation_id, id, chain_id, purpose, ref, payload, due_at, gas,"
        " fee_level, max_fee_per_gas_wei, max_total_fee_wei, request_id, created_at, updated_at)"
        " VALUES (%(owner)s, %(id)s, %(chain_id)s, %(purpose)s, %(ref)s, %(payload)s::jsonb,"
        " %(now)s, %(gas)s, %(level)s, %(price)s::numeric, %(total)s::numeric, %(request)s,"
        " %(now)s, %(now)s) ON CONFLICT (chain_id, ref) DO NOTHING RETURNING id",
        {
            "owner": organisation_id,
            "id": uow.new_id(),
            "chain_id": chain_id,
            "purpose": purpose,
            "ref": ref,
            "payload": json.dumps(dict(payload)),
            "gas": gas,
            "level": cap.level,
            "price": cap.max_fee_per_gas_wei,
            "total": cap.max_total_fee_wei,
            "request": uow.request_id,
            "now": uow.now,
        },
    ).fetchone()
    if new is not None:
        return UUID(str(new[0]))
    found = uow.session.scalars(
        select(Outgoing).where(Outgoing.chain_id == chain_id, Outgoing.ref == ref)
    ).one_or_none()
    if found is None or (found.organisation_id, found.purpose, found.payload) != (
        organisation_id,
        purpose,
        dict(payload),
    ):
        raise RefTaken(
            "This reference belongs to another outgoing transaction; a reference is used once, "
            "for one transaction."
        )
    return found.id


def take_signed(
    uow: UnitOfWork,
    found: OutgoingView,
    kind: AttemptKind,
    signed: SignedAttempt,
    fees: Fees,
) -> None:
    """Put in an attempt that an offline machine signed, to be sent as it is; the caller has looked
    that it does what `found` says. The same bytes again change nothing. Raises NonceTaken.
    """
    row = _row(uow, found.organisation_id, found.id)
    there = uow.session.scalars(
        select(OutgoingAttempt).where(
            OutgoingAttempt.organisation_id == row.organisation_id,
            OutgoingAttempt.outgoing_id == row.id,
        )
    ).all()
    if signed.hash in {attempt.hash for attempt in there}:
        return
    check_nonce(uow, row.chain_id, signed, row.ref)
    uow.session.add(
        OutgoingAttempt(
            organisation_id=row.organisation_id,
            outgoing_id=row.id,
            attempt=len(there),
            kind=kind,
            gas=fees.gas,
            max_fee_per_gas_wei=fees.max_fee_per_gas_wei,
            max_priority_fee_per_gas_wei=fees.max_priority_fee_per_gas_wei,
            planned_at=uow.now,
            raw=signed.raw,
            hash=signed.hash,
            stored_at=uow.now,
        )
    )
    row.sender, row.nonce = signed.sender, signed.nonce
    row.state = "signed" if row.state == "queued" else row.state
    row.due_at = row.updated_at = uow.now
    uow.session.flush()


def check_nonce(uow: UnitOfWork, chain_id: int, signed: SignedAttempt, ref: bytes | None) -> None:
    """Check: the nonce is no other transaction's, this one's if it has one, and not far ahead of
    the last that we know: one that is never reached is never mined. Raises NonceTaken.
    """
    rows = uow.session.execute(
        select(Outgoing.ref, Outgoing.nonce).where(
            Outgoing.chain_id == chain_id, Outgoing.sender == signed.sender
        )
    ).all()
    own = next((row.nonce for row in rows if row.ref == ref), None)
    taken = {row.nonce for row in rows if row.ref != ref}
    last = max((row.nonce for row in rows), default=-1)
    ahead = signed.nonce > last + NONCES_AHEAD_MAX
    if signed.nonce in taken or ahead or own not in (None, signed.nonce):
        raise NonceTaken(
            f"Its nonce {signed.nonce} does not fit: the wallet's last one here is {last}, and a "
            "nonce belongs to one payment for ever. Look at the offline machine's journal."
        )


def get(uow: UnitOfWork, organisation_id: UUID, outgoing_id: UUID) -> OutgoingView:
    """One outgoing transaction. Raises OutgoingUnknown."""
    return _row(uow, organisation_id, outgoing_id).view()


def by_hash(uow: UnitOfWork, chain_id: int, hashes: Collection[bytes]) -> dict[bytes, OutgoingView]:
    """Which outgoing transaction each hash is an attempt of; unknown hashes are left out, and so
    are payloads (`get` has them): a block asks for hundreds.
    """
    if not hashes:
        return {}
    cursor = uow.driver.cursor(row_factory=dict_row)
    found = cursor.execute(_BY_HASH, (arrays.octets(sorted(hashes)),))
    # Here and not there: by the chain a planner without figures reads all of its rows.
    return {row["hash"]: view_of(row) for row in found if row["chain_id"] == chain_id}


def latest_hash(uow: UnitOfWork, organisation_id: UUID, outgoing_id: UUID) -> bytes | None:
    """The hash under which it was mined, or else that of its newest signed attempt."""
    row = _row(uow, organisation_id, outgoing_id)
    if row.mined_hash is not None:
        return row.mined_hash
    return uow.session.scalars(
        select(OutgoingAttempt.hash)
        .where(
            OutgoingAttempt.organisation_id == organisation_id,
            OutgoingAttempt.outgoing_id == outgoing_id,
            OutgoingAttempt.hash.is_not(None),
        )
        .order_by(OutgoingAttempt.attempt.desc())
        .limit(1)
    ).one_or_none()


def last_price_wei(uow: UnitOfWork, chain_id: int) -> int | None:
    """What a unit of gas was last offered on a chain, in wei; None before the first attempt."""
    return uow.session.scalars(
        select(OutgoingAttempt.max_fee_per_gas_wei)
        .join(
            Outgoing,
            (Outgoing.organisation_id == OutgoingAttempt.organisation_id)
            & (Outgoing.id == OutgoingAttempt.outgoing_id),
        )
        .where(Outgoing.chain_id == chain_id)
        .order_by(OutgoingAttempt.planned_at.desc())
        .limit(1)
    ).one_or_none()


def request_cancel(uow: UnitOfWork, organisation_id: UUID, outgoing_id: UUID) -> None:
    """Ask for a same-nonce self-send in its place. What happened is what is mined.

    Raises OutgoingUnknown, NotCancellable.
    """
    row = _row(uow, organisation_id, outgoing_id)
    if row.state not in ("signed", "broadcast"):
        raise NotCancellable(
            f"The transaction is {row.state}; only one that is signed and not mined can be "
            "replaced."
        )
    if row.cancel_requested_at is None:
        row.cancel_requested_at = uow.now
        row.due_at = uow.now
        row.updated_at = uow.now


def _row(uow: UnitOfWork, organisation_id: UUID, outgoing_id: UUID) -> Outgoing:
    row = uow.session.get(Outgoing, (organisation_id, outgoing_id))
    if row is None:
        raise OutgoingUnknown("The organisation has no such outgoing transaction.")
    return row
