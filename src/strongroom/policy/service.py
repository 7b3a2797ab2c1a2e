"""Policy bundles: prepared, staged, activated on the signer's word, kept for ever.

Whether a bundle counts is the signer's decision: a route stages it in one unit, asks the signer
outside of any unit, and activates it in another. A crash in between is mended by sending it again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.identity import service as identity
from strongroom.kit.check import check
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef
from strongroom.policy import errors
from strongroom.policy.models import PolicyBundle
from strongroom.policy.types import ActiveBundle, BundleView, PreparedBundle, Staged
from strongroom.wallets import service as wallets
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.amounts import Asset, parse_amount
from strongroom_protocol.authority import Bundle, bundle_digest, parse_bundle
from strongroom_protocol.bundle import POLICY_TYPE
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.policy import Facts, Verdict, evaluate

__all__ = [
    "ActiveBundle", "Staged", "activate", "active", "at_version", "prepare", "preview",
    "requests_after", "stage_first", "stage_update", "versions",
]  # fmt: skip

FIRST_PREVIOUS = bytes(32)
TREASURY = "client:treasury"


def prepare(uow: UnitOfWork, content: Mapping[str, Any]) -> PreparedBundle:
    """What administrators would sign for this content.

    `type`, `organisation`, `chain_id`, `version` and `previous` may be left out: they follow from
    the active bundle. Raises BundleInvalid, VersionWrong, OrganisationWrong.
    """
    bundle = _read(uow, content)
    return PreparedBundle(
        version=bundle.version,
        digest=bundle_digest(bundle),
        content=bundle.document(),
        typed_data=bundle.structure().as_json(bundle.chain_id),
    )


def stage_first(
    uow: UnitOfWork,
    *,
    bundle: Mapping[str, Any],
    signatures: Sequence[str],
    officer_signatures: Sequence[str],
    manifest: Mapping[str, Any],
) -> Staged:
    """Keep the founding bundle before the signer is asked. `manifest`: the account's, as signed
    by the custody officers. Raises BundleInvalid, VersionWrong, OrganisationWrong.
    """
    read = _read(uow, bundle)
    if read.version != 1:
        raise errors.VersionWrong(
            f"The first bundle has version 1; version {read.version} is an update of the active "
            "one and is sent as such."
        )
    body = {
        "genesis": identity.organisation(uow).genesis,
        "bundle": read.document(),
        "signatures": list(signatures),
        "officer_signatures": list(officer_signatures),
        "manifest": dict(manifest),
    }
    return _stage(uow, "policy_first", read, body)


def stage_update(
    uow: UnitOfWork, *, bundle: Mapping[str, Any], signatures: Sequence[str]
) -> Staged:
    """Keep a later bundle before the signer is asked. Raises BundleInvalid, VersionWrong,
    OrganisationWrong, NoneActive.
    """
    active(uow, _own(uow))
    read = _read(uow, bundle)
    body = {"bundle": read.document(), "signatures": list(signatures)}
    return _stage(uow, "policy_update", read, body)


def activate(uow: UnitOfWork, staged: Staged) -> BundleView:
    """Record the signer's acceptance; doing it again changes nothing. Raises NotStaged."""
    row = uow.session.get(PolicyBundle, (_own(uow), staged.version, staged.digest))
    if row is None:
        raise errors.NotStaged("This bundle was not staged; stage it before the signer is asked.")
    if row.activated_at is None:
        row.activated_at = uow.now
        bundle = parse_bundle(row.content)
        for token in bundle.tokens:
            if token.contract is not None:
                wallets.allow_token(
                    uow,
                    chain_id=bundle.chain_id,
                    contract=token.contract,
                    asset=token.asset.code,
                )
        codes = [TREASURY, *_watch_spending(uow, bundle)]
        assets = [token.asset.code for token in bundle.tokens]
        refs = [AccountRef(_own(uow), code, asset) for code in codes for asset in assets]
        ledger.open_accounts(uow, refs)
        body = {"version": row.version, "digest": to_hex(row.digest), "signatures": row.signatures}
        auditlog.append(uow, "policy.activated", str(row.organisation_id), body)
        payload = {"organisation_id": str(row.organisation_id), "version": row.version}
        outbox.enqueue(uow, "policy.activated", to_hex(row.digest), payload)
        uow.session.flush()
    return next(view for view in versions(uow) if view.digest == row.digest)


def requests_after(uow: UnitOfWork, version: int) -> list[dict[str, Any]]:
    """The activated bundles after a version, as an offline signer is asked to take them over. It
    has no deposit addresses, so it is shown no manifest of them.
    """
    rows = uow.session.scalars(
        select(PolicyBundle)
        .where(
            PolicyBundle.organisation_id == _own(uow),
            PolicyBundle.version > version,
            PolicyBundle.activated_at.is_not(None),
        )
        .order_by(PolicyBundle.version)
    )
    found = []
    for row in rows:
        body: dict[str, Any] = {"bundle": row.content, "signatures": row.signatures}
        if row.version == 1:
            body["genesis"] = identity.organisation(uow).genesis
            body |= {"officer_signatures": row.officer_signatures, "manifest": None}
        op = "policy_first" if row.version == 1 else "policy_update"
        found.append({"op": op, "trace": uow.request_id, "body": body})
    return found


def active(uow: UnitOfWork, organisation_id: UUID) -> ActiveBundle:
    """The bundle that counts now. Raises NoneActive."""
    row = _active_row(uow, organisation_id)
    if row is None:
        raise errors.NoneActive(
            "The organisation has no active policy; its administrators sign the first bundle, "
            "until then nothing can leave."
        )
    return ActiveBundle(row.version, row.digest, parse_bundle(row.content), row.content)


