"""Drafts of the policy: compose, read in words, rehearse, sign one after the other, publish."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from strongroom.api.command import Command, Posting
from strongroom.api.query import Reading
from strongroom.api.security import needs
from strongroom.api.shapes import (
    AddressText,
    Hash32,
    Page,
    Shown,
    SignatureHex,
    Strict,
    hexed,
)
from strongroom.api.v1.operator import CeremonyAccountIn
from strongroom.db.database import UnitOfWork
from strongroom.identity.types import Role
from strongroom.kit.errors import NotFound
from strongroom.policy import drafts
from strongroom.policy import service as policy
from strongroom.policy.enforcement import against_the_chain, claims
from strongroom.policy.errors import NoneActive
from strongroom.policy.types import DraftView
from strongroom.policy.words import Section, diff_words, policy_words
from strongroom.vaults import service as vaults
from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.authority import Bundle
from strongroom_protocol.deployment import Deployment

router = APIRouter(prefix="/policy", tags=["policy"])
GOVERNING = [Depends(needs(Role.OWNER, Role.ADMINISTRATOR))]


class AccountIn(Strict):
    """The HD account, as the ceremony made it: only the first version says it."""

    index: Annotated[int, Field(ge=0, le=2**31 - 1)]
    manifest_root: Hash32
    xpub_hash: Hash32


class DraftIn(Strict):
    """A source document (`strongroom.policy-source/1`); for the first version also what the
    ceremony made.
    """

    source: dict[str, Any]
    note: Annotated[str, Field(max_length=drafts.NOTE_MAX)] = ""
    account: AccountIn | None = None
    permit_signer: AddressText | None = None


class FindingOut(Shown):
    """Something wrong (error), or worth a look (warning)."""

    code: str
    severity: str
    path: str
    words: str


class SignerOut(Shown):
    """Somebody whose signature the draft asks for, and when it came."""

    person: str
    name: str
    address: str
    role: str
    signed_at: datetime | None


class SectionOut(Shown):
    """A heading and its sentences."""

    title: str
    lines: list[str]

    @classmethod
    def all(cls, sections: list[Section]) -> "list[SectionOut]":
        """Show sections."""
        return [cls(title=one.title, lines=list(one.lines)) for one in sections]


class DraftOut(Shown):
    """A draft: `typed_data` is what each signer signs, `missing` says who has not yet."""

    id: UUID
    version: int
    state: str
    note: str
    digest: str | None
    findings: list[FindingOut]
    signers: list[SignerOut]
    missing: str
    made_at: datetime
    source: dict[str, Any]
    content: dict[str, Any] | None
    typed_data: dict[str, Any] | None

    @classmethod
    def of(cls, view: DraftView) -> "DraftOut":
        """Show a view."""
        signed = {one.address: one.at for one in view.signatures}
        return cls(
            id=view.id,
            version=view.version,
            state=view.state,
            note=view.note,
            digest=hexed(view.digest),
            findings=[FindingOut(**finding.document()) for finding in view.findings],
            signers=[
                SignerOut(
                    person=one.person,
                    name=one.name,
                    address=checksum(one.address),
                    role=one.role,
                    signed_at=signed.get(one.address),
                )
                for one in view.wanted
            ],
            missing=view.missing,
            made_at=view.made_at,
            source=dict(view.source),
            content=None if view.content is None else dict(view.content),
            typed_data=None if view.typed_data is None else dict(view.typed_data),
        )


class ClaimOut(Shown):
    """What one of API, signer and chain does about one thing."""

    name: str
    where: str
    enforced: bool
    words: str


class WordsOut(Shown):
    """A policy in words, what it changes of the one before, and who enforces what."""

    version: int
    sections: list[SectionOut]
    changes: list[SectionOut]
    claims: list[ClaimOut]
    chain: list[str]

    @classmethod
    def of(cls, bundle: Bundle, before: Bundle | None, now: int) -> "WordsOut":
        """Put a bundle into words."""
        return cls(
            version=bundle.version,
            sections=SectionOut.all(policy_words(bundle)),
            changes=[] if before is None else SectionOut.all(diff_words(before, bundle)),
            claims=[
                ClaimOut(name=one.name, where=one.where, enforced=one.enforced, words=one.words)
                for one in claims(bundle)
            ],
            chain=against_the_chain(bundle, now),
        )


class DraftSignatureIn(Strict):
    """One person's EIP-712 signature over the draft's `typed_data`."""

    signature: SignatureHex


class PublicationIn(Strict):
    """Nothing, but for the first version: the custody officers' signatures and the manifest."""

    officer_signatures: list[SignatureHex] | None = None
    manifest: CeremonyAccountIn | None = None


