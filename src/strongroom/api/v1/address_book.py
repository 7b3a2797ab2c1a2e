"""The address book: proposed by one person, agreed by another, with proofs of ownership."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field, StringConstraints

from strongroom.api.command import Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import AddressText, AssetCode, Name, Page, Shown, SignatureHex, Strict
from strongroom.db.database import UnitOfWork
from strongroom.deposits import service as deposits
from strongroom.identity import service as identity
from strongroom.identity.types import Role
from strongroom.policy import book, ownership
from strongroom.policy.errors import ProofWrong
from strongroom.policy.types import BookEntry, NewEntry, Proof, Proposal
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.amounts import Asset, format_amount

router = APIRouter(prefix="/address-book", tags=["policy"])
PROPOSING = [Depends(needs(Role.ADMINISTRATOR, Role.INITIATOR, Role.APPROVER, Role.COMPLIANCE))]
DECIDING = [Depends(needs(Role.ADMINISTRATOR, Role.APPROVER, Role.COMPLIANCE))]
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Why = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class ProposalIn(Strict):
    """An address to enter (or to change, or to retire), whose it is, its tags, and why."""

    kind: Literal["enter", "retire"] = "enter"
    address: AddressText
    label: Name
    owner: Name
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    why: Why


class DecisionIn(Strict):
    """What you decide; a refusal says why."""

    outcome: Literal["agreed", "refused", "withdrawn"]
    reason: Annotated[str, Field(max_length=500)] = ""


class OwnershipIn(Strict):
    """A signature of the address's own key: over the words (EIP-191) or typed data (EIP-712)."""

    owner: Name
    signature: SignatureHex


class PaymentProofIn(Strict):
    """The deposit by which the owner paid the amount asked for."""

    deposit_id: UUID


class ProposalOut(Shown):
    """A proposal; `outcome` is null while it waits for a second pair of eyes."""

    id: UUID
    kind: str
    address: str
    label: str
    owner: str
    tags: list[str]
    why: str
    proposed_by: str
    proposed_at: datetime
    outcome: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None

    @classmethod
    def of(cls, view: Proposal) -> "ProposalOut":
        """Show a view."""
        return cls(
            id=view.id,
            kind=view.kind,
            address=checksum(view.address),
            label=view.label,
            owner=view.owner,
            tags=list(view.tags),
            why=view.why,
            proposed_by=view.proposed_by,
            proposed_at=view.proposed_at,
            outcome=view.outcome,
            decided_by=view.decided_by,
            decided_at=view.decided_at,
            reason=view.reason,
        )


class ProofOut(Shown):
    """How the address was shown to be its owner's."""

    method: str
    statement: str
    evidence: str
    recorded_at: datetime

    @classmethod
    def of(cls, view: Proof) -> "ProofOut":
        """Show a view."""
        return cls(
            method=view.method,
            statement=view.statement,
            evidence="0x" + view.evidence.hex(),
            recorded_at=view.recorded_at,
        )


class EntryOut(Shown):
    """An agreed address; `usable_from` is null until a signed policy has it."""

    address: str
    label: str
    owner: str
    tags: list[str]
    proposed_by: str
    agreed_by: str
    agreed_at: datetime
    usable_from: datetime | None
    proofs: list[ProofOut]

    @classmethod
    def of(cls, view: BookEntry) -> "EntryOut":
        """Show a view."""
        return cls(
            address=checksum(view.address),
            label=view.label,
            owner=view.owner,
            tags=list(view.tags),
            proposed_by=view.proposed_by,
            agreed_by=view.agreed_by,
            agreed_at=view.agreed_at,
            usable_from=view.usable_from,
            proofs=[ProofOut.of(proof) for proof in view.proofs],
        )


class ChallengeOut(Shown):
    """What the owner is asked to sign, or to pay."""

    words: str
    typed_data: dict[str, Any]
    test_payment: str | None


@router.get("")
def entries(query: Reading) -> Page[EntryOut]:
    """The book as it is agreed: who proposed and who agreed, proofs, when it can be paid."""
    rows = query.run(book.entries)
    return Page(items=[EntryOut.of(view) for view in rows], next=None)


@router.get("/proposals")
def proposals(query: Reading, address: AddressText | None = None) -> Page[ProposalOut]:
    """Every proposal, or an address's history, the newest first."""
    wanted = None if address is None else parse_address(address)
    rows = query.run(lambda uow: book.proposals(uow, wanted))
    return Page(items=[ProposalOut.of(view) for view in rows], next=None)


@router.post("/proposals", response_model=ProposalOut, status_code=201, dependencies=PROPOSING)
def propose(body: ProposalIn, command: Posting) -> Response:
    """Propose an address; it enters the next draft once somebody else has agreed."""
    new = NewEntry(parse_address(body.address), body.label, body.owner, body.tags, body.why)
    return command.run(lambda uow: ProposalOut.of(book.propose(uow, new, kind=body.kind)))


@router.post(
    "/proposals/{proposal_id}/decision",
    response_model=ProposalOut,
    status_code=201,
    dependencies=DECIDING,
)
def decide(proposal_id: UUID, body: DecisionIn, command: Posting) -> Response:
    """Agree to, or refuse, what another proposed; or take your own proposal back."""
    return command.run(
        lambda uow: ProposalOut.of(
            book.decide(uow, proposal_id, body.outcome, reason=body.reason.strip())
        )
    )


@router.get("/{address}/challenge")
def challenge(
    address: AddressText, owner: Name, query: Reading, asset: AssetCode | None = None
) -> ChallengeOut:
    """What the owner signs with the address's key, or the exact amount to pay to us from it."""

    def look(uow: UnitOfWork) -> ChallengeOut:
        organisation = identity.organisation(uow)
        account = parse_address(address)
        asked = (
            None
            if asset is None
            else ownership.asked_amount(organisation.ref, account, Asset(asset))
        )
        return ChallengeOut(
            words=ownership.words(organisation.ref, account, owner),
            typed_data=ownership.typed_data(
                organisation.ref, account, owner, organisation.chain_id
            ),
            test_payment=None if asked is None else format_amount(asked),
        )

    return query.run(look)


@router.post(
    "/{address}/signatures", response_model=ProofOut, status_code=201, dependencies=PROPOSING
)
def prove(address: AddressText, body: OwnershipIn, command: Posting) -> Response:
    """Keep the owner's signature as proof."""
    account = parse_address(address)
    signature = bytes.fromhex(body.signature[2:])
    return command.run(lambda uow: ProofOut.of(book.prove(uow, account, body.owner, signature)))


@router.post(
    "/{address}/test-payments", response_model=ProofOut, status_code=201, dependencies=PROPOSING
)
def prove_by_payment(address: AddressText, body: PaymentProofIn, command: Posting) -> Response:
    """Keep a final deposit of exactly the amount asked for, sent by the address, as proof."""

    def work(uow: UnitOfWork) -> ProofOut:
        deposit = deposits.get(uow, body.deposit_id)
        if deposit.finalized_at is None:
            raise ProofWrong("The payment is not final yet; a reorganisation could undo it.")
        arrived = book.ArrivedPayment(deposit.payer, deposit.asset, deposit.units, deposit.tx_hash)
        return ProofOut.of(book.prove_by_payment(uow, parse_address(address), arrived))

    return command.run(work)
