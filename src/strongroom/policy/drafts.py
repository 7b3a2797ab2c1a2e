"""Drafts of the next version: composed, signed one person after the other, published or withdrawn.

A draft never changes: its digest is what is signed. Composing is pure and done outside of a unit,
for it may try many payments; `keep` writes down what came of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.policy import book, errors, service
from strongroom.policy.compiler import compile_source
from strongroom.policy.context import Context
from strongroom.policy.findings import Finding, Findings
from strongroom.policy.models import PolicyDraft, PolicyDraftSignature
from strongroom.policy.types import DraftView, Signed, Wanted
from strongroom.policy.validation import check_bundle
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.authority import Bundle, bundle_digest, parse_bundle
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.signatures import Signature, recover

NOTE_MAX = 500


@dataclass(frozen=True, slots=True)
class Told:
    """What a draft's maker knows beyond its document: of the first version the ceremony's account
    and the signer's key; later the platform's guard, and addresses that nobody may be paid at.
    """

    account: Mapping[str, Any] | None = None
    permit_signer: Address | None = None
    guard: Address | None = None
    own: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class Composed:
    """A source document with what the compiler and the checks made of it."""

    source: Mapping[str, Any]
    bundle: Bundle | None
    version: int
    findings: tuple[Finding, ...]


def context(uow: UnitOfWork, told: Told) -> Context:
    """What the next version follows from, and the agreed address book."""
    organisation = identity.organisation(uow)
    try:
        active: service.ActiveBundle | None = service.active(uow, organisation.id)
    except errors.NoneActive:
        active = None
    given: dict[str, Any] = {
        "organisation": organisation.ref,
        "chain_id": organisation.chain_id,
        "guard": told.guard,
        "own": told.own,
        "book": _book(uow, None if active is None else active.bundle),
    }
    if active is not None:
        given |= {
            "version": active.version + 1,
            "previous": active.digest,
            "account": active.content["account"],
            "active": active.bundle,
        }
    if told.account is not None and active is None:
        given["account"] = told.account
    if told.permit_signer is not None:
        given["permit_signer"] = told.permit_signer
    return Context(**given)


def compose(source: Mapping[str, Any], around: Context, now: int) -> Composed:
    """Compile and check; `now` in Unix seconds. Pure, and never raises for a wrong document."""
    made = compile_source(source, around)
    findings = Findings(list(made.findings))
    if made.bundle is not None:
        _check_agreed(made.bundle, around, findings)
        findings.found += check_bundle(made.bundle, now)
    return Composed(made.source, made.bundle, around.version, tuple(findings.found))


def keep(uow: UnitOfWork, composed: Composed, note: str) -> DraftView:
    """Write the draft down; one with errors is kept too, but can't be signed."""
    bundle = composed.bundle
    row = PolicyDraft(
        organisation_id=_own(uow),
        id=uow.new_id(),
        version=composed.version,
        source=dict(composed.source),
        content=None if bundle is None else bundle.document(),
        digest=None if bundle is None else bundle_digest(bundle),
        findings=[finding.document() for finding in composed.findings],
        note=note,
        made_by=_actor(uow),
        made_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    body = {"version": row.version, "note": note, "source": row.source, "findings": row.findings}
    digest = None if row.digest is None else to_hex(row.digest)
    auditlog.append(uow, "policy.drafted", str(row.id), {**body, "digest": digest})
    return get(uow, row.id)


def get(uow: UnitOfWork, draft_id: UUID) -> DraftView:
    """One draft with its signatures, and who is still needed. Raises DraftUnknown."""
    return _view(uow, _row(uow, draft_id))


def listed(uow: UnitOfWork) -> list[DraftView]:
    """All drafts, the newest first."""
    rows = uow.session.scalars(
        select(PolicyDraft)
        .where(PolicyDraft.organisation_id == _own(uow))
        .order_by(PolicyDraft.made_at.desc())
    )
    return [_view(uow, row) for row in rows]


def sign(uow: UnitOfWork, draft_id: UUID, signature: str) -> DraftView:
    """Keep one person's EIP-712 signature; the same one again changes nothing. Raises
    DraftUnknown, DraftEnded, DraftInvalid, DraftOutdated, SignatureUnwanted, SignatureInvalid.
    """
    view = get(uow, draft_id)
    _check_open(view)
    parsed = Signature.parse(from_hex(signature, 65, field="signature"))
    address = recover(cast(bytes, view.digest), parsed)
    wanted = next((one for one in view.wanted if one.address == address), None)
    if wanted is None:
        raise errors.SignatureUnwanted(
            f"{checksum(address)} is nobody whom this draft asks for: another key, or other bytes, "
            "were signed."
        )
    added = uow.session.execute(
        insert(PolicyDraftSignature)
        .values(
            organisation_id=_own(uow),
            draft_id=draft_id,
            address=address,
            person=wanted.person,
            signature=parsed.to_bytes(),
            handed_in_by=_actor(uow),
            at=uow.now,
        )
        .on_conflict_do_nothing()
        .returning(PolicyDraftSignature.address)
    ).one_or_none()
    if added is not None:
        body = {"person": wanted.person, "signature": to_hex(parsed.to_bytes())}
        auditlog.append(uow, "policy.draft_signed", str(draft_id), body)
    return get(uow, draft_id)


def withdraw(uow: UnitOfWork, draft_id: UUID) -> DraftView:
    """Nobody signs it any more. Raises DraftUnknown, DraftEnded."""
    return _end(uow, draft_id, "withdrawn")


def stage(
    uow: UnitOfWork,
    draft_id: UUID,
    *,
    officer_signatures: list[str] | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> service.Staged:
    """Hand a fully signed draft to the signer's door; the first version with the custody officers'
    signatures and the account's manifest. Raises DraftUnknown, DraftEnded, DraftInvalid,
    DraftOutdated, SignaturesMissing, and what staging raises.
    """
    view = get(uow, draft_id)
    _check_open(view)
    if view.missing:
        raise errors.SignaturesMissing(f"This draft can't be published yet: {view.missing}")
    signatures = [to_hex(one.signature) for one in view.signatures]
    content = cast(Mapping[str, Any], view.content)
    if view.version > 1:
        return service.stage_update(uow, bundle=content, signatures=signatures)
    if manifest is None:
        raise errors.SignaturesMissing(
            "The first version also needs the custody officers' signatures and the account's "
            "manifest from the ceremony."
        )
    return service.stage_first(
        uow,
        bundle=content,
        signatures=signatures,
        officer_signatures=officer_signatures or [],
        manifest=manifest,
    )


def publish(uow: UnitOfWork, draft_id: UUID, staged: service.Staged) -> DraftView:
    """Record that the signer took it; doing it again changes nothing."""
    service.activate(uow, staged)
    if get(uow, draft_id).state == "published":
        return get(uow, draft_id)
    return _end(uow, draft_id, "published")


def bundle_of(view: DraftView) -> Bundle:
    """The draft's bundle. Raises DraftInvalid."""
    if view.content is None:
        raise errors.DraftInvalid("This draft could not be compiled; its findings say why.")
    return parse_bundle(view.content)


def _book(uow: UnitOfWork, active: Bundle | None) -> list[dict[str, Any]]:
    """The agreed entries, and those of the active policy of which the book never said anything."""
    agreed = [
        {
            "name": entry.label,
            "address": checksum(entry.address),
            "tags": list(entry.tags),
            "owner": entry.owner,
        }
        for entry in book.entries(uow)
    ]
    settled = book.settled(uow)
    return agreed + [
        {
            "name": entry.label,
            "address": checksum(entry.address),
            "tags": list(entry.tags),
            "owner": entry.owner,
        }
        for entry in (() if active is None else active.address_book)
        if entry.address not in settled
    ]


def _check_agreed(bundle: Bundle, around: Context, findings: Findings) -> None:
    """Four eyes: an address is in the agreed book, or in the policy already."""
    agreed = {entry["address"] for entry in around.book or ()}
    if around.active is not None:
        agreed |= {checksum(entry.address) for entry in around.active.address_book}
    for entry in bundle.address_book:
        if checksum(entry.address) not in agreed:
            words = (
                f"{entry.label} ({checksum(entry.address)}) is not in the agreed address book; "
                "let one person propose it and another agree."
            )
            tell = findings.warning if around.active is None else findings.error
            tell("entry_not_agreed", f"address_book.{entry.label}", words)


def _check_open(view: DraftView) -> None:
    if view.state in ("published", "withdrawn"):
        raise errors.DraftEnded(f"This draft was {view.state}; make another one.")
    if view.state == "outdated":
        raise errors.DraftOutdated(
            "Another version was activated since this draft was made; make it again, so that it "
            "follows that one."
        )
    if view.state == "invalid":
        raise errors.DraftInvalid("This draft has errors; mend them in another draft first.")


def _view(uow: UnitOfWork, row: PolicyDraft) -> DraftView:
    bundle = None if row.content is None else parse_bundle(row.content)
    active = _active(uow)
    names = {} if bundle is None else {one.id: one.name for one in bundle.people}
    signatures = tuple(
        Signed(one.person, names.get(one.person, one.person), one.address, one.signature, one.at)
        for one in uow.session.scalars(
            select(PolicyDraftSignature)
            .where(
                PolicyDraftSignature.organisation_id == row.organisation_id,
                PolicyDraftSignature.draft_id == row.id,
            )
            .order_by(PolicyDraftSignature.at)
        )
    )
    wanted = () if bundle is None else tuple(_wanted(bundle, active))
    there = {one.address for one in signatures}
    return DraftView(
        id=row.id,
        version=row.version,
        state=_state(row, bundle, active),
        note=row.note,
        source=row.source,
        content=row.content,
        digest=row.digest,
        typed_data=None if bundle is None else bundle.structure().as_json(bundle.chain_id),
        findings=tuple(Finding(**each) for each in row.findings),
        signatures=signatures,
        wanted=wanted,
        missing=_missing(wanted, there, active),
        made_by=row.made_by,
        made_at=row.made_at,
    )


def _state(row: PolicyDraft, bundle: Bundle | None, active: service.ActiveBundle | None) -> str:
    if row.ended_as is not None:
        return row.ended_as
    next_version = 1 if active is None else active.version + 1
    previous = service.FIRST_PREVIOUS if active is None else active.digest
    if row.version != next_version or (bundle is not None and bundle.previous != previous):
        return "outdated"
    errors_there = any(finding["severity"] == "error" for finding in row.findings)
    return "invalid" if bundle is None or errors_there else "open"


def _wanted(bundle: Bundle, active: service.ActiveBundle | None) -> list[Wanted]:
    """Whose signatures count: administrators of the active version, and each key that is new."""
    if active is None:
        return [
            Wanted(one.id, one.name, one.address, "founder", needed=True)
            for one in bundle.people
            if one.address is not None
        ]
    known = {one.address for one in active.bundle.people if one.address is not None}
    found = [
        Wanted(one.id, one.name, one.address, "administrator", needed=False)
        for one in active.bundle.people
        if one.address is not None and "administrator" in one.roles
    ]
    return found + [
        Wanted(one.id, one.name, one.address, "new key", needed=True)
        for one in bundle.people
        if one.address is not None and one.address not in known
    ]


def _missing(
    wanted: tuple[Wanted, ...], there: set[bytes], active: service.ActiveBundle | None
) -> str:
    """Who must still sign, in words; empty when everybody needed has."""
    parts = []
    if active is not None:
        administrators = [one for one in wanted if one.role == "administrator"]
        signed = sum(one.address in there for one in administrators)
        lacking = active.bundle.administrator_quorum - signed
        if lacking > 0:
            names = ", ".join(one.name for one in administrators if one.address not in there)
            parts.append(f"{lacking} more of the administrators {names}")
    for one in wanted:
        if one.needed and one.address not in there:
            why = "with the new key" if one.role == "new key" else "as a founder"
            parts.append(f"{one.name} {why} {checksum(one.address)}")
    return "; ".join(parts) + ("." if parts else "")


def _end(uow: UnitOfWork, draft_id: UUID, how: str) -> DraftView:
    row = _row(uow, draft_id)
    if row.ended_as is not None:
        raise errors.DraftEnded(f"This draft was {row.ended_as} already.")
    row.ended_as, row.ended_by, row.ended_at = how, _actor(uow), uow.now
    uow.session.flush()
    auditlog.append(uow, f"policy.draft_{how}", str(draft_id), {"version": row.version})
    return _view(uow, row)


def _row(uow: UnitOfWork, draft_id: UUID) -> PolicyDraft:
    row = uow.session.get(PolicyDraft, (_own(uow), draft_id))
    if row is None:
        raise errors.DraftUnknown("The organisation has no such draft.")
    return row


def _active(uow: UnitOfWork) -> service.ActiveBundle | None:
    try:
        return service.active(uow, _own(uow))
    except errors.NoneActive:
        return None


def _own(uow: UnitOfWork) -> UUID:
    return identity.organisation(uow).id


def _actor(uow: UnitOfWork) -> str:
    return f"{uow.actor.kind}:{uow.actor.id}"