@router.post("/drafts", response_model=DraftOut, status_code=201, dependencies=GOVERNING)
def make(body: DraftIn, command: Posting) -> Response:
    """Compose a draft of the next version from a source document; it is kept with its findings."""

    def outside() -> drafts.Composed:
        with command.services.database.read(command.organisation_id, command.actor) as uow:
            around = drafts.context(uow, _told(uow, body))
            now = int(uow.now.timestamp())
        return drafts.compose(body.source, around, now)

    return command.act(
        outside, lambda uow, composed: DraftOut.of(drafts.keep(uow, composed, body.note))
    )


@router.get("/drafts")
def list_drafts(query: Reading) -> Page[DraftOut]:
    """All drafts, the newest first."""
    rows = query.run(drafts.listed)
    return Page(items=[DraftOut.of(view) for view in rows], next=None)


@router.get("/drafts/{draft_id}")
def show(draft_id: UUID, query: Reading) -> DraftOut:
    """One draft: its findings, what is signed, who has and who has not."""
    return DraftOut.of(query.run(lambda uow: drafts.get(uow, draft_id)))


@router.get("/drafts/{draft_id}/words")
def words(draft_id: UUID, query: Reading) -> WordsOut:
    """A draft in words, what it changes, and what signer and chain will and will not enforce."""

    def look(uow: UnitOfWork) -> tuple[DraftView, Bundle | None, int]:
        return drafts.get(uow, draft_id), active_bundle(uow), int(uow.now.timestamp())

    view, before, now = query.run(look)
    return WordsOut.of(drafts.bundle_of(view), before, now)


@router.get("/words")
def active_words(query: Reading) -> WordsOut:
    """The active policy in words, and what it changed of the version before it."""

    def look(uow: UnitOfWork) -> WordsOut:
        active = policy.active(uow, query.caller.organisation_id)
        before = None
        if active.version > 1:
            own = query.caller.organisation_id
            before = policy.at_version(uow, own, active.version - 1).bundle
        return WordsOut.of(active.bundle, before, int(uow.now.timestamp()))

    return query.run(look)


@router.post("/drafts/{draft_id}/signatures", response_model=DraftOut, status_code=201)
def sign(draft_id: UUID, body: DraftSignatureIn, command: Posting) -> Response:
    """Hand in one signature; whoever brings it, the key decides whose it is."""
    return command.run(lambda uow: DraftOut.of(drafts.sign(uow, draft_id, body.signature)))


@router.post(
    "/drafts/{draft_id}/withdrawal",
    response_model=DraftOut,
    status_code=201,
    dependencies=GOVERNING,
)
def withdraw(draft_id: UUID, command: Posting) -> Response:
    """Take a draft back: nobody signs it any more."""
    return command.run(lambda uow: DraftOut.of(drafts.withdraw(uow, draft_id)))


@router.post(
    "/drafts/{draft_id}/publication",
    response_model=DraftOut,
    status_code=201,
    dependencies=GOVERNING,
)
def publish(draft_id: UUID, body: PublicationIn, command: Posting) -> Response:
    """Publish a draft that everybody needed has signed. The signer checks it all by itself."""

    def outside() -> policy.Staged:
        staged = command.unit(lambda uow: _stage(uow, draft_id, body))
        send_to_signer(command, staged)
        return staged

    return command.act(
        outside, lambda uow, staged: DraftOut.of(drafts.publish(uow, draft_id, staged))
    )


def send_to_signer(command: Command, staged: policy.Staged) -> None:
    """Ask the signer for its word. Raises SignerRefused, SignerUnavailable."""
    signer = command.signer
    (signer.policy_first if staged.op == "policy_first" else signer.policy_update)(staged.body)


def _stage(uow: UnitOfWork, draft_id: UUID, body: PublicationIn) -> policy.Staged:
    manifest = None if body.manifest is None else body.manifest.model_dump(exclude={"addresses"})
    return drafts.stage(
        uow, draft_id, officer_signatures=list(body.officer_signatures or ()), manifest=manifest
    )


def _told(uow: UnitOfWork, body: DraftIn) -> drafts.Told:
    """What the service knows of platform and vault, and what the body says of the ceremony."""
    guard: Address | None = None
    own: set[Address] = set()
    try:
        vault = vaults.get(uow)
        deployment: Deployment = vaults.platform(uow, vault.chain_id).deployment
        guard = deployment.guard
        own = {Address(vault.address), guard, deployment.batcher, deployment.vault_setup}
    except NotFound:
        pass
    signer = body.permit_signer
    return drafts.Told(
        account=None if body.account is None else body.account.model_dump(),
        permit_signer=None if signer is None else parse_address(signer),
        guard=guard,
        own=frozenset(own),
    )


def active_bundle(uow: UnitOfWork) -> Bundle | None:
    """The bundle that counts now, if there is one."""
    own = uow.organisation_id
    try:
        return None if own is None else policy.active(uow, own).bundle
    except NoneActive:
        return None