def at_version(uow: UnitOfWork, organisation_id: UUID, version: int) -> ActiveBundle:
    """The bundle that was activated as this version. Raises NoneActive."""
    row = uow.session.scalars(
        select(PolicyBundle).where(
            PolicyBundle.organisation_id == organisation_id,
            PolicyBundle.version == version,
            PolicyBundle.activated_at.is_not(None),
        )
    ).one_or_none()
    if row is None:
        raise errors.NoneActive(f"Version {version} of the policy was never active.")
    return ActiveBundle(row.version, row.digest, parse_bundle(row.content), row.content)


def versions(uow: UnitOfWork) -> list[BundleView]:
    """Every bundle of the unit's organisation, the newest first."""
    rows = uow.session.scalars(
        select(PolicyBundle)
        .where(PolicyBundle.organisation_id == _own(uow))
        .order_by(PolicyBundle.version.desc(), PolicyBundle.staged_at.desc())
    ).all()
    newest = max((row.version for row in rows if row.activated_at is not None), default=0)
    return [_view(row, newest) for row in rows]


def preview(
    uow: UnitOfWork, *, initiator: str, asset: str, to: str, amount: str, spent_units: int = 0
) -> Verdict:
    """What the active policy would say to this payment; the signer decides with the same rules.

    `initiator` is a person's id in the bundle, `spent_units` what left in the last day. Raises
    NoneActive and the protocol's address.* and amount.* errors.
    """
    bundle = active(uow, _own(uow)).bundle
    facts = Facts(
        initiator=initiator,
        asset=asset,
        units=parse_amount(amount, Asset(asset)).units,
        destination=parse_address(to),
        now=int(uow.now.timestamp()),
        spent_units=spent_units,
    )
    return evaluate(bundle, facts)


def _watch_spending(uow: UnitOfWork, bundle: Bundle) -> list[str]:
    """Look for what comes to the spending keys from now on; gives their custody accounts."""
    for key in bundle.spending:
        wallets.watch(
            uow,
            chain_id=bundle.chain_id,
            address=key.address,
            kind="spending",
            organisation_id=_own(uow),
        )
    return [wallets.custody_code(bundle.chain_id, key.address) for key in bundle.spending]


def _read(uow: UnitOfWork, content: Mapping[str, Any]) -> Bundle:
    """The bundle of this content, if it is this organisation's next one."""
    organisation = identity.organisation(uow)
    current = _active_row(uow, organisation.id)
    previous = FIRST_PREVIOUS if current is None else current.digest
    follows = {
        "type": POLICY_TYPE,
        "organisation": to_hex(organisation.ref),
        "chain_id": organisation.chain_id,
        "version": 1 if current is None else current.version + 1,
        "previous": to_hex(previous),
    }
    try:
        bundle = parse_bundle({**follows, **content})
    except ProtocolError as error:
        raise errors.BundleInvalid(
            f"{error}. Correct the bundle and have it signed again.",
            detail={"protocol_code": error.code},
        ) from error
    if (bundle.organisation, bundle.chain_id) != (organisation.ref, organisation.chain_id):
        raise errors.OrganisationWrong(
            "The bundle names another organisation or chain; make it for this organisation's "
            f"reference {to_hex(organisation.ref)} on chain {organisation.chain_id}."
        )
    if current is not None and bundle_digest(bundle) == current.digest:
        return bundle
    if (bundle.version, bundle.previous) != (follows["version"], previous):
        raise errors.VersionWrong(
            f"The next bundle has version {follows['version']} and previous {to_hex(previous)}; "
            "another one was activated meanwhile, or this one skips a version. Prepare it again."
        )
    return bundle


def _stage(uow: UnitOfWork, op: Any, bundle: Bundle, body: Mapping[str, Any]) -> Staged:
    coin, expected = bundle.token_of(None), wallets.native_asset(uow, bundle.chain_id)
    if coin is not None and coin.asset.code != expected:
        raise errors.BundleInvalid(
            f"The coin of chain {bundle.chain_id} is {expected} in the books, and the bundle calls "
            f"it {coin.asset.code}; write {expected}."
        )
    digest = bundle_digest(bundle)
    signed = {
        "signatures": body["signatures"],
        "officer_signatures": body.get("officer_signatures", []),
        "manifest": body.get("manifest"),
    }
    staged = insert(PolicyBundle).values(
        organisation_id=_own(uow),
        version=bundle.version,
        digest=digest,
        content=bundle.document(),
        staged_at=uow.now,
        **signed,
    )
    uow.session.execute(
        staged.on_conflict_do_update(
            index_elements=["organisation_id", "version", "digest"],
            set_=signed,
            where=PolicyBundle.activated_at.is_(None),
        )
    )
    record = {"version": bundle.version, "digest": to_hex(digest), "content": bundle.document()}
    auditlog.append(uow, "policy.staged", str(_own(uow)), record)
    return Staged(op, bundle.version, digest, body)


def _active_row(uow: UnitOfWork, organisation_id: UUID) -> PolicyBundle | None:
    return uow.session.scalars(
        select(PolicyBundle)
        .where(
            PolicyBundle.organisation_id == organisation_id,
            PolicyBundle.activated_at.is_not(None),
        )
        .order_by(PolicyBundle.version.desc())
        .limit(1)
    ).one_or_none()


def _view(row: PolicyBundle, newest: int) -> BundleView:
    if row.activated_at is None:
        return BundleView(row.version, row.digest, "staged", row.staged_at, None, row.content)
    state = "active" if row.version == newest else "superseded"
    return BundleView(
        row.version,
        row.digest,
        "active" if state == "active" else "superseded",
        row.staged_at,
        row.activated_at,
        row.content,
    )


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "policy is written in a unit of one organisation")
    return cast(UUID, uow.organisation_id)
