"""The address book: proposed by one person, agreed by another, kept with its history and proofs.

Nothing here can be paid: an agreed entry enters the next draft, and counts once its administrators
have signed that and both signer and chain have let it cool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.policy import errors, ownership
from strongroom.policy.models import BookProof, BookProposal, PolicyBundle
from strongroom.policy.types import BookEntry, NewEntry, Proof, Proposal
from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.amounts import Asset
from strongroom_protocol.encoding import to_hex

COOLING: Final = timedelta(days=1)
"""Before, signer and guard pay no new destination; those of the first version are known."""
Kind = Literal["enter", "retire"]
Outcome = Literal["agreed", "refused", "withdrawn"]


@dataclass(frozen=True, slots=True)
class ArrivedPayment:
    """A payment that arrived and is final: who paid, what, in which transaction (32 bytes)."""

    payer: bytes
    asset: str | None
    units: int
    tx_hash: bytes


def propose(uow: UnitOfWork, new: NewEntry, *, kind: Kind = "enter") -> Proposal:
    """Propose that an address enter the book (or be changed in it), or that it retire.

    Raises PersonNeeded, ProposalOpen, EntryUnknown (retiring what is not there).
    """
    person = _person(uow)
    there = {entry.address for entry in entries(uow)} | set(_first_seen(uow))
    if kind == "retire" and new.address not in there:
        raise errors.EntryUnknown("The address book has no such entry, so it can't retire.")
    row = BookProposal(
        organisation_id=uow.organisation_id,
        id=uow.new_id(),
        kind=kind,
        address=new.address,
        label=new.label,
        owner=new.owner,
        tags=sorted(set(new.tags)),
        why=new.why,
        proposed_by=person,
        proposed_at=uow.now,
    )
    try:
        with uow.session.begin_nested():
            uow.session.add(row)
            uow.session.flush()
    except IntegrityError as error:
        raise errors.ProposalOpen(
            f"A proposal about {checksum(new.address)} is open; decide that one first."
        ) from error
    auditlog.append(uow, "book.proposed", str(row.id), _record(row))
    return _proposal(row, identity_names(uow))


def decide(uow: UnitOfWork, proposal_id: UUID, outcome: Outcome, *, reason: str = "") -> Proposal:
    """Agree, refuse, or take back. Raises PersonNeeded, ProposalUnknown, ProposalDecided,
    FourEyesNeeded, ReasonNeeded.
    """
    person = _person(uow)
    row = uow.session.scalars(
        select(BookProposal)
        .where(BookProposal.organisation_id == uow.organisation_id, BookProposal.id == proposal_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise errors.ProposalUnknown("The address book has no such proposal.")
    if row.outcome is not None:
        raise errors.ProposalDecided(f"This proposal was {row.outcome} already.")
    if outcome != "withdrawn" and row.proposed_by == person:
        raise errors.FourEyesNeeded(
            "You proposed this yourself; somebody else must look at the address and decide."
        )
    if outcome == "withdrawn" and row.proposed_by != person:
        raise errors.FourEyesNeeded("Only whoever proposed it can take it back; refuse it instead.")
    if outcome == "refused" and not reason:
        raise errors.ReasonNeeded("Say why you refuse it, so that whoever proposed it knows.")
    row.outcome, row.decided_by, row.decided_at, row.reason = outcome, person, uow.now, reason
    uow.session.flush()
    auditlog.append(uow, f"book.{outcome}", str(row.id), _record(row))
    return _proposal(row, identity_names(uow))


def prove(uow: UnitOfWork, address: Address, owner: str, signature: bytes) -> Proof:
    """Keep a signature of the address's own key over its owner's statement. Raises ProofWrong."""
    organisation = identity.organisation(uow)
    method = ownership.method_of(organisation.ref, address, owner, organisation.chain_id, signature)
    statement = ownership.words(organisation.ref, address, owner)
    return _keep(uow, address, method, statement, signature)


def prove_by_payment(uow: UnitOfWork, address: Address, arrived: ArrivedPayment) -> Proof:
    """Keep a final payment of exactly the amount that this address was asked for (a Satoshi test).

    Raises ProofWrong.
    """
    if arrived.payer != address or arrived.asset is None:
        raise errors.ProofWrong(
            f"This payment was not sent by {checksum(address)}; it proves nothing about it."
        )
    asset = Asset(arrived.asset)
    asked = ownership.asked_amount(identity.organisation(uow).ref, address, asset)
    if arrived.units != asked.units:
        raise errors.ProofWrong(f"A test payment is exactly {asked}; this one was another amount.")
    statement = ownership.asked_words(asked, address)
    return _keep(uow, address, "test_payment", statement, arrived.tx_hash)


def entries(uow: UnitOfWork) -> list[BookEntry]:
    """The book as it is agreed now, by label; each with its proofs and from when it can be paid."""
    newest: dict[bytes, BookProposal] = {}
    for row in _rows(uow):
        if row.outcome == "agreed":
            newest[row.address] = row
    proofs, seen = _proofs(uow), _first_seen(uow)
    names = identity_names(uow)
    found = [
        BookEntry(
            address=Address(address),
            label=row.label,
            owner=row.owner,
            tags=tuple(row.tags),
            proposed_by=names.get(row.proposed_by, ""),
            agreed_by=names.get(cast(UUID, row.decided_by), ""),
            agreed_at=cast(datetime, row.decided_at),
            proofs=tuple(proofs.get(address, ())),
            usable_from=seen.get(Address(address)),
        )
        for address, row in newest.items()
        if row.kind == "enter"
    ]
    return sorted(found, key=lambda entry: (entry.label, entry.address))


def settled(uow: UnitOfWork) -> frozenset[bytes]:
    """Addresses of which the book has said something: of others only the active policy knows."""
    return frozenset(row.address for row in _rows(uow) if row.outcome == "agreed")


def proposals(uow: UnitOfWork, address: Address | None = None) -> list[Proposal]:
    """Every proposal, or all about one address, the newest first: the book's history."""
    names = identity_names(uow)
    rows = [row for row in _rows(uow) if address is None or row.address == address]
    return [_proposal(row, names) for row in reversed(rows)]


def identity_names(uow: UnitOfWork) -> dict[UUID, str]:
    """People's names by id."""
    return {person.id: person.name for person in identity.people(uow)}


def _keep(uow: UnitOfWork, address: Address, method: str, statement: str, evidence: bytes) -> Proof:
    known = uow.session.scalars(
        select(BookProof).where(
            BookProof.organisation_id == uow.organisation_id,
            BookProof.address == address,
            BookProof.evidence == evidence,
        )
    ).one_or_none()
    if known is not None:
        return _proof(known)
    row = BookProof(
        organisation_id=uow.organisation_id,
        id=uow.new_id(),
        address=address,
        method=method,
        statement=statement,
        evidence=evidence,
        recorded_by=f"{uow.actor.kind}:{uow.actor.id}",
        recorded_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    body = {"address": checksum(address), "method": method, "statement": statement}
    auditlog.append(uow, "book.proved", str(row.id), {**body, "evidence": to_hex(evidence)})
    return _proof(row)


def _rows(uow: UnitOfWork) -> Sequence[BookProposal]:
    own = BookProposal.organisation_id == uow.organisation_id
    decided = (BookProposal.decided_at.asc().nulls_last(), BookProposal.id)
    return uow.session.scalars(select(BookProposal).where(own).order_by(*decided)).all()


def _proofs(uow: UnitOfWork) -> dict[bytes, list[Proof]]:
    own = BookProof.organisation_id == uow.organisation_id
    found: dict[bytes, list[Proof]] = {}
    for row in uow.session.scalars(select(BookProof).where(own).order_by(BookProof.id)):
        found.setdefault(row.address, []).append(_proof(row))
    return found


def _first_seen(uow: UnitOfWork) -> dict[Address, datetime]:
    """From when each address of the active book may be paid, by when the signer first saw it."""
    rows = uow.session.execute(
        select(PolicyBundle.version, PolicyBundle.activated_at, PolicyBundle.content)
        .where(
            PolicyBundle.organisation_id == uow.organisation_id,
            PolicyBundle.activated_at.is_not(None),
        )
        .order_by(PolicyBundle.version)
    ).all()
    seen: dict[Address, datetime] = {}
    active: set[Address] = set()
    for version, at, content in rows:
        active = {parse_address(entry["address"]) for entry in content["address_book"]}
        for address in active:
            seen.setdefault(address, at if version == 1 else at + COOLING)
    return {address: at for address, at in seen.items() if address in active}


def _person(uow: UnitOfWork) -> UUID:
    if uow.actor.kind != "person":
        raise errors.PersonNeeded(
            "The address book wants people: sign in with a credential that belongs to a person."
        )
    return UUID(uow.actor.id)


def _record(row: BookProposal) -> dict[str, object]:
    return {
        "kind": row.kind,
        "address": checksum(row.address),
        "label": row.label,
        "owner": row.owner,
        "tags": row.tags,
        "why": row.why,
        "outcome": row.outcome,
        "reason": row.reason,
    }


def _proposal(row: BookProposal, names: dict[UUID, str]) -> Proposal:
    return Proposal(
        id=row.id,
        kind=row.kind,
        address=Address(row.address),
        label=row.label,
        owner=row.owner,
        tags=tuple(row.tags),
        why=row.why,
        proposed_by=names.get(row.proposed_by, ""),
        proposed_at=row.proposed_at,
        outcome=row.outcome,
        decided_by=None if row.decided_by is None else names.get(row.decided_by, ""),
        decided_at=row.decided_at,
        reason=row.reason,
    )


def _proof(row: BookProof) -> Proof:
    return Proof(row.method, row.statement, row.evidence, row.recorded_at)
